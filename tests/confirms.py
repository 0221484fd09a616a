"""Studies and confirms whose numbers are given, written as a driver writes them: nothing is trained."""

from collections.abc import Iterable
from pathlib import Path

from harness.judging import confirmed
from harness.ledger import Confirms, Ledger, write_whole
from harness.records import Asked, AttackJob, Round
from harness.study.check import load_checked
from tests.values import JOB, asked, attack, record, scores

LEDGER = "5d8b3f52-6c1f-4b61-9a55-0a3f0c1d2e4b"
TEST = JOB.model_copy(update={"part": "test"})
STRONGER = TEST.model_copy(update={"budget": "standard"})

Point = tuple[float, float, float]
"""Accuracy, mse, ssim."""


def searched(folder: Path, points: Iterable[Point], anchor: int = 0, floor: str = "") -> Ledger:
    """Return a study whose trials have these objectives."""
    root = folder / "given"
    points = list(points)
    text = f"{{name: given, data: {{name: digits}}, defense: {{none: {{}}}}, search: {{trials: {len(points)}{floor}}}}}"
    write_whole(root / "space.yaml", text.encode())
    study = load_checked(root / "space.yaml").model_copy(update={"ledger": LEDGER})
    ledger = Ledger(root)
    write_whole(ledger.study_file, study.dump().encode())
    for number, point in enumerate(points):
        own = asked(number, ledger=LEDGER, anchor=number == anchor)
        publish(ledger, own, point)
    return ledger


def publish(ledger: Ledger, own: Asked, point: Point, jobs: Iterable[AttackJob] | None = None) -> None:
    """Put a trial, or a training that confirms one, on storage with its objectives."""
    ledger = ledger.of_seed(own.confirm)
    found = scores(point[1], point[2])
    if not ledger.was_asked(own.number):
        ledger.publish_asked(own)
    for job in own.attacks if jobs is None else jobs:
        ledger.publish_attack(attack(own.number, job, found, found))
    ledger.publish_record(record(own.number, *point, asked=own))


def training(ledger: Ledger, trial: int, seed: int, point: Point, jobs: tuple[AttackJob, ...] = (TEST,)) -> None:
    """Put a training that confirms a trial on storage with its objectives."""
    publish(ledger, asked(trial, ledger=LEDGER, confirm=seed, attacks=jobs), point)


def round_of(number: int = 1, **changes: object) -> Round:
    """Return a round: trials 0 and 1 with 3 seeds."""
    plain = {
        "number": number, "time": "2026-01-01T00:00:00+00:00", "trials": (0, 1), "raced": (), "seeds": 3, "first": 2,
        "error": 0.05, "attacks": (TEST,),
    }  # fmt: skip
    return Round(**(plain | changes))


def begun(ledger: Ledger, **changes: object) -> Confirms:
    """Return the confirms of a study in which a first round has begun."""
    confirms = Confirms(ledger)
    confirms.publish_round(round_of(**changes))
    return confirms


def objectives(ledger: Ledger) -> dict[tuple[int, int], float | None]:
    """Return the mse of every training, by trial and seed."""
    return {tuple(each.run): each.objectives.mse if each.objectives else None for each in confirmed(ledger)}
