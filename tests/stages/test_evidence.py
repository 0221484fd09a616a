"""What a record keeps of the evidence behind a verdict, and a job that has half the attacker's images."""

from pathlib import Path

import pytest

from harness.ledger.attempts import open_attempt
from harness.records.asked import AttackJob
from harness.records.place import Place
from harness.stages.assignment import Assignment
from harness.stages.attacking import attack_stage
from harness.stages.jobs import drain
from harness.stages.training import train_stage
from tests.holding import SLIGHT
from tests.values import asked

FAST = SLIGHT | {"train/epochs": 1, "train/images": 128}
LINEAR = AttackJob(attack="linear", budget="quick", seed=0, part="validation")


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A trained network's files."""
    attempt = open_attempt(tmp_path_factory.mktemp("study") / "trials" / "00000")
    drain(train_stage(Assignment(asked(settings=FAST), Place(), attempt)), lambda progress: None)
    return attempt


@pytest.fixture(scope="module")
def whole(weights):
    return attacked(weights, LINEAR)


def attacked(weights: Path, job: AttackJob):
    handed = Assignment(asked(settings=FAST), Place(), open_attempt(weights.parent))
    return drain(attack_stage(handed, weights, job), lambda progress: None)


def test_an_attack_records_its_gains_with_intervals_and_its_errors_image_by_image(whole):
    gains, found = whole.measured.gains, whole.measured
    assert found.verdict == "open"
    for share in (gains.steps, gains.correction, gains.remainder):
        assert share.low <= share.value <= share.high
    assert gains.remainder.high < 1
    assert len(found.selection_mse) == 80
    assert sum(found.selection_mse) / 80 == pytest.approx(found.selection.mse, rel=1e-4)


def test_half_the_images_do_worse_and_give_no_objective(weights, whole):
    half = attacked(weights, LINEAR.model_copy(update={"half": "images"})).measured
    assert half.scores is None
    assert half.images == 0
    assert half.selection.mse > whole.measured.selection.mse
    assert half.digests["selection"] == whole.measured.digests["selection"]
    assert half.digests["fit"] != whole.measured.digests["fit"]


def test_half_the_width_is_refused_of_what_has_none(weights):
    with pytest.raises(ValueError, match="Linear names no setting that is its width"):
        attacked(weights, LINEAR.model_copy(update={"half": "width"}))
