"""Builders of real values for tests: what is not named takes a plain, valid value."""

from typing import Any

from harness.judging import Book, JudgedTrial, judged, judged_trials
from harness.ledger import Ledger
from harness.records.asked import Asked, AttackJob
from harness.records.attack import AttackMeasured, AttackRecord
from harness.records.circumstances import Circumstances
from harness.records.scores import Guess, Objectives, Scores
from harness.records.trial import Measured, Record

JOB = AttackJob(attack="decoder", budget="quick", seed=0, part="validation")


def scores(mse: float = 0.02, ssim: float = 0.4) -> Scores:
    return Scores(mse=mse, psnr=17.0, ssim=ssim)


def circumstances() -> Circumstances:
    return Circumstances(
        started="2026-01-01T00:00:00+00:00", seconds=1.0, peak_memory_bytes=1, device="cpu", precision="float32",
        threads=1, packages={}, commit=None,
    )  # fmt: skip


def asked(number: int = 0, **changes: Any) -> Asked:
    settings = {
        "data/name": "digits",
        "protocol": "strict",
        "model/name": "vgg11_bn_sgm",
        "model/cut": 4,
        "model/bottleneck": "noRELU_C8S1",
        "model/sca": False,
        "model/width": 0.125,
        "model/sigma": 0.05,
        "train/recipe": "fast",
        "train/epochs": 4,
        "train/batch_size": 64,
        "train/images": 640,
        "defense/name": "none",
    }
    plain: dict[str, Any] = {
        "study": "study", "ledger": "l", "number": number, "settings": settings,
        "attacks": (JOB,), "seed": 7 + number, "threads": {"train": 1, "attack": 1}, "precision": "float32",
        "anchor": False, "floor": None,
    }  # fmt: skip
    plain["settings"] = settings | changes.pop("settings", {})
    return Asked(**(plain | changes))


def attack(
    trial: int = 0, job: AttackJob = JOB, selection: Scores | None = None, scored: Scores | None = None
) -> AttackRecord:
    measured = AttackMeasured(
        verdict="converged", settings={}, scores=scored or scores(), selection=selection or scores(), images=200,
        digests={}, metrics="", conversions={}, curve=(),
    )  # fmt: skip
    return AttackRecord(trial=trial, job=job, attempt=1, measured=measured, error=None, circumstances=circumstances())


def floors() -> dict[str, Guess]:
    """Guesses that any of the attacks above beats."""
    poor = Guess(scores=scores(0.06, 0.1), selection=scores(0.06, 0.1))
    return dict.fromkeys(("mean_image", "class_mean", "mean_colour", "nearest"), poor)


def record(number: int = 0, accuracy: float = 0.9, mse: float = 0.02, ssim: float = 0.4, **changes: Any) -> Record:
    objectives = Objectives(accuracy=accuracy, mse=mse, ssim=ssim, mse_attack=JOB.name, ssim_attack=JOB.name)
    measured = Measured(
        accuracy=accuracy, part="validation", digests={}, floors=floors(), objectives=objectives, feasible=True,
        curve=(), diagnostics={}, null_reasons={},
    )  # fmt: skip
    plain: dict[str, Any] = {
        "number": number, "state": "complete", "asked": asked(number), "measured": measured,
        "verdicts": {JOB.name: "converged"}, "notes": (), "error": None, "circumstances": circumstances(),
    }  # fmt: skip
    return Record(**(plain | changes))


def book_of(ledger: Ledger) -> Book:
    """What a driver remembers of a directory's trials."""
    return Book(judged_trials(ledger))


def trial_of(ledger: Ledger, number: int) -> JudgedTrial:
    """One trial of a directory."""
    return judged(ledger.read(number))
