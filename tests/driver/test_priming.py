"""Trials begin while a prior is trained, their attacks wait for it, and its time is not theirs."""

import pytest

from harness.cli import main
from harness.ledger import Ledger
from tests.adversaries import TRAININGS
from tests.plugins import noted

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
    assert trainings.read_text().splitlines() == ["a trial is trained", "Patient torch.float32"]
