"""One trial in one process: what is measured, what is resumed, what is recorded when it fails."""

import shutil
import socket
from pathlib import Path

import psutil
import pytest
import torch

from defenses.information import NAMES, VERSION
from harness.ledger.attempts import open_attempt
from harness.ledger.files import read_value
from harness.records.asked import Asked
from harness.records.circumstances import Failure
from harness.records.place import Place
from harness.records.trial import Trained
from harness.stages import fisher, robustness
from harness.stages.assignment import Assignment
from harness.stages.attacking import attack_stage
from harness.stages.circumstances import software
from harness.stages.jobs import Outcome, drain
from harness.stages.measuring import COST
from harness.stages.spent import Spent
from harness.stages.training import train_stage
from harness.study.check import load_checked
from harness.study.jobs import attack_jobs
from harness.trial import give_up, read_result, run_trial, write_result
from tests.data.test_survey import photographs
from tests.holding import SLIGHT
from tests.values import JOB, asked

GREY = JOB.model_copy(update={"attack": "tests.plugins:Grey"})
"""An attack that takes no time."""

EAGER = Place(checkpoint_seconds=0.0)
"""A checkpoint after every step."""

SHORT_ATTACK = JOB.model_copy(update={"attack": "tests.small_ledger:SmallDecoder", "budget": "tiny"})
"""An attack that learns for a second."""

QUICKSTART = attack_jobs(load_checked("quickstart"))
"""Who attacks the quickstart's trials."""

SUITE = (GREY, SHORT_ATTACK)

CEM = SLIGHT | {
    "train/epochs": 3,
    "train/images": 256,
    "defense/name": "cem_paper",
    "defense/cem_paper/lam": 0.05,
    "model/sigma": 0.1,
}

SHORT = SLIGHT | {"train/epochs": 1, "train/images": 128}
"""A training that takes no time."""


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A defended trial under two attacks, one of which learns."""
    return run_trial(asked(settings=CEM, attacks=SUITE), tmp_path_factory.mktemp("attacked"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A defended trial that ran in one go."""
    return run_trial(quick(), tmp_path_factory.mktemp("whole"))


def quick(**changes) -> Asked:
    return asked(settings=CEM, attacks=(GREY,), **changes)


def test_a_trial_measures_accuracy_attacks_and_guesses(attacked):
    record = attacked.record
    assert record.state == "complete"
    assert record.measured.accuracy is not None
    assert 0.2 < record.measured.accuracy <= 1
    assert set(record.measured.floors) == {"mean_image", "class_mean", "mean_colour", "nearest"}
    assert [attack.job for attack in attacked.attacks] == list(SUITE)
    told = record.measured.diagnostics
    assert all(value is not None and value >= 0 for value in told.values())
    assert all(value > 0 for name, value in told.items() if not name.endswith("_se"))
    assert [attack.measured.images for attack in attacked.attacks] == [200] * len(SUITE)
    assert told["codebook_nats"] <= told["codebook_nats_most"]
    assert tuple(record.measured.diagnostics) == (*NAMES, *fisher.NAMES, *robustness.NAMES, *COST)
    assert told["spectrum_bound"] < record.measured.objectives.mse
    assert record.measured.diagnostics_version == VERSION
    assert len(set(record.measured.digests.values())) == 5


def test_an_attack_that_sees_z_beats_the_mean_image(attacked):
    objectives = attacked.record.measured.objectives
    assert objectives is not None
    assert objectives.mse_attack in [job.name for job in SUITE]
    assert objectives.mse < attacked.record.measured.floors["mean_image"].scores.mse


@pytest.mark.slow
def test_something_at_least_as_strong_as_the_ridge_decides_a_trial_of_the_quickstart(tmp_path):
    attacked = run_trial(asked(settings=CEM, attacks=QUICKSTART), tmp_path)
    ridge = next(attack.measured for attack in attacked.attacks if attack.job.attack == "linear")
    objectives = attacked.record.measured.objectives
    assert objectives.mse <= ridge.scores.mse < attacked.record.measured.floors["class_mean"].scores.mse
    assert objectives.ssim >= ridge.scores.ssim
    assert ridge.selection.mse == pytest.approx(ridge.scores.mse, rel=0.3)


def test_nothing_that_is_fitted_is_scored(attacked):
    digests = attacked.attacks[0].measured.digests
    assert len({digests["fit"], digests["selection"], digests["scored"]}) == 3
    assert digests["scored"] == attacked.record.measured.digests["validation"]


def interrupted(asked_: Asked, trial: Path, epochs: int) -> None:
    """Train for some epochs, then stop as a killed process does: after its last checkpoint."""
    stage = train_stage(Assignment(asked_, EAGER, open_attempt(trial)))
    for _ in range(epochs + 1):  # the first word is that it begins
        next(stage)
    stage.close()


def test_a_training_cut_off_between_checkpoints_gives_the_same_numbers(whole, tmp_path):
    interrupted(quick(), tmp_path, epochs=2)
    assert list(tmp_path.glob("attempt-1/checkpoint-*.pt"))
    resumed = run_trial(quick(), tmp_path, EAGER)
    assert resumed.attempt.name == "attempt-2"
    assert resumed.record.measured == whole.record.measured
    assert resumed.attacks[0].measured == whole.attacks[0].measured


def test_a_corrupt_checkpoint_falls_back_to_the_one_before_and_says_so(whole, tmp_path):
    interrupted(quick(), tmp_path, epochs=2)
    newest = max(tmp_path.glob("attempt-1/checkpoint-*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = run_trial(quick(), tmp_path, EAGER)
    assert resumed.record.measured == whole.record.measured
    assert any(newest.name in note for note in resumed.record.notes)


def test_finished_stages_are_taken_over_and_not_run_again(whole, tmp_path):
    shutil.copytree(whole.attempt, tmp_path / whole.attempt.name)
    second = run_trial(quick(), tmp_path)
    assert second.attempt.name == "attempt-2"
    assert not list(second.attempt.iterdir())
    assert second.record == whole.record


def test_weights_that_are_not_as_written_are_trained_again(whole, tmp_path):
    client = shutil.copytree(whole.attempt, tmp_path / whole.attempt.name) / "client.safetensors"
    client.write_bytes(client.read_bytes()[:-1] + b"\x00")
    second = run_trial(quick(), tmp_path)
    assert second.record.measured == whole.record.measured
    assert any("client.safetensors" in note for note in second.record.notes)
    assert read_value(second.attempt / "train.json", Trained).attempt == 2


def test_a_trial_that_learns_nothing_finite_is_failed_with_its_error(tmp_path):
    explosive = {"train/images": 128, "defense/name": "cem_paper", "defense/cem_paper/lam": 1e30}
    result = run_trial(asked(settings=explosive, attacks=(GREY,)), tmp_path)
    assert result.record.state == "failed"
    assert result.record.error is not None
    assert result.record.error.type == "FloatingPointError"
    assert "not finite" in result.record.error.message


def test_an_attack_that_raises_leaves_a_partial_trial_without_objectives(tmp_path):
    broken = JOB.model_copy(update={"budget": "no-such-budget"})
    result = run_trial(asked(settings=SHORT, attacks=(broken, GREY)), tmp_path)
    assert result.record.state == "partial"
    assert result.record.verdicts[broken.name] == "failed"
    assert result.record.verdicts[GREY.name] != "failed"
    assert result.record.measured.objectives is None
    assert result.record.measured.accuracy is not None
    write_result(result)
    assert read_result(result.attempt, result.record.asked) == result


def test_a_failed_attack_is_charged_its_own_time_and_not_the_trainings_again(tmp_path):
    broken = JOB.model_copy(update={"budget": "no-such-budget"})
    result = run_trial(asked(settings=SLIGHT | {"train/epochs": 16}, attacks=(broken, GREY)), tmp_path)
    trained = read_value(result.attempt / "train.json", Trained).circumstances
    failed, whole = (attack.circumstances for attack in result.attacks)
    assert 0 < failed.seconds < trained.seconds / 2
    assert failed.started >= trained.started
    assert (failed.node, failed.device) == (whole.node, whole.device) == (trained.node, trained.device)
    assert result.record.circumstances.seconds == pytest.approx(trained.seconds + failed.seconds + whole.seconds)


def test_a_trial_that_is_given_up_charges_its_time_to_no_attack(tmp_path):
    lost = Failure(stage="train", type="WorkerLost", message="lost")
    outcome = Outcome(0, None, lost, Spent("2026-01-01T00:00:00+00:00", 50.0))
    untrained = give_up(quick(), tmp_path / "0", Place(), outcome)
    assert (untrained.record.state, untrained.record.circumstances.seconds) == ("failed", 50)
    first = run_trial(asked(settings=SHORT, attacks=(GREY,)), tmp_path / "1")
    partial = give_up(asked(settings=SHORT, attacks=(GREY, JOB)), tmp_path / "1", Place(), outcome)
    assert partial.record.state == "partial"
    assert [attack.error and attack.error.type for attack in partial.attacks] == [None, "WorkerLost"]
    assert partial.attacks[1].circumstances.seconds == 0
    assert partial.record.circumstances.seconds == first.record.circumstances.seconds


def test_a_record_names_its_node_and_the_drivers_versions_where_they_differ(whole, tmp_path):
    own = software()
    driver = own.model_copy(update={"packages": own.packages | {"torch": "1.0.0"}})
    result = run_trial(asked(settings=SHORT, attacks=(GREY,)), tmp_path, Place(driver=driver))
    for cost in (result.record.circumstances, result.attacks[0].circumstances):
        assert (cost.node, cost.packages, cost.commit) == (socket.gethostname(), own.packages, own.commit)
        assert cost.driver == {"torch": "1.0.0"}
    assert whole.record.circumstances.driver == {}


def test_the_global_state_of_torch_does_not_reach_a_trial(whole, tmp_path):
    torch.manual_seed(12345)
    torch.rand(7)
    assert run_trial(quick(), tmp_path).record.measured == whole.record.measured


def test_the_same_attack_on_the_same_network_gives_the_same_numbers(attacked, tmp_path):
    for name in ("client", "defense", "server"):
        file = f"{name}.safetensors"
        (tmp_path / file).write_bytes((attacked.attempt / file).read_bytes())
    (tmp_path / "attempt-9").mkdir()
    handed = Assignment(attacked.record.asked, Place(), tmp_path / "attempt-9")
    again = drain(attack_stage(handed, tmp_path, SHORT_ATTACK), lambda progress: None)
    assert again.measured == next(attack.measured for attack in attacked.attacks if attack.job == SHORT_ATTACK)


@pytest.mark.slow
def test_memory_does_not_grow_with_epochs(tmp_path):
    process = psutil.Process()
    long = asked(settings=CEM | {"train/epochs": 40, "train/images": 64}, attacks=(GREY,))
    stage = train_stage(Assignment(long, Place(), open_attempt(tmp_path)))
    used = [process.memory_info().rss for progress in stage if progress.done]
    assert used[-1] - used[9] < 15e6


def test_diagnostics_without_noise_are_null_with_the_reason(tmp_path):
    measured = run_trial(asked(settings=SHORT | {"model/sigma": 0.0}, attacks=(GREY,)), tmp_path).record.measured
    told = {name for name, value in measured.diagnostics.items() if value is not None}
    assert told == {*robustness.NAMES, *COST}  # they tell nothing of information
    assert set(measured.null_reasons) == set(measured.diagnostics) - told


def test_a_folder_with_one_image_to_score_is_trained_and_what_it_cannot_tell_is_null(tmp_path):
    folder = photographs(tmp_path / "pictures")
    settings = SLIGHT | {
        "data/name": "folder",
        "data/size": 32,
        "train/images": 14,
        "train/epochs": 1,
        "train/batch_size": 14,
    }
    tiny = asked(settings=settings, attacks=(GREY,))
    record = run_trial(tiny, tmp_path / "trial", Place(data_root=str(folder))).record
    assert record.state == "complete"
    reason = "no two of the 1 images of validation share a class"
    missing = [name for name in NAMES if name.startswith(("mixture", "covariance", "codebook"))]
    derived = dict.fromkeys(fisher.NAMES, fisher.FEW)
    assert record.measured.null_reasons == dict.fromkeys(missing, reason) | derived
    assert record.measured.diagnostics["snr"] == 0
