"""What a training does with a recipe: when penalties start, how labels are smoothed."""

import pytest
import torch

from defenses.base import Batch, Defense
from harness.ledger import open_attempt
from harness.records import Place
from harness.stages.assignment import Assignment
from harness.stages.building import build
from harness.stages.ground import prepare
from harness.stages.loading import images_of
from harness.stages.optimising import Run, train
from harness.stages.training import train_stage
from tests.holding import SLIGHT, ended
from tests.values import asked

SMALL = SLIGHT | {"train/epochs": 2, "train/images": 256, "train/batch_size": 32, "model/sigma": 0.1}
TODAY = {"train/ramp": 0.25, "train/label_smoothing": 0.0}


def curve(tmp_path, name: str, **settings) -> dict[str, list[float]]:
    """The means of a short training's epochs."""
    own = {f"defense/{name}/{key}": value for key, value in settings.items() if "/" not in key}
    trial = asked(settings=SMALL | {"defense/name": name} | own | {k: v for k, v in settings.items() if "/" in k})
    device = prepare(trial, "train")
    data = images_of(trial.settings, Place(), device)
    found: dict[str, list[float]] = {}
    for point in ended(train(build(trial, data), data, Assignment(trial, Place(), tmp_path))).curve:
        found.setdefault(point.name, []).append(point.value)
    return found


@pytest.mark.parametrize("name", ["cem_paper", "cem_code", "knife", "gated_attention", "slot_attention"])
def test_a_source_that_starts_late_starts_with_the_others_under_a_ramp(name, tmp_path):
    late = {"warmup": 0.5} if "attention" in name else {}
    switch = {"shut_off": False} if name == "slot_attention" else {}
    (tmp_path / "published").mkdir()
    published = curve(tmp_path / "published", name, lam=1.0, **late, **switch)
    ramped = curve(tmp_path, name, lam=1.0, **late, **switch, **TODAY)
    assert published["penalty"][0] == 0.0
    assert ramped["penalty"][0] > 0.0


def test_no_penalty_is_paid_at_the_first_step_and_half_of_it_half_way_up(tmp_path):
    trial = asked(settings=SMALL | TODAY | {"defense/name": "class_gaussian", "defense/class_gaussian/lam": 1.0})
    device = prepare(trial, "train")
    data = images_of(trial.settings, Place(), device)
    run = Run(build(trial, data), trial, data)
    x, y = run._augmented(run.part.x[:32]), run.part.y[:32]
    shares = []
    for step in (0, 2, 4, 8):
        run.step = step
        torch.manual_seed(0)
        shares.append(run._losses(x, y, 0)[1].item())
    assert shares[0] == 0.0
    assert shares[1] == pytest.approx(shares[2] / 2, rel=1e-6)
    assert shares[2] == pytest.approx(shares[3], rel=1e-6)


def test_a_defense_is_told_whether_it_keeps_to_its_source(tmp_path):
    seen = []

    class Listening(Defense):
        def penalty(self, batch: Batch) -> torch.Tensor:
            seen.append(batch.published)
            return super().penalty(batch)

    for settings in (SMALL, SMALL | TODAY):
        trial = asked(settings=settings)
        data = images_of(trial.settings, Place(), prepare(trial, "train"))
        model = build(trial, data)
        model.defense = Listening()
        Run(model, trial, data).take_step()
    assert seen == [True, False]


def test_labels_are_smoothed_by_the_recorded_factor_and_of_an_old_fast_trial_by_a_tenth(tmp_path):
    factors = [
        Run(build(trial, data), trial, data).label_smoothing
        for settings in ({}, TODAY, {"train/label_smoothing": 0.3}, {"train/recipe": "published"})
        for trial in [asked(settings=SMALL | settings)]
        for data in [images_of(trial.settings, Place(), prepare(trial, "train"))]
    ]
    assert factors == [0.1, 0.0, 0.3, 0.0]


@pytest.mark.parametrize(
    ("name", "setting", "then", "now"),
    [
        ("nopeek", "estimator", "biased", "unbiased"),
        ("bido", "width", 5.0, None),
        ("slot_attention", "shut_off", True, False),
    ],
)
def test_what_a_trial_did_not_ask_is_what_its_defense_took_for_it_when_it_was_asked(name, setting, then, now):
    def built(**settings):
        trial = asked(settings=SMALL | {"defense/name": name} | settings)
        return getattr(build(trial, images_of(trial.settings, Place(), prepare(trial, "train"))).defense, setting)

    assert built() == then
    assert built(**TODAY) == now
    if now is not None:
        assert built(**{f"defense/{name}/{setting}": now}) == now


@pytest.mark.parametrize(("recipe", "version"), [({}, 1), (TODAY, 2)], ids=["then", "now"])
def test_a_record_names_the_version_of_the_defense_that_the_trial_was_trained_with(recipe, version, tmp_path):
    trial = asked(settings=SMALL | {"defense/name": "nopeek"} | recipe)
    attempt = open_attempt(tmp_path / "trials" / "00000")
    assert ended(train_stage(Assignment(trial, Place(), attempt))).versions["defense"] == version
