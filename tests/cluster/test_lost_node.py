"""What a node that is lost costs: the jobs on it, and at most a minute until they run on another."""

import random
import time
from pathlib import Path

import pytest

from harness.launching.order import HEALTH
from harness.ledger import Ledger
from tests.chaos.nodes import Nodes
from tests.chaos.sessions import Session

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

SPACE = """
name: lost
data: {name: digits}
model: {width: 0.125, sigma: 0.1}
train: {recipe: fast, epochs: 2, batch_size: 64, images: 64}
defense: {'tests.plugins:Noting': {folder: %s, stall: 20}}
attacks: {'tests.adversaries:Guess': quick}
search: {trials: 4, sampler: random, allocate: joint}
resources: {concurrent: 2}
"""
LONGEST = 60.0


def attempts(root: Path) -> dict[Path, float]:
    """Return when each attempt of a study was opened."""
    return {path: path.stat().st_ctime for path in root.glob("trials/*/attempt-*")}


def opened_again(root: Path, before: dict[Path, float]) -> list[float]:
    """Return when trials that ran before have begun anew since."""
    ran = {path.parent for path in before}
    return [opened for path, opened in attempts(root).items() if path not in before and path.parent in ran]


@pytest.fixture
def nodes(loopback, monkeypatch):
    for name, value in HEALTH.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    nodes = Nodes(3)
    yield nodes
    nodes.stop()


@pytest.mark.parametrize("how", ["dies", "falls silent"])
def test_within_a_minute_what_ran_on_a_node_that_is_lost_runs_on_another(how, nodes, tmp_path):
    notes, root = tmp_path / "notes", tmp_path / "lost"
    (tmp_path / "space.yaml").write_text(SPACE % notes)
    order = ["run", str(tmp_path / "space.yaml"), "--out", str(tmp_path), "--address", nodes.address, "--no-tracking"]
    driver = Session(order, tmp_path / "log", "")
    while len(list(notes.glob("train-*"))) < 2:  # both train
        assert driver.code() is None, driver.told()
        time.sleep(0.2)
    before, lost = attempts(root), time.time()
    if how == "dies":
        nodes.lose(random.Random(0), busy=True)
    else:
        nodes.silence(random.Random(0))
    while not (again := sorted(opened_again(root, before))):
        assert driver.code() is None, driver.told()
        time.sleep(0.2)
    waited = again[0] - lost
    print(f"a node {how}: its trial ran again after {waited:.1f} s")
    assert driver.wait(600) == 0, driver.told()
    ledger = Ledger(root)
    assert [ledger.read(number).record.state for number in range(4)] == ["complete"] * 4
    assert waited <= LONGEST
    assert len({path.parent for path in attempts(root) if path not in before} & {path.parent for path in before}) == 1
