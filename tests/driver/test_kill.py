"""Studies killed at random moments: nothing lost, nothing double, nothing rewritten."""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.ledger.files import Ledger
from harness.trial import run_trial

pytestmark = pytest.mark.ray

TRIALS = 4
PATIENCE = 240.0
"""Seconds in which a session must show the sign that is waited for, on a slow machine."""

SPACE = f"""
name: killed
data: {{name: digits}}
model: {{width: 0.125, sigma: {{choices: [0.05, 0.1]}}}}
train: {{recipe: fast, epochs: 12, batch_size: 64, images: 640}}
defense:
  none: {{}}
  cem_paper: {{lam: {{low: 0.003, high: 0.1, log: true}}}}
attacks: {{'tests.small_ledger:SmallDecoder': tiny}}
search: {{trials: {TRIALS}, sampler: tpe, seed: 3}}
resources: {{concurrent: 2, train: {{cpu: 1}}, attack: {{cpu: 1}}, checkpoint: 0.2s}}
"""


def start(*arguments: str, log: Path) -> psutil.Process:
    with log.open("ab") as output:
        command = [sys.executable, "-m", "harness.cli", *arguments]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, env=environment)
    return psutil.Process(process.pid)


def family(driver: psutil.Process) -> list[psutil.Process]:
    """Every process that descends from the driver."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return driver.children(recursive=True)
    return []


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def workers(driver: psutil.Process) -> list[psutil.Process]:
    """The driver's Ray workers: those that run trials and their jobs."""
    found = []
    for process in family(driver):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if any(part.startswith("ray::") for part in process.cmdline()):
                found.append(process)
    return found


def wait_for(sign, driver: psutil.Process, log: Path) -> bool:
    """Wait until ``sign()`` holds; False if the driver ended before."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if sign():
            return True
        if not driver.is_running() or driver.status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.05)
    kill([*family(driver), driver])
    pytest.fail(f"nothing happened within {PATIENCE:g} s:\n{log.read_text()[-3000:]}")


def finished_records(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.glob("trials/*/record.json"))}


def status(root: Path) -> dict:
    command = [sys.executable, "-m", "harness.cli", "status", str(root), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return json.loads(done.stdout)


def kill_one_session(
    victims: str, arguments: list[str], root: Path, log: Path, dice: random.Random
) -> list[psutil.Process]:
    """Start a session, wait until it trains, and kill its driver, its workers, or all of it; return what it left."""
    driver = start(*arguments, log=log)
    before = set(root.glob("trials/*/attempt-*/checkpoint-*.pt")) | set(root.glob("trials/*/record.json"))

    def trains() -> bool:
        return bool(
            (set(root.glob("trials/*/attempt-*/checkpoint-*.pt")) | set(root.glob("trials/*/record.json"))) - before
        )

    if not wait_for(trains, driver, log):
        return []
    time.sleep(dice.uniform(0, 2))
    relatives = family(driver)
    if victims == "workers":
        kill(workers(driver))
        time.sleep(dice.uniform(1, 4))
        relatives = family(driver)
    kill([driver])
    if victims == "driver":
        return relatives  # they work on, and the next session starts beside them
    kill(relatives)
    return []


def check_killing(tmp_path: Path, sessions: list[str], seed: int) -> None:
    space, log, root = tmp_path / "killed.yaml", tmp_path / "log.txt", tmp_path / "runs" / "killed"
    space.write_text(SPACE)
    dice = random.Random(seed)
    arguments = ["run", str(space), "--out", str(tmp_path / "runs")]
    seen: dict[str, bytes] = {}
    left: list[psutil.Process] = []
    for victims in sessions:
        left += kill_one_session(victims, arguments, root, log, dice)
        seen |= {path: content for path, content in finished_records(root).items() if path not in seen}
        if (root / "study.yaml").exists():
            arguments = ["resume", str(root)]
    driver = start(*arguments, log=log)
    wait_for(lambda: False, driver, log)
    kill(left)
    assert driver.wait(60) == 0, log.read_text()[-3000:]

    states = status(root)["states"]
    assert states["running"] == states["waiting"] == 0, log.read_text()[-3000:]
    assert sum(states.values()) == TRIALS
    assert states["complete"] >= 1
    assert Ledger(root).numbers() == list(range(TRIALS))
    after = finished_records(root)
    assert len(after) == TRIALS
    assert {path: after[path] for path in seen} == seen
    check_same_numbers(root, tmp_path)


def check_same_numbers(root: Path, tmp_path: Path) -> None:
    """A trial that was cut off gives the numbers of one that ran in one go."""
    cut_off = [
        files
        for files in Ledger(root).trials()
        if files.record and files.record.state == "complete" and (files.path / "attempt-2").exists()
    ]
    assert cut_off
    for files in cut_off[:1]:
        again = run_trial(files.asked, tmp_path / "again")
        assert again.record.measured == files.record.measured
        assert [attack.measured for attack in again.attacks] == [attack.measured for attack in files.attacks]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_killed_study_resumes_to_exactly_its_budget(tmp_path):
    check_killing(tmp_path, ["workers", "driver", "family"], seed=int(os.environ.get("KILL_SEED", "0")))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(3))
def test_a_study_killed_many_times_resumes_to_exactly_its_budget(tmp_path, seed):
    dice = random.Random(seed)
    check_killing(tmp_path, [dice.choice(["workers", "driver", "family"]) for _ in range(8)], seed)
