"""How near trainings come to a target of accuracy, on digits: ``python -m tests.holding class_gaussian 0.85 0 1 2``.

What is printed is off by so much on the control part, by which a training is held, and on validation, which it never
sees; a validation part of digits is small: its accuracy alone is off by some 2 points either way.
"""

import sys
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

import torch

import defenses
from harness.data import Data, Part, to_float
from harness.ledger import open_attempt
from harness.models import SplitModel
from harness.records import Asked, Place, Progress, Scalar
from harness.stages.assignment import Assignment
from harness.stages.building import build
from harness.stages.controlled import steered_part, steering_of
from harness.stages.ground import prepare
from harness.stages.loading import images_of
from harness.stages.optimising import Training, train
from harness.stages.undefended import undefended_course
from tests.slight import NAME
from tests.values import asked

T = TypeVar("T")

HERE = Place()

LOOKS = 20
"""At each image, once a network is trained."""

SLIGHT: dict[str, Scalar] = {"model/name": NAME, "model/cut": 1, "model/bottleneck": "None", "model/width": 1.0}
"""A network that takes a second, in place of the default one."""


def trial_of(name: str, target: float, seed: int, network: dict[str, Scalar] = SLIGHT, **own: Scalar) -> Asked:
    """Return a training on all digits that is held to an accuracy; its strength starts at the defense's default."""
    given = {f"defense/{name}/{key}": value for key, value in own.items()}
    recipe = {"train/ramp": 0.125, "train/label_smoothing": 0.0, "train/target_accuracy": target}
    size = {"train/epochs": 15, "train/images": 900, "train/batch_size": 32, "model/sigma": 0.1}
    return asked(seed, settings=recipe | size | network | given | {"defense/name": name}, study_seed=0)


class Held(NamedTuple):
    """A training that was held to an accuracy."""

    training: Training
    model: SplitModel
    data: Data


def held_training(trial: Asked, attempt: Path, place: Place = HERE) -> Generator[Progress, None, Held]:
    """Train as a trial's first job does, without what it measures then; its undefended network lies beside trials."""
    data = images_of(trial.settings, place, prepare(trial, "train"))
    handed = Assignment(trial, place, attempt)
    model = build(trial, data)
    part = steered_part(model, trial)
    if part is None:
        raise ValueError(f"{trial.settings['defense/name']} has no strength")
    undefended = yield from undefended_course(handed, data)
    prepare(trial, "train", "steered")
    steering = steering_of(part, trial, undefended, data.num_classes)
    return Held((yield from train(model, data, handed, (part, steering))), model, data)


class Off(NamedTuple):
    """By how much the accuracy of a trained network misses its target, over noise that chose nothing."""

    control: float
    """On the part that it was held on."""
    validation: float
    """On images that had no part in it."""


def off(trial: Asked, folder: Path) -> Off:
    """Return by how much a training misses the target that it is held to."""
    own = f"{trial.settings['defense/name']}-{trial.number}"
    _, model, data = ended(held_training(trial, open_attempt(folder / "trials" / own)))
    target = float(trial.settings["train/target_accuracy"] or 0.0)
    return Off(*(accuracy(model, data.parts[part]) - target for part in Off._fields))


@torch.no_grad()
def accuracy(model: SplitModel, part: Part) -> float:
    """Return the share of releases that are named rightly, over some looks at each image."""
    torch.manual_seed(LOOKS)
    activations = model.eval().client(to_float(part.x))
    right = [model.server(model.noised(activations)).argmax(1) == part.y for _ in range(LOOKS)]
    return float(torch.stack(right).float().mean())


def ended(stage: Generator[object, None, T]) -> T:
    """Run a stage to its end, and return what it returns."""
    try:
        while True:
            next(stage)
    except StopIteration as done:
        return done.value


if __name__ == "__main__":
    name, target, *seeds = sys.argv[1:]
    with TemporaryDirectory() as beside:
        for kind in list(defenses.DEFENSES) if name == "all" else name.split(","):
            if defenses.resolve(kind).strength:
                found = [off(trial_of(kind, float(target), int(seed)), Path(beside)) for seed in seeds]
                for part, errors in zip(Off._fields, zip(*found, strict=True), strict=True):
                    told = " ".join(f"{one:+.3f}" for one in errors)
                    print(f"{kind:20} {part:10} {told} mean {sum(errors) / len(errors):+.4f}", flush=True)
