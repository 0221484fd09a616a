"""What later attacks came to against a claim: kept beside a passport, and judged anew by whoever reads it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from harness.errors import UserError
from harness.ledger import write_whole
from harness.passports.claim import knows_too_much
from harness.passports.passport import Passport
from harness.records import DIRECTIONS, AttackRecord, Value, one_line

LARGEST = 32 * 2**20
"""Bytes of the file of later attacks, at most."""


class Attacks(Value):
    """``<passport>.attacks.json``: attacks on a passport's networks, wherever they ran."""

    format: Literal[1] = 1
    passport: str
    """SHA-256 of the archive."""
    attacks: tuple[tuple[AttackRecord | None, ...], ...] = ()
    """Of each attack its record by training, as the passport orders them; null where it did not end."""


class Held(NamedTuple):
    """One attack held against a claim."""

    job: str
    mse: float | None
    """Mean over the trainings of what the worst case becomes with it; null if it did not end on all of them."""
    ssim: float | None
    knowledge: str
    fells: tuple[str, ...]
    """The scores by which the claim does not stand against it."""
    why: str | None
    """Why it decides nothing; null if it does."""


def file_of(passport: Path) -> Path:
    """Return where the later attacks on a passport are kept."""
    return passport.with_name(f"{passport.name}.attacks.json")


def read_attacks(passport: Passport) -> Attacks:
    """Return the later attacks on a passport, none where there is no file of them.

    Raises:
        UserError: the file is not what was written, or of another passport.
    """
    path = file_of(passport.path)
    if not path.exists():
        return Attacks(passport=passport.digest)
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise UserError(f"{path}: is no file of attacks on a passport; move it away")
        found = Attacks.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise UserError(f"{path}: {one_line(error)}; move it away") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; make it readable, or move it away") from error
    if found.passport != passport.digest:
        raise UserError(f"{path}: is of another passport than {passport.path.name}; move it away")
    if any(len(each) != len(passport.evidence) or not any(each) for each in found.attacks):
        raise UserError(f"{path}: has attacks on other networks than the passport's; move it away")
    return found


def add_attack(passport: Passport, records: Sequence[AttackRecord | None]) -> Attacks:
    """Put an attack on storage beside a passport, in place of the same one run before; return all there are.

    Args:
        passport: The passport.
        records: Of each training; null where the attack did not end.
    """
    there, name = read_attacks(passport), _name(records)
    kept = tuple(each for each in there.attacks if _name(each) != name)
    now = there.model_copy(update={"attacks": (*kept, tuple(records))})
    write_whole(file_of(passport.path), now.model_dump_json(indent=1).encode() + b"\n")
    return now


def held_against(passport: Passport, records: Sequence[AttackRecord | None]) -> Held:
    """Hold an attack against a claim: it falls if the worst case over the trainings, the attack taken in, leaves its
    interval to the defender's loss.

    An attack that scores fewer images enters as it enters a trial's worst case. What may do more than any attack of the
    claim is told and decides nothing; so is a probe, and what did not end on every training.
    """
    some = next(record for record in records if record is not None)
    knowledge = some.measured.knowledge + (", server" if some.measured.needs_server else "")
    why = _undecided(passport, records)
    told = [
        one.objectives(record)
        for one, record in zip(passport.evidence, records, strict=True)
        if record is not None and record.measured.scores
    ]
    objectives = [one for one in told if one is not None]
    if len(objectives) < len(passport.evidence):
        return Held(some.job.name, None, None, knowledge, (), why or "did not end on every network")
    means = {name: sum(getattr(one, name) for one in objectives) / len(objectives) for name in ("mse", "ssim")}
    fells = () if why else tuple(name for name, mean in means.items() if _is_beyond(passport, name, mean))
    return Held(some.job.name, means["mse"], means["ssim"], knowledge, fells, why)


def standing(passport: Passport, attacks: Iterable[Sequence[AttackRecord | None]]) -> list[Held]:
    """Return every attack held against a claim; it stands if none fells it."""
    return [held_against(passport, records) for records in attacks]


def _undecided(passport: Passport, records: Sequence[AttackRecord | None]) -> str | None:
    there = [record for record in records if record is not None]
    if any(record.job.kind != "reconstruction" for record in there):
        return "reconstructs no images"
    claim = passport.claim
    for record in there:
        metrics, scored = record.measured.metrics, record.measured.digests.get("scored")
        if record.measured.scores is None:
            return "has no finite scores"
        if metrics != claim.digests.metrics:
            return f"is scored by metrics {metrics[:12]}, the claim by {claim.digests.metrics[:12]}"
        if record.job.part != claim.part or scored not in (None, claim.digests.images.get(_part(claim.part))):
            return "is scored on other images"
        if not record.job.counts:
            return "is of another attacker than the study's own"
        if knows_too_much(passport.evidence, record):
            return "may do more than the claim's attackers"
    return None


def _part(part: str) -> str:
    """Return the part of the images that a scored part is; under the published protocol it is the test part."""
    return {"train": "test", "infer": "test"}.get(part, part)


def _is_beyond(passport: Passport, name: str, mean: float) -> bool:
    """Say whether a score is beyond the end of the claim's interval where the defender loses."""
    claim = passport.claim
    return mean < claim.mse_low if DIRECTIONS[name] == "maximize" else mean > claim.ssim_high


def _name(records: Sequence[AttackRecord | None]) -> str:
    return next(record.job.name for record in records if record is not None)
