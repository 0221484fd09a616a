"""Recorded outcomes of a trial's jobs: everything about a trial happens but training and attacking."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ray import tune

from harness.records import Asked, AttackJob, AttackRecord, CurvePoint, Guess, Scores, Tell, Trained
from harness.stages import Outcome, Stage, Stopwatch
from harness.trial import Result, run_trial, write_result
from tests import values

EPOCHS, POINTS = 8, 20
"""Points of a training's curves and of an attack's: as many as the quickstart's trials have."""

SUBSETS = ("16", "32", "64", "80")
"""Numbers of images of attacker-validation on which attacks compare."""


def recorded(stage: Stage, jobs: Sequence[tuple[Any, ...]], kind: str, tell: Tell) -> Iterator[Outcome]:
    """A ``Submit`` that gives each job's recorded value, of a real trial's size, at once; it depends on the trial."""
    for index, (handed, *rest) in enumerate(jobs):
        value = trained_of(handed.asked) if kind == "train" else attack_of(handed.asked, rest[-1])
        yield Outcome(index, value, None, Stopwatch().read())


def ended(asked: Asked, trial: Path) -> Result:
    """Run a trial to its record, its jobs' outcomes recorded ones."""
    return run_trial(asked, trial, submit=recorded)


def recorded_trial(config: dict[str, str], place: object, claims: object) -> None:
    """What Tune runs in place of a trial whose jobs are real; its module holds no more than a trial's own process."""
    result = ended(Asked.model_validate_json(config["asked"]), Path(config["trial"]))
    write_result(result)
    tune.report({"attempt": result.attempt.name, "node": None})


def reported(config: dict[str, Any]) -> None:
    """What plain Tune runs as a trial, beside the other in a module that is as light."""
    tune.report({"accuracy": 0.9, "mse": 0.02, "ssim": 0.4})


def _strength(asked: Asked) -> random.Random:
    return random.Random(asked.number)


def trained_of(asked: Asked) -> Trained:
    accuracy = 0.98 - 0.3 * _strength(asked).random() ** 2
    guess = Guess(scores=values.scores(0.06, 0.1), selection=values.scores(0.06, 0.1), subsets=_subsets(0.06, 0.1))
    return Trained(
        attempt=1,
        files={"client.safetensors": "c" * 64, "defense.safetensors": "d" * 64, "server.safetensors": "e" * 64},
        accuracy=accuracy,
        floors=dict.fromkeys(("mean_image", "class_mean", "mean_colour", "nearest"), guess),
        digests=dict.fromkeys(("train", "validation", "attacker", "attacker_validation", "test"), "a" * 64),
        images={"train": 900, "validation": 200, "attacker": 320, "attacker_validation": 80, "test": 297},
        curve=_curve(("loss", "penalty", "accuracy"), EPOCHS),
        diagnostics={},
        null_reasons={},
        notes=(),
        circumstances=values.circumstances(),
    )


def attack_of(asked: Asked, job: AttackJob) -> AttackRecord:
    """Return an attack on a trial that leaks the less the less accurate it is, give or take."""
    noise = _strength(asked)
    mse = 0.002 + 0.03 * noise.random() * noise.uniform(0.5, 1)
    scores = values.scores(mse, 0.95 - 20 * mse * noise.uniform(0.7, 1))
    found = values.attack(asked.number, job, scores, scores)
    measured = found.measured.model_copy(
        update={
            "curve": _curve(("train", "validation"), POINTS),
            "subsets": _subsets(scores.mse, scores.ssim),
            "digests": dict.fromkeys(("fit", "selection", "scored"), "a" * 64) | {"client": "c" * 64},
        }
    )
    return found.model_copy(update={"measured": measured})


def _subsets(mse: float, ssim: float) -> dict[str, Scores]:
    return {count: values.scores(mse, ssim) for count in SUBSETS}


def _curve(names: Sequence[str], points: int) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(step=14 * step, name=name, value=1 / (1 + step)) for step in range(points) for name in names
    )
