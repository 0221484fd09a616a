"""Temporary files lie where the user wants them, or a word says where; a local Ray needs no home."""

import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from filelock import FileLock

from harness.cluster.scratch import LONGEST_PARENT, OWNED, YOUNG_SECONDS, scratch, token
from harness.errors import UserError


@pytest.fixture
def temporary(monkeypatch):
    """Lets a test choose ``TMPDIR``."""

    def choose(folder):
        monkeypatch.setenv("TMPDIR", str(folder))
        monkeypatch.setattr(tempfile, "tempdir", None)

    return choose


def test_tmpdir_is_honoured(temporary, tmp_path):
    temporary(tmp_path)
    with scratch() as folder:
        assert Path(folder).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def left(parent: Path, name: str, age: float = 0.0) -> Path:
    """A folder that a driver left, of some age in seconds."""
    folder = parent / name
    folder.mkdir()
    os.utime(folder, (time.time() - age,) * 2)
    return folder


def test_folders_of_dead_drivers_go_and_a_live_ones_stays_whatever_its_process_is_called(temporary, tmp_path):
    temporary(tmp_path)
    live, dead = left(tmp_path, "invf-4194303-of-another-container"), left(tmp_path, "invf-4194302-dead")
    old, young = left(tmp_path, "invf-4194301-old", 2 * YOUNG_SECONDS), left(tmp_path, "invf-4194300-just-made")
    (dead / OWNED).touch()
    with FileLock(live / OWNED), scratch() as folder:
        assert sorted(path for path in tmp_path.iterdir() if path != Path(folder)) == sorted([live, young])
    assert not old.exists()
    with scratch():
        assert not live.exists()


def test_a_tmpdir_that_is_too_long_for_sockets_is_left_with_a_word(temporary, tmp_path, caplog):
    long = tmp_path / ("x" * LONGEST_PARENT)
    long.mkdir()
    temporary(long)
    with scratch(sockets=True) as folder:
        assert Path(folder).parent == Path("/tmp")
    assert f"TMPDIR {long} is too long for Ray's sockets ({LONGEST_PARENT} characters at most)" in caplog.text


def test_a_tmpdir_of_letters_that_ray_cannot_take_is_left_with_a_word(temporary, tmp_path, caplog):
    odd = Path(tempfile.mkdtemp(prefix="é", dir="/tmp"))
    try:
        temporary(odd)
        with scratch(sockets=True) as folder:
            assert Path(folder).parent == Path("/tmp")
        assert f"TMPDIR {odd} has letters that Ray cannot take; its files lie in /tmp" in caplog.text
        with scratch() as folder:  # of files alone, any letters do
            assert Path(folder).parent == odd
    finally:
        odd.rmdir()


def test_a_tmpdir_that_is_not_there_is_left_with_a_word(temporary, tmp_path, caplog):
    temporary(tmp_path / "nowhere")
    with scratch(sockets=True) as folder:
        assert Path(folder).is_dir()
    assert f"TMPDIR {tmp_path / 'nowhere'} cannot be written; temporary files lie in " in caplog.text


def test_no_folder_for_temporary_files_says_what_to_set(monkeypatch):
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with (
        pytest.raises(UserError, match=r"^No usable temporary directory found in \['/tmp'\]; set TMPDIR to "),
        scratch(),
    ):
        pass


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A home that a test may change, and no token beside it."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_token_lies_at_home_if_it_can(home, tmp_path):
    with token(str(tmp_path)):
        assert "RAY_AUTH_TOKEN_PATH" not in os.environ
    assert not (tmp_path / "auth_token").exists()


def test_without_a_home_a_token_lies_in_the_runs_own_folder_and_a_word_says_what_to_set(home, tmp_path, caplog):
    home.write_text("no folder")
    with token(str(tmp_path)):
        place = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
        assert place == tmp_path / "auth_token"
        assert len(place.read_text()) == 64
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert "RAY_AUTH_TOKEN_PATH" not in os.environ
    assert f"HOME {home} cannot be written; " in caplog.text
    assert "set HOME to a folder of your own" in caplog.text


def test_a_token_of_the_users_own_stays(home, tmp_path, monkeypatch):
    home.write_text("no folder")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "mine")
    with token(str(tmp_path)):
        assert os.environ["RAY_AUTH_TOKEN_PATH"] == "mine"


@pytest.mark.ray
@pytest.mark.slow
def test_a_local_ray_works_without_a_home(tmp_path):
    (tmp_path / "home").write_text("no folder")
    code = (
        "import ray; from harness.cluster import cluster; from harness.commands.environment import quiet\n"
        "quiet(None)\n"
        "with cluster(None, 'farewell'): print(ray.get(ray.remote(lambda: 7).remote()))"
    )
    home = {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | home, capture_output=True, text=True, timeout=200
    )
    assert (done.returncode, done.stdout) == (0, "7\n")
    assert "set HOME to a folder of your own" in done.stderr
