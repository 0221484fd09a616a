"""A trained network is attacked as it was written, or not at all."""

from pathlib import Path

import pytest

from harness.ledger import open_attempt, refuse_altered, sha256
from harness.ledger.attempts import NotAsWritten
from harness.records import Trained
from tests.values import circumstances

WEIGHTS = "client.safetensors"


def trained(trial: Path, content: bytes) -> Path:
    """Write an attempt that trained a network."""
    attempt = open_attempt(trial)
    (attempt / WEIGHTS).write_bytes(content)
    number = int(attempt.name.removeprefix("attempt-"))
    told = Trained(
        attempt=number, files={WEIGHTS: sha256(attempt / WEIGHTS)}, accuracy=0.5, floors={}, digests={}, curve=(),
        diagnostics={}, null_reasons={}, notes=(), circumstances=circumstances(),
    )  # fmt: skip
    (attempt / "train.json").write_text(told.model_dump_json())
    return attempt


def test_an_older_network_is_never_attacked_in_place_of_an_altered_one(tmp_path):
    trial = tmp_path / "study" / "trials" / "00000"
    trained(trial, b"older")
    newest = trained(trial, b"newest")
    refuse_altered(newest)
    (newest / WEIGHTS).write_bytes(b"edited")
    with pytest.raises(NotAsWritten, match=rf"attempt-2: {WEIGHTS} not as written\); put back"):
        refuse_altered(newest)
