"""The sbatch file does what it says, with a fake Slurm that starts its processes on this machine."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.launching import order_of, slurm_job
from harness.ledger import Ledger
from harness.study.check import load_checked
from reports.tables import read
from tests.servers import kill_all, tree

SPACE = """
name: mine
data: {name: digits}
model: {width: 0.125, sigma: 0.1}
train: {recipe: fast, epochs: 1, batch_size: 64, images: 64}
defense: {none: {}, laplace: {scale: {low: 0.1, high: 1}}}
attacks: {'tests.adversaries:Guess': quick}
search: {trials: 10, sampler: random}
resources: {concurrent: 4}
"""
TRIALS = 12
HELD = """
name: mine
data: {name: digits}
model: {width: 0.125, sigma: 0.1}
train: {recipe: fast, epochs: 1, batch_size: 64, images: 64}
defense: {'tests.plugins:Held': {folder: %s}}
attacks: {'tests.adversaries:Guess': quick}
search: {trials: %d, sampler: random, allocate: joint}
resources: {concurrent: 4}
"""

SRUN = """#!/bin/bash
# Starts a step here, in place of the node that it names.
while [[ ${1:-} == --* ]]; do
    [[ $1 == --nodelist=* ]] && echo $$ >> "$FAKE/${1#*=}.pids"
    shift
done
exec "$@"
"""
SCONTROL = """#!/bin/bash
[ "$1" = requeue ] && echo "$2" >> "$FAKE/requeued" || tr , '\\n' <<< "$3"
"""


def executable(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder of fake commands, first on PATH."""
    fake = tmp_path / "fake"
    fake.mkdir()
    executable(fake, "srun", SRUN)
    executable(fake, "scontrol", SCONTROL)
    own = {"FAKE": str(fake), "SLURM_JOB_NODELIST": "one,two,three", "SLURM_JOB_ID": str(os.getpid())}
    for name, value in own.items() | {"HOME": str(tmp_path), "PATH": f"{fake}:{os.environ['PATH']}"}.items():
        monkeypatch.setenv(name, value)
    return fake


def started(tmp_path: Path, space: str = SPACE) -> subprocess.Popen[str]:
    """Submit the study's file."""
    (tmp_path / "space.yaml").write_text(space)
    study = load_checked(str(tmp_path / "space.yaml"))
    order = order_of(study, str(tmp_path / "space.yaml"), ["--no-tracking"], str(tmp_path / "runs"), 3, 1)
    (tmp_path / "file").write_text(slurm_job(order).text)
    log = (tmp_path / "log").open("a")
    return subprocess.Popen(["bash", str(tmp_path / "file")], stdout=log, stderr=log, text=True)


def until(said, seconds: float, job: subprocess.Popen[str] | None = None) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end, "it never was"
        assert job is None or job.poll() is None, "the job has ended"
        time.sleep(0.05)


RAY = """#!{python}
# Listens, as a head does; a worker waits.
import os, socket, sys, time
with open(os.environ["FAKE"] + "/ray.pids", "a") as pids:
    print(os.getpid(), file=pids)
if "--head" in sys.argv:
    place = dict(word[2:].split("=") for word in sys.argv if "=" in word)
    there = socket.create_server((place["node-ip-address"], int(place["port"])))
if "start" in sys.argv:
    time.sleep(600)
"""
INVFRONT = """#!/bin/bash
trap 'echo ended >> "$FAKE/driver"; exit 130' TERM
echo "$@" >> "$FAKE/driver"
for _ in $(seq "${SECONDS_OF_WORK:-0}"); do sleep 0.1; done
exit "${CODE:-0}"
"""


@pytest.fixture
def nothing_but_bash(slurm):
    """Ray and invfront are fake, too."""
    executable(slurm, "ray", RAY.format(python=sys.executable))
    executable(slurm, "invfront", INVFRONT)
    executable(slurm, "python", "#!/bin/bash\n")
    executable(slurm, "hostname", "#!/bin/bash\necho 127.0.0.1\n")
    return slurm


def ended(slurm: Path) -> bool:
    """Say whether all that the job started on its nodes has ended."""
    steps = [int(pid) for file in slurm.glob("*.pids") for pid in file.read_text().split()]
    return not any(Path(f"/proc/{pid}").exists() for pid in steps)


@pytest.mark.parametrize("code", [0, 130])
def test_the_job_ends_as_its_driver_does_and_leaves_nothing_behind(code, nothing_but_bash, tmp_path, monkeypatch):
    monkeypatch.setenv("CODE", str(code))
    assert started(tmp_path).wait(timeout=60) == code
    port = 20000 + os.getpid() % 20000
    assert (nothing_but_bash / "driver").read_text() == (
        f"run {tmp_path}/space.yaml --no-tracking --out {tmp_path}/runs --address 127.0.0.1:{port}\n"
    )
    assert sorted(file.stem for file in nothing_but_bash.glob("*.pids")) == ["one", "ray", "three", "two"]
    assert ended(nothing_but_bash)
    assert not (nothing_but_bash / "requeued").exists()


def test_a_job_whose_time_is_nearly_up_ends_its_driver_and_is_queued_again(nothing_but_bash, tmp_path, monkeypatch):
    monkeypatch.setenv("SECONDS_OF_WORK", "600")
    job = started(tmp_path)
    until((nothing_but_bash / "driver").exists, 60, job)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(timeout=60) == 130
    assert (nothing_but_bash / "driver").read_text().endswith("ended\n")
    assert (nothing_but_bash / "requeued").read_text() == f"{os.getpid()}\n"
    assert ended(nothing_but_bash)


def complete(root: Path) -> int:
    """Count the finished trials of a study."""
    return len(list(root.glob("trials/*/record.json")))


def step(slurm: Path, node: str) -> list[psutil.Process]:
    """Return all processes of the last step that was started on a node; none before it is."""
    file = slurm / f"{node}.pids"
    return tree(int(file.read_text().split()[-1])) if file.exists() else []


def has_raylet(processes: list[psutil.Process]) -> bool:
    """Say whether Ray's server of a node is among these."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == "raylet":
                return True
    return False


def works(processes: list[psutil.Process]) -> bool:
    """Say whether one of these is a job's, by the title that Ray gives it."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, IndexError):
            if process.cmdline()[0].startswith("ray::_job"):
                return True
    return False


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1800)
def test_a_study_goes_on_after_its_time_was_up_and_outlives_a_node_and_takes_another(slurm, tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", raising=False)
    monkeypatch.setenv("PATH", f"{slurm}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    root, log, held = tmp_path / "runs" / "mine", tmp_path / "log", tmp_path / "held"
    space = HELD % (tmp_path, TRIALS)
    job = started(tmp_path, space)
    until(lambda: complete(root) >= 2, 600, job)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(timeout=180) == 130, log.read_text()
    assert (slurm / "requeued").read_text() == f"{os.getpid()}\n"
    assert complete(root) < TRIALS

    for file in slurm.glob("*.pids"):
        file.unlink()
    held.touch()
    job = started(tmp_path, space)
    until(lambda: all(works(step(slurm, node)) for node in ("one", "two", "three")), 600, job)
    lost = step(slurm, "two")
    assert has_raylet(lost)
    kill_all(lost)
    port = 20000 + os.getpid() % 20000
    ip = subprocess.run(["hostname", "--ip-address"], capture_output=True, text=True).stdout.split()[0]
    come = subprocess.Popen(
        [shutil.which("ray") or "ray", "start", f"--address={ip}:{port}", "--num-cpus=1", "--num-gpus=0", "--block"],
        env=os.environ | {"RAY_AUTH_MODE": "token"},
    )
    try:
        until(lambda: works(tree(come.pid)), 600, job)
        held.unlink()
        assert job.wait(timeout=900) == 0, log.read_text()
    finally:
        held.unlink(missing_ok=True)
        come.terminate()
        come.wait(timeout=60)
    ledger = Ledger(root)
    assert [ledger.read(number).record.state for number in range(TRIALS)] == ["complete"] * TRIALS
    assert (root / "report" / "index.html").exists()
    assert json.loads((root / "report" / "data" / "study.json").read_text())["states"]["complete"] == TRIALS
    trials = read(root / "report" / "data").trials
    assert (sorted(trials["trial"]), set(trials["state"])) == (list(range(TRIALS)), {"complete"})
    assert len((slurm / "requeued").read_text().splitlines()) == 1
