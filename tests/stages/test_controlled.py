"""Trainings that are held to an accuracy: who is steered, by what, how exactly, and how near they come."""

import json
from pathlib import Path

import pytest
import torch

from harness.judging import settings_line
from harness.ledger import open_attempt
from harness.records import Asked, Place, Trained
from harness.stages.assignment import Assignment
from harness.stages.building import build
from harness.stages.controlled import Control, steered_part, steering_of
from harness.stages.finishing import rounds_of
from harness.stages.ground import prepare
from harness.stages.loading import images_of, trained
from harness.stages.optimising import train
from harness.stages.steering import Measurement
from harness.stages.training import train_stage
from harness.stages.undefended import undefended_course
from harness.trial import run_trial
from tests.holding import SLIGHT, ended, held_training, off, trial_of
from tests.values import JOB, asked

EAGER = Place(checkpoint_seconds=0.0)
"""A checkpoint after every step."""

GREY = JOB.model_copy(update={"attack": "tests.plugins:Grey"})
"""An attack that takes no time."""

SHORT = SLIGHT | {
    "train/epochs": 3,
    "train/images": 200,
    "train/batch_size": 32,
    "train/ramp": 0.125,
    "train/label_smoothing": 0.0,
    "train/target_accuracy": 0.02,
    "model/sigma": 0.1,
}


def held(name: str, number: int = 0, **settings) -> Asked:
    """A short trial that is held to an accuracy."""
    own = {key if "/" in key else f"defense/{name}/{key}": value for key, value in settings.items()}
    return asked(number, settings=SHORT | {"defense/name": name} | own, attacks=(GREY,))


def points(of, name: str) -> list[tuple[int, float | None]]:
    return [(point.step, point.value) for point in of.curve if point.name == name]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """The folder of a study's trials; whichever comes first trains its undefended network."""
    return tmp_path_factory.mktemp("held") / "trials"


@pytest.fixture(scope="module")
def laplace(study) -> tuple[Path, Trained]:
    attempt = open_attempt(study / "00000")
    return attempt, ended(train_stage(Assignment(held("laplace", scale=0.1), Place(), attempt)))


def test_the_course_of_a_strength_is_in_the_record_and_the_last_one_is_what_is_attacked(laplace):
    attempt, found = laplace
    strengths, accuracies = points(found, "strength"), points(found, "control_accuracy")
    assert [step for step, _ in strengths] == [step for step, _ in accuracies]
    assert len({value for _, value in strengths}) > 5
    assert found.images["control"] == 50
    trial = held("laplace", scale=0.1)
    data = images_of(trial.settings, Place(), prepare(trial, "train"))
    assert trained(trial, data, attempt).defense.scale == strengths[-1][1]
    assert build(trial, data).defense.scale == 0.1


def test_a_steered_training_that_is_cut_off_gives_the_same_numbers(laplace, study):
    trial, place = held("laplace", scale=0.1), study / "00001"
    stage = held_training(trial, open_attempt(place), EAGER)
    for _ in range(2):  # the first word is that it begins
        next(stage)
    stage.close()
    assert list(place.glob("attempt-1/checkpoint-*.pt"))
    again = ended(held_training(trial, open_attempt(place))).training
    assert again.curve == laplace[1].curve
    assert again.strength == points(again, "strength")[-1][1]


def test_a_checkpoint_of_a_training_that_was_held_otherwise_is_left_and_said(laplace, study):
    trial, attempt = held("laplace", scale=0.1), open_attempt(study / "00007")
    stage = held_training(trial, attempt, EAGER)
    for _ in range(2):
        next(stage)
    stage.close()
    for path in attempt.glob("checkpoint-*.pt"):
        state = torch.load(path, weights_only=True)
        state["control"]["held"] -= 1
        torch.save(state, path)
    again = ended(held_training(trial, open_attempt(study / "00007"))).training
    assert again.curve == laplace[1].curve
    assert again.notes == ("a checkpoint of a training that was held otherwise is left, training done again",)


def test_the_undefended_network_is_trained_once_and_the_same_whoever_comes_first(laplace, study, tmp_path):
    (written,) = (study.parent / "priors").glob("undefended-*.json")
    other = held("vib", 5, **{"train/target_accuracy": 0.03})
    handed = Assignment(other, Place(), open_attempt(tmp_path / "trials" / "00005"))
    course = ended(undefended_course(handed, images_of(other.settings, Place(), prepare(other, "train"))))
    assert [list(point) for point in course] == json.loads(written.read_text())["course"]
    assert (tmp_path / "priors" / written.name).exists()
    assert not list((tmp_path / "priors").rglob("checkpoint-*.pt"))


def test_a_target_that_the_undefended_network_does_not_exceed_fails_the_trial_with_both_numbers(laplace, study):
    result = run_trial(held("laplace", 2, **{"train/target_accuracy": 0.99}), study / "00002")
    assert result.record.state == "failed"
    assert "train/target_accuracy: 0.99: the undefended network reaches 0." in result.record.error.message
    assert "and must exceed it by 0.02" in result.record.error.message


def test_what_has_no_strength_trains_uncontrolled_on_the_same_images(laplace, tmp_path):
    trial = held("local_dp", 3)
    data = images_of(trial.settings, Place(), prepare(trial, "train"))
    found = ended(train(build(trial, data), data, Assignment(trial, Place(), tmp_path)))
    assert points(found, "strength") == []
    assert len(points(found, "control_accuracy")) == len(points(laplace[1], "control_accuracy"))
    assert {name: part.digest for name, part in data.parts.items()} == laplace[1].digests


def test_a_term_is_steered_where_the_defense_beside_it_has_no_strength():
    def steered(defense: str) -> str | None:
        trial = held(defense, **{"term/name": "class_gaussian", "term/class_gaussian/lam": 0.2})
        part = steered_part(build(trial, images_of(trial.settings, Place(), prepare(trial, "train"))), trial)
        return None if part is None else part.path

    assert steered("none") == "term/class_gaussian/lam"
    assert steered("dropout") == "defense/dropout/rate"


def test_a_line_on_a_held_training_says_to_what_it_was_held():
    assert settings_line(held("laplace", scale=0.1)) == "laplace scale=0.1, sigma=0.1, held to 0.02"


def test_a_measurement_leaves_the_network_as_it_was():
    trial = held("none")
    data = images_of(trial.settings, Place(), prepare(trial, "train"))
    model = build(trial, data).train()
    before = {name: value.clone() for name, value in model.state_dict().items() if "num_batches" not in name}
    momenta = [module.momentum for module in model.modules() if hasattr(module, "momentum")]
    control = Control(model, trial, data.parts["control"], 40, rounds_of(40), 32, None)
    control.measure(1)
    control.measure(40)
    assert [step for step, _, _ in control.points] == [1, 40]
    assert all(value.equal(model.state_dict()[name]) for name, value in before.items())
    assert momenta == [module.momentum for module in model.modules() if hasattr(module, "momentum")]
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("name", [pytest.param("laplace", marks=pytest.mark.slow), "class_gaussian"])
def test_a_training_ends_near_its_target(name, tmp_path):
    assert abs(off(trial_of(name, 0.85, seed=1), tmp_path).control) <= 0.025


def test_what_a_strength_cannot_change_yet_moves_it_not():
    trial = held("shredder", published=True)
    data = images_of(trial.settings, Place(), prepare(trial, "train"))
    part = steered_part(build(trial, data), trial)
    law = steering_of(part, trial, (Measurement(1.0, 0.4),), data.num_classes)
    # the noise begins as the second of three epochs ends
    assert law.moved(Measurement(0.66, 0.4)) == pytest.approx(part.start)
    assert law.moved(Measurement(0.7, 0.4)) > part.start


def test_of_the_rounds_of_a_weight_the_network_that_ended_nearest_is_taken_with_its_strength():
    trial = held("class_gaussian", lam=0.1)
    data = images_of(trial.settings, Place(), prepare(trial, "train"))
    model = build(trial, data)
    part = steered_part(model, trial)
    law = steering_of(part, trial, (Measurement(1.0, 0.4),), data.num_classes)
    rounds = rounds_of(100)
    control = Control(model, trial, data.parts["control"], 100, rounds, 32, (part, law))
    *_, bias = model.server.parameters()
    networks, strengths = {}, {}
    for step in range(1, 101):
        bias.data.normal_(generator=torch.Generator().manual_seed(-step))
        strengths[step] = part.defense.lam
        networks[step] = bias.detach().clone()
        control.measure(step)
    *measured, kept = control.course()
    accuracies = {round(point.progress * 100): point.accuracy for point in measured}
    nearest = min(sorted(rounds.ends(100), reverse=True), key=lambda step: abs(accuracies[step] - 0.02))
    assert nearest != 100
    assert bias.equal(networks[nearest])
    assert part.defense.lam == control.strength() == strengths[nearest]
    assert kept == Measurement(1.0, accuracies[nearest])


@pytest.mark.slow
@pytest.mark.parametrize("target", [0.85, 0.92])
@pytest.mark.parametrize(
    ("name", "own"),
    [
        *((name, {}) for name in ("laplace", "dropout", "class_gaussian", "cem_paper", "nopeek", "vib")),
        ("rotated_noise", {}),
        ("rotated_noise", {"trained": False}),
    ],
)
def test_five_trainings_end_near_their_target_and_nearer_in_the_mean(name, own, target, tmp_path):
    """Looked at again with fresh noise: by what was seen on the way, rounds were chosen."""
    errors = [off(trial_of(name, target, seed, **own), tmp_path).control for seed in range(1, 6)]
    assert abs(sum(errors)) / len(errors) <= 0.01
    assert max(map(abs, errors)) <= 0.025
