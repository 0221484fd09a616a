"""Passports whose numbers are given, and archives that no export writes: nothing is trained."""

import stat
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from attacks.metrics import protocol_digest
from harness.passports import Evidence, write_passport
from harness.passports.passport import PARTS
from harness.records import AttackJob, AttackRecord
from tests.values import JOB, asked, attack, record, scores

TEST = JOB.model_copy(update={"part": "test"})
NETWORK = {part: part.encode() for part in PARTS}
"""Files that are no networks: whoever reads a claim never looks into them."""

Point = tuple[float, float, float]
"""Accuracy, mse, ssim."""


def trained(point: Point, seed: int | None = None, **settings: object) -> Evidence:
    """A training that came to these objectives by one attack."""
    job = JOB if seed is None else TEST
    own = asked(3, confirm=seed, attacks=(job,), settings=settings)
    images = {"validation": "a" * 64, "test": "b" * 64}
    whole = record(3, *point, asked=own)
    measured = whole.measured.model_copy(update={"part": job.part, "digests": images})
    return Evidence(own, whole.model_copy(update={"measured": measured}), (attacked(point[1], point[2], job),))


def attacked(mse: float, ssim: float, job: AttackJob = TEST, **measured: object) -> AttackRecord:
    """An attack that came to these scores."""
    found = attack(3, job, scores(mse, ssim), scores(mse, ssim))
    plain = {"metrics": protocol_digest()}
    return found.model_copy(update={"measured": found.measured.model_copy(update=plain | measured)})


def passport_of(path: Path, points: Sequence[Point], **settings: object) -> Path:
    """A passport of a trial that trainings with several seeds have confirmed; of a single one, of the search."""
    seeds = range(len(points)) if len(points) > 1 else [None]
    evidence = [trained(point, seed, **settings) for point, seed in zip(points, seeds, strict=True)]
    write_passport(path, evidence, [NETWORK] * len(points))
    return path


def changed(path: Path, change: Callable[[zipfile.ZipInfo, bytes], tuple[zipfile.ZipInfo, bytes] | None]) -> Path:
    """Write an archive anew, each file as ``change`` returns it; null leaves it out."""
    with zipfile.ZipFile(path) as archive:
        entries = [(entry, archive.read(entry)) for entry in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for made in (change(*entry) for entry in entries):
            if made is not None:
                archive.writestr(*made)
    return path


def with_file(path: Path, name: str, content: bytes = b"x", kind: int = stat.S_IFREG) -> Path:
    """Add a file of a kind to an archive."""
    entry = zipfile.ZipInfo("placeholder")
    entry.filename = entry.orig_filename = name
    entry.external_attr, entry.compress_type = (kind | 0o644) << 16, zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, content)
    return path
