"""The command line: quick help, exit codes, one line for whatever the user must mend, and nothing changed by it."""

import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import harness.commands
from harness import __version__
from harness.cli import main
from harness.ledger.files import Ledger
from tests.values import asked, attack, record

SLOW = ("torch", "ray", "mlflow", "optuna", "pandas", "numpy", "sklearn")
SPACE = "{name: small, data: {name: digits}, defense: {none: {}}, search: {trials: 4}}"


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture
def study(tmp_path):
    """A study's directory with one complete trial and one that was cut off, of four."""
    root = tmp_path / "runs" / "small"
    root.mkdir(parents=True)
    (root / "study.yaml").write_text(SPACE)
    ledger = Ledger(root)
    ledger.publish_asked(asked(0))
    ledger.publish_attack(attack(0))
    ledger.publish_record(record(0))
    ledger.publish_asked(asked(1))
    return root


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def python(code: str, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_and_version_answer_at_once_without_anything_slow(arguments):
    """The time is the processor's, so that busy neighbours do not count."""
    code = (
        "import sys, time, harness.cli\n"
        "assert harness.cli.main(sys.argv[1:]) == 0\n"
        f"print('SLOW', [name for name in {SLOW} if name in sys.modules], time.process_time())"
    )
    done = python(code, *arguments)
    assert done.returncode == 0, done.stderr
    imported, seconds = re.search(r"SLOW (\[.*\]) (.*)", done.stdout).groups()
    assert imported == "[]"
    assert float(seconds) < 1.0


def test_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"invfront {__version__}\n"


@pytest.mark.parametrize(
    "command",
    ["new", "check", "run", "resume", "retry", "status", "show", "report", "attack", "defenses", "attacks", "doctor"],
)
def test_every_commands_help_shows_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    output = capsys.readouterr().out
    assert "Examples:" in output
    assert f"  invfront {command}" in output


def completed(shell: str, *words: str) -> str:
    """What a shell is offered once these words are typed, as it asks for them."""
    line = " ".join(words)
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    command = [sys.executable, "-m", "harness.cli"]
    told = os.environ | asked | {"_INVFRONT_COMPLETE": f"complete_{shell}"}
    return subprocess.run(command, capture_output=True, text=True, env=told, check=True).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell):
    offered = completed(shell, "invfront", "re")
    assert "resume" in offered
    assert "report" in offered
    assert "status" not in offered
    offered = completed(shell, "invfront", "run", "--tr")
    assert "--trials" in offered
    assert "--tracking" in offered


def test_a_shell_without_completion_is_told_which_have_it(tmp_path):
    shell = shutil.copy("/bin/sh", tmp_path / "tcsh")
    line = f"{shlex.quote(sys.executable)} -m harness.cli --show-completion; exit $?"
    done = subprocess.run([shell, "-c", line], capture_output=True, text=True)
    assert done.returncode == 2
    assert "there is completion for bash, zsh, fish and PowerShell" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_command_shows_the_help_in_whole_lines(capsys):
    assert main([]) == 0
    commands = capsys.readouterr().out.partition("Commands:")[2]
    assert "Write a study file" in commands
    assert "..." not in commands


def test_who_calls_a_command_wrongly_is_sent_to_its_help(capsys):
    assert main(["new"]) == 2
    assert capsys.readouterr().err == "invfront: Missing argument 'NAME'. See `invfront new --help`.\n"
    assert main(["runn"]) == 2
    assert "See `invfront --help`." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["runn"], "runn"),
        (["run"], "SPACE"),
        (["run", "{space}", "--trials", "0"], "--trials"),
        (["run", "{space}", "--trials", "many"], "many"),
        (["run", "{space}", "--colour"], "--colour"),
        (["run", "missing.yaml"], "missing.yaml"),
        (["run", "{space}", "--set", "serach/trials=3"], "serach"),
        (["run", "{space}", "--set", "search/trials"], "search/trials"),
        (["run", "{space}", "--set", "search/trials=few"], "few"),
        (["run", "{space}", "--set", "defense/cem_paper/lamb=1"], "lamb"),
        (["run", "{space}", "--set", "name=a/b"], "a/b"),
        (["run", "{space}", "--out", "s3://bucket/runs"], "needs a PostgreSQL server"),
        (["run", "{space}", "--out", "{space}"], "space.yaml is a file; name a folder"),
        (["run", "{space}", "--out", "bad\udcff"], "has bytes that are no letters of UTF-8"),
        (["new", "mine", "--data", "bad\udcff"], "has bytes that are no letters of UTF-8"),
        (["run", "{tmp}"], "is a folder, not a study file"),
        (["run", "{space}", "--storage", "rubbish"], "not a database URL"),
        (["run", "{space}", "--storage", "sqlite:///odd?.db"], "write a file so called as sqlite:///"),
        (["resume", "{space}"], "space.yaml: is a file"),
        (["resume", "nowhere"], "nowhere"),
        (["run", "space"], "did you mean space.yaml?"),
        (["run", "{tmp}"], "`invfront new NAME --data FOLDER` writes one"),
        (["status", "{space}"], "is a file; name the study's directory, runs/space if it is there"),
        (["status", "{tmp}"], "holds no study"),
        (["report", "nowhere"], "nowhere"),
        (["doctor", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_ends_with_2_and_one_line_and_changes_nothing(arguments, says, space, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = files(tmp_path)
    assert main([argument.format(space=space, tmp=tmp_path) for argument in arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert re.fullmatch(r"invfront: [^\n]+\n", output.err)
    assert says in output.err
    assert files(tmp_path) == before


@pytest.mark.parametrize("command", ["status", "report", "resume"])
@pytest.mark.parametrize("name", ["asked.json", "record.json", "attacks/decoder-quick-0.json"])
def test_a_corrupt_file_ends_with_2_and_names_itself_and_doctor(command, name, study, tmp_path, capsys):
    path = study / "trials" / "00000" / name
    path.write_text("{")
    before = files(tmp_path)
    assert main([command, str(study)]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"invfront: [^\n]+\n", error)
    assert str(path) in error
    assert "invfront doctor" in error
    assert {file: content for file, content in files(tmp_path).items() if file.name != "study.lock"} == before


def test_a_driver_that_is_given_a_relative_path_works_with_an_absolute_one(study, tmp_path, capsys, monkeypatch):
    """Its workers may start in another folder."""
    path = study / "trials" / "00000" / "record.json"
    path.write_text("{")
    monkeypatch.chdir(tmp_path)
    assert main(["resume", "runs/small"]) == 2
    assert capsys.readouterr().err.startswith(f"invfront: {path}: ")


def test_who_names_a_studys_own_file_is_told_the_directory(study, capsys):
    assert main(["status", str(study / "study.yaml")]) == 2
    assert f"study.yaml: is a file; name the study's directory, {study} if" in capsys.readouterr().err


def test_resume_refuses_fewer_trials_than_were_asked(study, capsys):
    assert main(["resume", str(study), "--trials", "1"]) == 2
    assert "has asked 2 already" in capsys.readouterr().err


def test_status_counts_every_trial_of_the_budget(study, capsys):
    assert main(["status", str(study), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert list(status) == [
        "name",
        "digest",
        "budget",
        "states",
        "front",
        "objectives",
        "unsettled",
        "mixed",
        "ended",
        "disk",
        "widened",
        "informed",
        "ctl",
        "confirmed",
    ]
    assert (status["name"], status["budget"], status["front"]) == ("small", 4, [0])
    assert status["states"] == {"complete": 1, "failed": 0, "partial": 0, "pruned": 0, "running": 1, "waiting": 2}
    assert status["objectives"] == {"accuracy": "maximize", "mse": "maximize", "ssim": "minimize"}


def test_status_in_words_names_the_front(study, capsys):
    assert main(["status", str(study)]) == 0
    output = capsys.readouterr().out
    assert "4 trials: 1 complete, 1 running, 2 waiting" in output
    assert re.search(r"0 +0\.900 +0\.0200 +0\.400 +none sigma=0\.05", output)


def test_the_out_directory_stands_for_its_only_study(study, capsys):
    assert main(["status", str(study.parent)]) == 0
    other = study.parent / "other"
    other.mkdir()
    (other / "study.yaml").write_text(SPACE)
    assert main(["status", str(study.parent)]) == 2
    assert f"holds 2 studies, name one: {other}, {study}" in capsys.readouterr().err


def test_defenses_are_listed_with_their_settings(capsys):
    assert main(["defenses", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"none", "laplace", "cem_paper", "cem_code"} <= rows.keys()
    fields = ["name", "reference", "faithful", "settings", "strength", "bound", "cost"]
    for row in rows.values():
        assert list(row) == fields
        assert row["faithful"] in ("paper", "code", "ours")
        assert row["bound"] in ("upper", "lower", "none")
        assert row["strength"] is None or row["strength"] in row["settings"]


def test_attacks_are_listed_with_their_budgets(capsys):
    assert main(["attacks", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    fields = ["name", "reference", "kind", "knowledge", "needs_server", "budgets"]
    assert all(list(row) == fields for row in rows.values())
    assert {"quick", "standard"} <= rows["decoder"]["budgets"].keys()


def test_lists_in_words_name_everything(capsys):
    assert main(["defenses"]) == 0
    assert main(["attacks"]) == 0
    output = capsys.readouterr().out
    assert all(f"\n{name}\n" in f"\n{output}" for name in ("none", "cem_paper", "decoder"))


def test_a_password_is_not_repeated_in_an_error(space, capsys, monkeypatch):
    monkeypatch.setenv("INVFRONT_STORAGE", "sqlite:////nowhere")
    assert main(["run", str(space), "--set", "x=postgresql://me:hunter2@host/db"]) == 2
    assert "hunter2" not in capsys.readouterr().err


def test_a_reader_that_has_gone_is_no_error():
    """``invfront defenses | head -0``."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "harness.cli", "--help"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_terminal_cannot_show_is_written_as_an_escape():
    """As a study's lines are, of whatever folder it lies in."""
    code = "from harness.cli import main; main(['--version']); print('gr\\xf6\\xdfe \\udcff')"
    done = python(code, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.stdout.splitlines()[1] == r"gr\xf6\xdfe \udcff"


def test_only_commands_import_late():
    """What is imported at the top of the command line's modules is what ``--help`` pays for."""
    modules = [
        Path(harness.commands.__file__).parent / f"{name}.py"
        for name in ("new", "check", "run", "status", "doctor", "resume", "report", "attack")
    ]
    assert all(re.search(r"^    from harness\.", module.read_text(), re.MULTILINE) for module in modules)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_driver_that_is_told_to_end_says_how_to_go_on(sign, space, tmp_path):
    """Exit code 130, one line, and the study is there to be resumed."""
    command = [sys.executable, "-m", "harness.cli", "run", str(space), "--out", str(tmp_path / "runs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as driver:
        watchdog = threading.Timer(200, driver.kill)
        watchdog.start()
        while "started" not in (driver.stdout.readline() or "started"):
            pass
        driver.send_signal(sign)
        _, errors = driver.communicate()
        watchdog.cancel()
    root, by = tmp_path / "runs" / "small", "interrupted" if sign == signal.SIGINT else f"ended by {sign.name}"
    assert (driver.returncode, errors) == (130, f"invfront: {by}; go on with `invfront resume {root}`\n")
    assert Ledger(root).numbers() == [0]


@pytest.mark.slow
def test_a_cluster_whose_token_is_not_here_is_refused_in_one_line_and_nothing_is_made(space, tmp_path):
    command = [sys.executable, "-m", "harness.cli", "run", str(space), "--out", str(tmp_path / "runs")]
    done = subprocess.run(
        [*command, "--address", "127.0.0.1:6379"], capture_output=True, text=True, timeout=200,
        env=os.environ | {"HOME": str(tmp_path), "RAY_AUTH_MODE": "token"},
    )  # fmt: skip
    assert done.returncode == 2
    assert re.fullmatch(r"invfront: --address 127.0.0.1:6379: [^\n]*set RAY_AUTH_MODE=token\n", done.stderr)
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def full():
    """A disk that takes no more than 20 kB a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_report_on_a_full_disk_is_one_line_and_leaves_every_file_whole(study, request, capsys):
    shutil.rmtree(study / "trials" / "00000")  # nothing to draw: the page alone is larger than that
    assert main(["report", str(study)]) == 0
    before = files(study)
    request.getfixturevalue("full")
    capsys.readouterr()
    assert main(["report", str(study)]) == 2
    line = rf"invfront: {study}/report/[^\n]+: File too large; mend it, then give this command again\n"
    assert re.fullmatch(line, capsys.readouterr().err)
    after = files(study)
    assert after.keys() == before.keys()
    large = [path for path, content in before.items() if len(content) > 20_000]
    assert study / "report" / "index.html" in large
    assert all(after[path] == before[path] for path in large)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_place_that_cannot_be_written_is_one_line_and_no_defect(flags, study, capsys):
    (study / "report").write_text("mine")
    assert main(["report", str(study), *flags]) == 2
    said = capsys.readouterr()
    assert f"invfront: {study / 'report' / 'data'}: Not a directory; mend it" in said.err
    assert "Traceback" not in said.err
    assert (study / "report").read_text() == "mine"


def test_a_link_to_nothing_in_place_of_the_page_is_one_line(study, capsys):
    (study / "report").symlink_to("gone")
    assert main(["report", str(study)]) == 2
    assert re.fullmatch(r"invfront: [^\n]+/report[^\n]*: File exists; mend it[^\n]+\n", capsys.readouterr().err)
