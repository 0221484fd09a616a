"""``borrowed.json``: what a study took of another one's results when it started."""

import hashlib
from typing import Literal

from pydantic import FiniteFloat

from harness.records.scores import Objectives
from harness.records.value import Scalar, Value


class BorrowedResult(Value):
    """What a trial of another study was, and came to over the attacks of this one."""

    trial: int
    """Its number there."""
    settings: dict[str, Scalar]
    """Every setting by its path."""
    objectives: Objectives


class Borrowed(Value):
    """Results of another study that inform a search; a copy, so that the other study may go."""

    version: Literal[1] = 1
    study: str
    """The other study's name."""
    digest: str
    """Its identity when they were taken."""
    results: tuple[BorrowedResult, ...]
    left_out: int
    """Complete trials there that do not fit: their settings lie outside, or they lack an attack."""
    images: dict[str, str]
    """SHA-256 of the images by part, that of training apart."""
    train: dict[str, str]
    """SHA-256 of the training part by ``train/images``, ``all`` where that is null."""
    normalisation: dict[str, tuple[FiniteFloat, ...]]
    """``mean`` and ``std`` of each image channel, as the stored networks have them; empty if none is left."""
    metrics: str
    """Digest of the metric protocol."""
    attacks: dict[str, int]
    """Version of each attack by its job's name."""

    def content(self) -> bytes:
        """Return the file's bytes."""
        return self.model_dump_json(indent=1).encode() + b"\n"

    def sha256(self) -> str:
        """Return the digest of the file's bytes, hexadecimal."""
        return hashlib.sha256(self.content()).hexdigest()
