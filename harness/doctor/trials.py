"""Looks at the files of each trial: what cannot be read, what a good copy of it is, what was left over."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from harness.doctor.finding import Finding
from harness.ledger import CONFIRM, Ledger, Newer, attempts, read_value, record_files, refuse_no_folder
from harness.records import Asked, AttackRecord, Raced, Record, Round, Value, one_line

V = TypeVar("V", bound=Value)

_NUMBER = re.compile(r"\d{5,}")


def examine_trials(ledger: Ledger) -> Iterator[Finding]:
    """Yield what is wrong with the trials' files, and what was left over beside them."""
    folder = ledger.root / "trials"
    if barred := [*_no_folder(folder)]:
        yield from barred
        return
    for path in sorted(folder.iterdir()) if folder.exists() else []:
        if _NUMBER.fullmatch(path.name):
            beyond = [*_no_folder(path), *_no_folder(path / "attacks")] or [*_newer(path)]
            yield from beyond or _trial(path, int(path.name))


def examine_confirms(ledger: Ledger) -> Iterator[Finding]:
    """Yield what is wrong with the trainings that confirm trials, and with their rounds."""
    folder = ledger.root / CONFIRM
    yield from _no_folder(folder)
    for path in sorted(folder.glob("*/*")):
        if _NUMBER.fullmatch(path.parent.name) and path.name.isdecimal():
            beyond = [*_no_folder(path), *_no_folder(path / "attacks")] or [*_newer(path)]
            yield from beyond or _trial(path, int(path.parent.name))
    for path in sorted(folder.glob("round-*.json")):
        kind: type[Value] = Raced if path.stem.endswith("-raced") else Round
        try:
            read_value(path, kind)
        except Newer as newer:
            what, _, remedy = str(newer).partition("; ")
            yield Finding(path=path, what=what, remedy=remedy, action="yours", unread=True)
        except (OSError, ValueError) as error:
            remedy = "moved aside: the same `invfront confirm` begins it anew with the trainings that are there"
            yield Finding(
                path=path, what=f"unreadable: {one_line(error)}", remedy=remedy, action="again", aside=(path,)
            )


def _no_folder(path: Path) -> Iterator[Finding]:
    """Yield what stands where a folder belongs."""
    try:
        refuse_no_folder(path)
    except NotADirectoryError:
        remedy = "put the folder back; what stands in its place is left alone"
        yield Finding(
            path=path, what="is no folder, though one belongs there", remedy=remedy, action="yours", unread=True
        )


def _newer(trial: Path) -> Iterator[Finding]:
    """Yield the files of a trial that a newer invfront wrote: doctor touches no such trial."""
    kinds: list[tuple[Path, type[Value]]] = [(trial / "asked.json", Asked)]
    kinds += [(path, Record) for path in record_files(trial)]
    kinds += [(path, AttackRecord) for path in sorted((trial / "attacks").glob("*.json"))]
    for path, kind in kinds:
        try:
            read_value(path, kind)
        except Newer as newer:
            what, _, remedy = str(newer).partition("; ")
            yield Finding(path=path, what=what, remedy=remedy, action="yours", unread=True)
        except (OSError, ValueError):
            continue  # what else is wrong with it is told elsewhere


def _trial(trial: Path, number: int) -> Iterator[Finding]:
    asked = _asked(trial, number)
    if asked is not None:
        yield asked
        if asked.action == "lost":
            return
    record, fault = _read(trial / "record.json", Record, number)
    if fault:
        yield _record(trial, number, fault)
    for path in record_files(trial)[1:]:
        if fault := _read(path, Record, number)[1]:
            remedy = "moved aside: the record before it counts, and `invfront retry` takes over what the trial finished"
            yield Finding(path=path, what=fault, remedy=remedy, action="again", aside=(path,))
    for path in sorted((trial / "attacks").glob("*.json")):
        yield from _attack(path, trial, number)
    if record is not None:
        for path in sorted(trial.glob("attempt-*/checkpoint-*.pt")):
            yield Finding(path=path, what="checkpoint of a finished trial", remedy="removed", action="remove")


def _asked(trial: Path, number: int) -> Finding | None:
    path = trial / "asked.json"
    asked, fault = _read(path, Asked, number)
    if asked is not None or not (fault or (trial / "record.json").exists() or attempts(trial)):
        return None
    what = fault or "missing, though the trial was started"
    for source in _records(trial):
        record, _ = _read(source, Record, number)
        if record is not None:
            return _restored(path, what, source, record.asked)
    remedy = "no copy of it exists: the trial's directory is moved to lost/ and its number is drawn again"
    if trial.parent.parent.name == CONFIRM:
        remedy = "no copy of it exists: the training's directory is moved to lost/ and `invfront confirm` asks it again"
    return Finding(path=path, what=what, remedy=remedy, action="lost")


def _record(trial: Path, number: int, fault: str) -> Finding:
    path = trial / "record.json"
    for source in _records(trial)[1:]:
        record, _ = _read(source, Record, number)
        if record is not None:
            return _restored(path, fault, source)
    remedy = "moved aside: the trial is handed out again and takes over the stages that it finished"
    return Finding(path=path, what=fault, remedy=remedy, action="again", aside=(path,))


def _attack(path: Path, trial: Path, number: int) -> Iterator[Finding]:
    attack, fault = _read(path, AttackRecord, number)
    if fault:
        yield _corrupt_attack(path, trial, number, fault)
    elif attack is not None and attack.measured.scores is not None and (trial / "record.json").exists():
        arrays = [trial / f"attempt-{attack.attempt}" / f"{path.stem}{ending}" for ending in (".parquet", ".npz")]
        if missing := [array.name for array in arrays if not array.exists()]:
            what = f"its arrays {', '.join(missing)} are gone from attempt-{attack.attempt}"
            remedy = "put them back; without them its numbers stand, and its pictures are left out"
            yield Finding(path=path, what=what, remedy=remedy, action="yours")


def _corrupt_attack(path: Path, trial: Path, number: int, fault: str) -> Finding:
    for attempt in attempts(trial):
        source = attempt / path.name
        attack, _ = _read(source, AttackRecord, number)
        if attack is not None and attack.job.name == path.stem:
            return _restored(path, fault, source)
    record, asked = trial / "record.json", _read(trial / "asked.json", Asked, number)[0]
    if asked is not None and path.stem not in {job.name for job in asked.attacks}:
        command = "attack" if asked.confirm is None else "confirm"
        remedy = f"moved aside: it was run after the trial's record, `invfront {command}` runs it again"
        return Finding(path=path, what=fault, remedy=remedy, action="again", aside=(path,))
    remedy = "moved aside with the trial's record: the trial is handed out again, for this attack alone"
    return Finding(
        path=path, what=fault, remedy=remedy, action="again", aside=(path, record) if record.exists() else (path,)
    )


def _restored(path: Path, fault: str, source: Path, value: Value | None = None) -> Finding:
    """Return how a file is restored: from a copy as it stands or, with ``value``, from a part of another file."""
    return Finding(
        path=path,
        what=fault,
        remedy=f"restored from {source.relative_to(path.parents[1] if path.parent.name == 'attacks' else path.parent)}",
        action="restore",
        aside=(path,) if path.exists() else (),
        copy=source.read_bytes().rstrip() + b"\n"
        if value is None
        else value.model_dump_json(indent=1).encode() + b"\n",
    )


def _records(trial: Path) -> list[Path]:
    """Return where a trial's record may be: published first, then the newest attempt's."""
    return [trial / "record.json", *(attempt / "record.json" for attempt in attempts(trial))]


def _read(path: Path, kind: type[V], number: int) -> tuple[V | None, str | None]:
    """Return a file's value, or what is wrong with it; two nulls if it is not there."""
    if not path.exists():
        return None, None
    try:
        value = read_value(path, kind)
    except (ValueError, OSError) as error:
        return None, f"unreadable: {one_line(error)}"
    named = value.trial if isinstance(value, AttackRecord) else getattr(value, "number", number)
    return (value, None) if named == number else (None, f"says trial {named}, not {number}")
