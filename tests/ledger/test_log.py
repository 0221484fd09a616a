"""An attempt's log: whatever its process prints, in Python or below it, never much more than a megabyte."""

import subprocess
import sys
from pathlib import Path

from harness.ledger import LOG, log_of, tail
from harness.ledger.log import HEAD_BYTES, MOST_BYTES, shorten


def run(body: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, since pytest moves the descriptors of this one."""
    code = f"import os, sys, warnings\nfrom pathlib import Path\nfrom harness.ledger import logged\n{body}"
    return subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)


def test_what_is_printed_warned_and_written_below_python_is_logged_and_nothing_else(tmp_path):
    body = (
        "print('before')\n"
        "for word in ('first', 'second'):\n"
        "    with logged(Path(sys.argv[1])):\n"
        "        print(word)\n"
        "        warnings.warn(f'{word} warned')\n"
        "        os.write(2, b'written below\\n')\n"
        "print('after')"
    )
    done = run(body, tmp_path / LOG)
    assert (done.returncode, done.stdout, done.stderr) == (0, "before\nafter\n", "")
    log = log_of(tmp_path)
    assert [log.count(word) for word in ("first\n", "UserWarning: second warned", "written below\n")] == [1, 1, 2]


def test_the_last_words_of_a_process_that_dies_are_there(tmp_path):
    body = "with logged(Path(sys.argv[1])): os.write(1, b'last words'); os.kill(os.getpid(), 9)"
    done = run(body, tmp_path / LOG)
    assert (done.returncode, done.stdout) == (-9, "")
    assert log_of(tmp_path) == "last words"


def test_a_log_that_grew_is_cut_in_its_middle_and_says_so(tmp_path):
    lines = [f"line {number}" for number in range(200_000)]
    (tmp_path / LOG).write_text("\n".join(lines))
    size = (tmp_path / LOG).stat().st_size
    shorten(tmp_path / LOG)
    text = log_of(tmp_path)
    (note,) = [line for line in text.splitlines() if line.startswith("[")]
    assert text.startswith("line 0\nline 1\n")
    assert text.endswith(lines[-1])
    assert MOST_BYTES // 2 <= len(text) < MOST_BYTES
    assert len(text) - len(f"\n{note}\n") + int(note.split()[0][1:]) == size
    assert text.index(note) == HEAD_BYTES + 1
    shorten(tmp_path / LOG)
    assert log_of(tmp_path) == text


def test_a_flood_is_cut_while_it_runs(tmp_path):
    body = "with logged(Path(sys.argv[1])):\n    for _ in range(400): print('x' * 10_000)"
    assert run(body, tmp_path / LOG).returncode == 0
    assert 0 < (tmp_path / LOG).stat().st_size <= MOST_BYTES


def test_the_tail_is_whole_lines(tmp_path):
    (tmp_path / LOG).write_text("first\nsecond\nthird\n")
    assert tail(tmp_path, 13) == "third"
    assert tail(tmp_path) == "first\nsecond\nthird"
    assert tail(tmp_path / "nowhere") is None


def test_a_folder_that_cannot_be_written_spoils_no_job(tmp_path):
    done = run("with logged(Path(sys.argv[1])): print('heard')", tmp_path / "nowhere" / LOG)
    assert (done.returncode, done.stdout, done.stderr) == (0, "heard\n", "")
