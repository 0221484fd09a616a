"""Trials begin while a prior is trained, their attacks wait for it, and its time is not theirs."""

import contextlib
import shutil

import pytest
import torch

from attacks.precision import bfloat16_is_faster
from harness.cli import main
from harness.cluster import IN_PROCESS
from harness.cluster.running import InProcess
from harness.driver import priming
from harness.driver.campaign import Campaign
from harness.driver.confirming import ConfirmOrder, confirm
from harness.driver.endpoints import Endpoints
from harness.driver.orders import order_of
from harness.driver.reattack import attack_again
from harness.errors import Interrupted
from harness.ledger import Ledger
from harness.records import AttackJob, Place
from harness.stages.priors import Priors
from harness.study import Resources
from tests.adversaries import TRAININGS
from tests.plugins import noted
from tests.small_ledger import small_ledger
from tests.values import asked

SPACE = """
name: primed
data: {name: digits}
model: {name: 'tests.slight:Slight', cut: 1, sigma: 0.1}
train: {recipe: fast, epochs: 1, batch_size: 64, images: 64}
defense: {'tests.plugins:Noting': {folder: %s}}
attacks: {'tests.adversaries:Patient': quick}
search: {trials: 2, sampler: random, allocate: joint}
resources: {concurrent: 1, timeout: 10m}
"""


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_trials_are_trained_while_the_prior_is_and_their_attacks_wait_for_it(tmp_path, monkeypatch):
    notes, trainings = tmp_path / "notes", tmp_path / "trainings"
    notes.mkdir()
    monkeypatch.setenv(TRAININGS, str(trainings))
    (tmp_path / "space.yaml").write_text(SPACE % notes)
    assert main(["run", str(tmp_path / "space.yaml"), "--out", str(tmp_path), "--no-tracking"]) == 0
    ledger = Ledger(tmp_path / "primed")
    assert [ledger.read(number).record.state for number in range(2)] == ["complete"] * 2
    assert len(noted(str(notes), "train")) == 2
    kind = torch.bfloat16 if bfloat16_is_faster(torch.device("cpu")) else torch.float32
    assert trainings.read_text().splitlines() == ["a trial is trained", f"Patient {kind}"]


@pytest.mark.slow
def test_a_confirm_trains_the_priors_that_it_lacks_before_its_trainings(tmp_path):
    """As where it is computed in another precision than the search."""
    notes = tmp_path / "notes"
    notes.mkdir()
    space = (SPACE % notes).replace("tests.adversaries:Patient", "tests.adversaries:Remembering")
    (tmp_path / "space.yaml").write_text(space)
    command = ["run", str(tmp_path / "space.yaml"), "--out", str(tmp_path), "--trials", "1", "--no-tracking"]
    assert main([*command, "--address", IN_PROCESS]) == 0
    root, told = tmp_path / "primed", dict[str, bool]()
    shutil.rmtree(root / "priors")

    def hear(line: str) -> None:
        told[line] = any((root / "priors").glob("*.json"))

    confirm(ConfirmOrder(root, 1, trials="0"), Endpoints(address=IN_PROCESS, tracked=False), hear)
    assert told["prior of tests.adversaries:Remembering is being trained, if it is not yet"] is False
    assert told["trial 0 seed 0: started"] is True
    assert not list((root / "priors").glob("*.underway"))


class Full(InProcess):
    """A cluster that never has room."""

    @contextlib.contextmanager
    def beside(self, resources, work, setbacks):
        yield


def test_while_priors_find_no_place_the_driver_looks_at_what_it_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(priming, "LOOK_SECONDS", 0.01)
    job = AttackJob(attack="tests.adversaries:Remembering", budget="quick", seed=0, part="validation")
    priors = Priors(asked().shared(), Place(), tmp_path)

    def look():
        raise Interrupted("stopped")

    waiting = priming.primed([job], priors, Resources(), Full(), lambda progress: None, lambda line: None, look)
    with pytest.raises(Interrupted, match="stopped"), waiting:
        pytest.fail("trials begin")


def attacked(folder, attack, monkeypatch, address, *sets):
    """Attack two finished trials; return the trainings of priors, the jobs that told of progress, the verdicts."""
    _, ledger = small_ledger(folder)
    monkeypatch.setenv(TRAININGS, str(folder / "trainings"))
    told = list[str]()
    campaign = Campaign(ledger.root, ["0", "1"], [order_of(f"tests.adversaries:{attack}:quick")], sets)
    where = Endpoints(address=address, tracked=False)
    found = attack_again(campaign, where, lambda progress: told.append(progress.job), lambda record: None)
    return (folder / "trainings").read_text().splitlines(), told, [record.measured.verdict for record in found]


def test_what_attacks_on_finished_trials_start_from_is_trained_once_and_before_them(tmp_path, monkeypatch):
    trainings, told, verdicts = attacked(tmp_path, "Remembering", monkeypatch, IN_PROCESS)
    assert trainings == ["Remembering torch.float32"]
    assert told[0] == "prior of tests.adversaries:Remembering"
    assert len(verdicts) == 2
    assert "failed" not in verdicts


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_prior_that_takes_longer_than_an_attack_may_is_charged_to_none_on_finished_trials(tmp_path, monkeypatch):
    trainings, _, verdicts = attacked(tmp_path, "Slow", monkeypatch, None, "resources/timeout=40s")
    assert trainings == ["Slow torch.float32"]
    assert len(verdicts) == 2
    assert "failed" not in verdicts
