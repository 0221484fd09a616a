"""A passport: a claim, the evidence behind it and the networks that it is of, checked against each other."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from harness.errors import UserError
from harness.passports.archive import CLAIM, read_archive, write_archive
from harness.passports.claim import FORMAT, Claim, claim_of
from harness.passports.evidence import Evidence
from harness.records import Asked, AttackRecord, Record, Value, one_line

V = TypeVar("V", bound=Value)

PARTS = ("client", "defense", "probe")
"""Files of a network: the parts that a device holds, and what they make of the probe images."""

ROUNDING = 1e-9
"""Up to which the numbers of a claim are those of its evidence, relative to them."""


class Passport(NamedTuple):
    """A passport as it was read: whole, and claiming what its evidence says."""

    path: Path
    digest: str
    """SHA-256 of the archive."""
    claim: Claim
    evidence: tuple[Evidence, ...]
    """By training, in the order of ``claim.seeds``."""
    networks: tuple[Mapping[str, bytes], ...]
    """Of each training its files by part, of ``PARTS``."""


class _Head(BaseModel):
    """What tells a claim's format, whatever else there is."""

    format: Any = None


def write_passport(path: Path, evidence: Sequence[Evidence], networks: Sequence[Mapping[str, bytes]]) -> Claim:
    """Write a passport, whole; return its claim.

    Args:
        path: Of the archive.
        evidence: The trainings, as ``claim_of`` takes them.
        networks: The files of each by part, of ``PARTS``.

    Raises:
        ValueError: there is nothing to claim, as of ``claim_of``.
        UserError: it would be too large to be read.
    """
    files = {
        name: content
        for number, (one, network) in enumerate(zip(evidence, networks, strict=True))
        for name, content in (*_evidence_files(number, one), *_network_files(number, network))
    }
    claim = claim_of(evidence, {name: hashlib.sha256(content).hexdigest() for name, content in files.items()})
    write_archive(path, {CLAIM: _json(claim)} | files)
    return claim


def read_passport(path: Path) -> Passport:
    """Return a passport that anybody may have made: nothing of it is run or unpacked.

    Raises:
        UserError: it is torn, of another format, holds what no passport holds, or claims what its evidence does not
            say; one line.
    """
    files = read_archive(path)
    if CLAIM not in files:
        raise UserError(f"{path}: has no {CLAIM}; name a passport, as `invfront export` writes it")
    claim = _claim(path, files.pop(CLAIM))
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    for name in sorted(digests.keys() | claim.digests.files.keys()):
        if digests.get(name) != claim.digests.files.get(name):
            raise UserError(f"{path}: {name} is not what the claim was made of; fetch the passport again")
    count = len({name.split("/")[1] for name in files})
    evidence = tuple(_evidence(path, number, files) for number in range(count))
    networks = tuple(_network(path, number, files) for number in range(count))
    try:
        said = claim_of(evidence, digests) if evidence else None
    except (ValueError, ArithmeticError) as error:
        raise UserError(f"{path}: is no evidence of a claim: {one_line(error)}; ask whoever made it") from error
    if said is None:
        raise UserError(f"{path}: has a claim and no evidence; ask whoever made it")
    for difference in _differences(claim, said):
        raise UserError(f"{path}: claims {difference}; ask whoever made it")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Passport(path, digest, claim, evidence, networks)


def _evidence_files(number: int, one: Evidence) -> Iterator[tuple[str, bytes]]:
    yield f"evidence/{number}/asked.json", _json(one.asked)
    yield f"evidence/{number}/record.json", _json(one.record)
    for attack in one.attacks:
        yield f"evidence/{number}/attacks/{attack.job.name}.json", _json(attack)


def _network_files(number: int, network: Mapping[str, bytes]) -> Iterable[tuple[str, bytes]]:
    return ((f"networks/{number}/{part}.safetensors", network[part]) for part in PARTS)


def _json(value: Value) -> bytes:
    return value.model_dump_json(indent=1).encode() + b"\n"


def _claim(path: Path, content: bytes) -> Claim:
    try:
        written = _Head.model_validate_json(content).format
    except ValidationError as error:
        raise UserError(f"{path}: {CLAIM}: {one_line(error)}; ask whoever made it") from error
    if written != FORMAT or isinstance(written, bool):
        raise UserError(
            f"{path}: is of format {one_line(repr(written))[:40]}, {FORMAT} is read here; use the invfront that wrote "
            "it"
        )
    return _value(path, CLAIM, content, Claim)


def _evidence(path: Path, number: int, files: Mapping[str, bytes]) -> Evidence:
    folder = f"evidence/{number}"
    asked = _read(path, f"{folder}/asked.json", files, Asked)
    record = _read(path, f"{folder}/record.json", files, Record)
    if record.asked != asked or record.number != asked.number:
        raise UserError(f"{path}: {folder}: the record is of another training than was asked; ask whoever made it")
    listed = [name for name in files if name.startswith(f"{folder}/attacks/")]
    attacks = [_read(path, name, files, AttackRecord) for name in listed]
    for name, attack in zip(listed, attacks, strict=True):
        if name != f"{folder}/attacks/{attack.job.name}.json" or not attack.job.counts or not attack.measured.scores:
            raise UserError(f"{path}: {name} is no attack that a claim can rest on; ask whoever made it")
        client = hashlib.sha256(files.get(f"networks/{number}/client.safetensors", b"")).hexdigest()
        if attack.measured.digests.get("client", client) != client:
            raise UserError(f"{path}: {name} is of another network than the passport's; ask whoever made it")
    return Evidence(asked, record, tuple(attacks))


def _network(path: Path, number: int, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    names = {part: f"networks/{number}/{part}.safetensors" for part in PARTS}
    for name in names.values():
        if name not in files:
            raise UserError(f"{path}: {name} is missing; fetch the passport again")
    return {part: files[name] for part, name in names.items()}


def _read(path: Path, name: str, files: Mapping[str, bytes], kind: type[V]) -> V:
    if name not in files:
        raise UserError(f"{path}: {name} is missing; fetch the passport again")
    return _value(path, name, files[name], kind)


def _value(path: Path, name: str, content: bytes, kind: type[V]) -> V:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise UserError(f"{path}: {name}: {one_line(error)}; use the invfront that wrote it") from error


def _differences(claim: Claim, said: Claim) -> Iterator[str]:
    """Yield where a claim is not what its evidence says."""
    for name in Claim.model_fields:
        one, other = getattr(claim, name), getattr(said, name)
        if isinstance(one, float) and isinstance(other, float):
            if not math.isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING):
                yield f"{name} {one:.6g}, and its evidence says {other:.6g}"
        elif one != other:
            yield f"another {name} than its evidence says"
