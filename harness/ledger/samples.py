"""Plain, valid values of one small trial, and an attempt that trained it, for tests of whatever a ledger lies in."""

from pathlib import Path

from harness.ledger.whole import sha256, write_whole
from harness.records import (
    Asked,
    AttackJob,
    AttackMeasured,
    AttackRecord,
    Circumstances,
    Measured,
    Record,
    Trained,
)

JOB = AttackJob(attack="decoder", budget="quick", seed=0, part="validation")

HERE = Circumstances(
    started="2026-01-01T00:00:00+00:00", seconds=1.0, peak_memory_bytes=1, device="cpu", precision="float32",
    threads=1, packages={}, commit=None,
)  # fmt: skip


def asked_of(number: int) -> Asked:
    """Return what a trial was asked."""
    return Asked(
        study="study", ledger="ledger", number=number, settings={"defense/name": "none"}, attacks=(JOB,), seed=number,
        threads={"train": 1, "attack": 1}, precision="float32", anchor=False, floor=None,
    )  # fmt: skip


def attack_on(number: int) -> AttackRecord:
    """Return an attack on a trial, which failed."""
    measured = AttackMeasured(
        verdict="failed", settings={}, scores=None, selection=None, images=0, digests={}, metrics="", conversions={},
        curve=(),
    )  # fmt: skip
    return AttackRecord(trial=number, job=JOB, attempt=1, measured=measured, error=None, circumstances=HERE)


def record_of(number: int) -> Record:
    """Return a trial's record."""
    measured = Measured(
        accuracy=0.5, part="validation", digests={}, floors={}, objectives=None, feasible=True, curve=(),
        diagnostics={}, null_reasons={},
    )  # fmt: skip
    return Record(
        number=number, state="partial", asked=asked_of(number), measured=measured, verdicts={JOB.name: "failed"},
        notes=(), error=None, circumstances=HERE,
    )  # fmt: skip


def write_training(attempt: Path) -> Trained:
    """Write what a training leaves in its attempt; return it."""
    names = ("client.safetensors", "defense.safetensors", "server.safetensors")
    files = {name: sha256(write_whole(attempt / name, f"weights in {name}".encode())) for name in names}
    trained = Trained(
        attempt=1, files=files, accuracy=0.5, floors={}, digests={}, curve=(), diagnostics={}, null_reasons={},
        notes=(), circumstances=HERE,
    )  # fmt: skip
    write_whole(attempt / "train.json", trained.model_dump_json(indent=1).encode())
    return trained
