"""How near trainings come to a target of accuracy, on digits: ``python -m tests.holding class_gaussian 0.85 0 1 2``."""

import sys
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import defenses
from harness.ledger import open_attempt
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

SLIGHT: dict[str, Scalar] = {"model/name": NAME, "model/cut": 1, "model/bottleneck": "None", "model/width": 1.0}
"""A network that takes a second, in place of the default one."""


def trial_of(name: str, target: float, seed: int, network: dict[str, Scalar] = SLIGHT) -> Asked:
    """Return a training on all digits that is held to an accuracy; its strength starts at the defense's default."""
    recipe = {"train/ramp": 0.125, "train/label_smoothing": 0.0, "train/target_accuracy": target}
    size = {"train/epochs": 15, "train/images": 900, "train/batch_size": 32, "model/sigma": 0.1}
    return asked(seed, settings=recipe | size | network | {"defense/name": name}, study_seed=0)


def held_training(trial: Asked, attempt: Path, place: Place = HERE) -> Generator[Progress, None, Training]:
    """Train as a trial's first job does, without what it measures then; its undefended network lies beside trials."""
    data = images_of(trial.settings, place, prepare(trial, "train"))
    handed = Assignment(trial, place, attempt)
    model = build(trial, data)
    part = steered_part(model, trial)
    if part is None:
        raise ValueError(f"{trial.settings['defense/name']} has no strength")
    undefended = yield from undefended_course(handed, data)
    prepare(trial, "train", "steered")
    return (yield from train(model, data, handed, (part, steering_of(part, trial, undefended, data.num_classes))))


def off(trial: Asked, folder: Path) -> float:
    """Return by how much the accuracy on the control part misses the target at the end of a training."""
    own = f"{trial.settings['defense/name']}-{trial.number}"
    training = ended(held_training(trial, open_attempt(folder / "trials" / own)))
    return training.course[-1].accuracy - float(trial.settings["train/target_accuracy"] or 0.0)


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
                print(
                    f"{kind:20}",
                    " ".join(f"{one:+.3f}" for one in found),
                    f"mean {sum(found) / len(found):+.4f}",
                    flush=True,
                )
