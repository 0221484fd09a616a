"""A study's directory: the truth from which Optuna's rows, MLflow's runs, tables and pages can be rebuilt."""

import errno
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from pydantic import ValidationError

from harness.errors import UserError
from harness.ledger.fetching import fetch, mirror_of
from harness.ledger.keys import CONFIRM, TRIALS
from harness.ledger.whole import write_whole
from harness.records import Asked, AttackRecord, Ended, Lineage, Record, Value, one_line

V = TypeVar("V", bound=Value)
T = TypeVar("T")

_NUMBER = re.compile(r"\d{5,}")

ASKED = "asked.json"
"""What a trial was asked."""

RECORD, RETRIED = "record.json", ("failed", "partial")
"""The first record of a trial, and the states of those that may get another one."""


class Trying(Protocol):
    """Does something that the disk may refuse for the moment: `harness.ledger.patience`."""

    def __call__(self, action: Callable[[], T], /) -> T:
        """Return what the action gives."""


def record_files(trial: Path) -> list[Path]:
    """Return a trial's records, the newest last: ``record.json``, then one each time that it was retried."""
    first = trial / RECORD
    if not first.exists():
        return []
    if not (trial / "record-2.json").exists():
        return [first]
    further = (path for path in trial.glob("record-*.json") if path.stem.removeprefix("record-").isdigit())
    return [first, *sorted(further, key=lambda path: int(path.stem.removeprefix("record-")))]


class TrialFiles(NamedTuple):
    """What the ledger holds of one trial."""

    number: int
    path: Path
    asked: Asked
    record: Record | None
    """The newest."""
    attacks: tuple[AttackRecord, ...]
    tries: int = 1
    """How often it came to a record: once, and each time that it was retried."""


class Ledger:
    """The directory of one study. Only the driver that holds the study's lease calls the ``publish`` methods.

    Args:
        root: The directory.
        seed: Of the trainings that confirm trials, which ones it is the ledger of; null for the trials that were
            searched.
    """

    def __init__(self, root: Path, seed: int | None = None) -> None:
        self.root, self.seed = root, seed
        self.mirror = mirror_of(root)
        """Of a study in a store, whose folder on this machine the directory is; null of any other."""
        self.guard: Callable[[], None] = _nobody
        """Called before anything is published: raises once the lease is lost."""
        self.patience: Trying = _once
        """Does what reads or publishes; a driver's tries again while the disk fails for the moment."""

    @property
    def study_file(self) -> Path:
        """``study.yaml``, the resolved study."""
        return self.root / "study.yaml"

    @property
    def images_file(self) -> Path:
        """``images.json``, what was seen of the images when the study was last started."""
        return self.root / "images.json"

    @property
    def ended_file(self) -> Path:
        """``ended.json``, what ended the study before its trials were spent."""
        return self.root / "ended.json"

    def ended(self) -> Ended | None:
        """Return what ended the study before its trials were spent; null if nothing has; errors as in ``trials``."""
        return self.parsed(self.ended_file, Ended) if self.ended_file.exists() else None

    @property
    def untracked(self) -> Path:
        """A line on what MLflow lacks of the study; not there when it lacks nothing."""
        return self.root / "untracked.txt"

    @property
    def lineage_file(self) -> Path:
        """``lineage.json``, what the study was and has become."""
        return self.root / "lineage.json"

    @property
    def borrowed_file(self) -> Path:
        """``borrowed.json``, the results of another study that inform the search."""
        return self.root / "borrowed.json"

    def lineage(self) -> Lineage | None:
        """Return what the study was and has become; null of a directory whose driver wrote none, errors as in
        ``trials``.
        """
        return self.parsed(self.lineage_file, Lineage) if self.lineage_file.exists() else None

    def publish_lineage(self, lineage: Lineage) -> None:
        """Put what the study is on storage, after its ``study.yaml``."""
        if self.lineage() != lineage:
            self.publish(self.lineage_file, lineage)

    def of_seed(self, seed: int | None) -> "Ledger":
        """Return the ledger of the trainings of one seed that confirm trials, or of the trials that were searched."""
        if seed == self.seed:
            return self
        found = Ledger(self.root, seed)
        found.guard, found.patience = (lambda: self.guard()), self.patience
        return found

    @property
    def folder(self) -> Path:
        """Where the trials lie."""
        return self.root / (TRIALS if self.seed is None else CONFIRM)

    def trial(self, number: int) -> Path:
        """Return the directory of a trial, or of the training that confirms it."""
        path = self.folder / f"{number:05d}"
        return path if self.seed is None else path / str(self.seed)

    def publish_asked(self, asked: Asked) -> None:
        """Put what a trial was asked on storage, before its first job starts."""
        self.publish(self.trial(asked.number) / ASKED, asked)

    def publish_attack(self, attack: AttackRecord, again: bool = False) -> None:
        """Put an attack's result on storage, before its trial's record or, if it was run later, under a new name.

        An attack that failed may be run again in its own place: a later one, or with ``again`` any, when its trial is
        retried.
        """
        trial = self.trial(attack.trial)
        path = trial / "attacks" / f"{attack.job.name}.json"
        if path.exists() and (trial / RECORD).exists():
            there = self._checked(path, AttackRecord, attack.trial)
            if again and there == attack:
                return
            own = attack.job in self._checked(trial / "asked.json", Asked, attack.trial).attacks
            if there.measured.verdict != "failed" or (own and not again):
                raise FileExistsError(f"{path}: an attack of a finished trial is never rewritten")
        self.publish(path, attack)

    def publish_record(self, record: Record, again: bool = False) -> None:
        """Finish a trial. A record is never rewritten: with ``again``, one of a trial that failed is added to it."""
        path = self.trial(record.number)
        there = record_files(path)
        if there and not (again and self._checked(there[-1], Record, record.number).state in RETRIED):
            raise FileExistsError(f"{there[-1]}: a finished trial is never run twice")
        self.publish(path / (f"record-{len(there) + 1}.json" if there else RECORD), record)

    def trials(self) -> Iterator[TrialFiles]:
        """Yield every trial that was asked, in the order of their numbers.

        Raises:
            UserError: a file is not what was written, or a trial lacks its ``asked.json``; names it and ``doctor``.
        """
        asked, others = self._listed()
        for path in sorted(path / RECORD for path in others):
            if path.exists():
                raise UserError(f"{path}: stands without its asked.json; see `invfront doctor {self.root}`")
        for number in asked:
            yield self.read(number)

    def numbers(self) -> list[int]:
        """Return the numbers of the trials that were asked. Raises UserError where something else is no folder."""
        return self._listed()[0]

    def _listed(self) -> tuple[list[int], list[Path]]:
        """Return the numbers of the trials that were asked, and the folders where no ``asked.json`` is."""
        self._is_folder(self.folder)
        asked: list[int] = []
        others: list[Path] = []
        for path in self.folder.iterdir() if self.folder.exists() else ():
            known = _NUMBER.fullmatch(path.name) is not None
            if known and self.was_asked(int(path.name)):
                asked.append(int(path.name))
                continue
            trial = path if self.seed is None else path / str(self.seed)
            others.append(trial)
            if known:
                self._is_folder(path)
                self._is_folder(trial)
        return sorted(asked), others

    def was_asked(self, number: int) -> bool:
        """Say whether a trial was asked."""
        return (self.trial(number) / ASKED).exists()

    def read(self, number: int) -> TrialFiles:
        """Return what is on storage of one trial; errors as in ``trials``."""
        return self.patience(lambda: self._read(number))

    def _read(self, number: int) -> TrialFiles:
        path = self.trial(number)
        records = record_files(path)
        return TrialFiles(
            number,
            path,
            self._checked(path / "asked.json", Asked, number),
            self._checked(records[-1], Record, number) if records else None,
            tuple(self._checked(file, AttackRecord, number) for file in self._attack_files(path / "attacks")),
            max(1, len(records)),
        )

    def _attack_files(self, folder: Path) -> list[Path]:
        """Return the attacks' files, by name; none where there is no folder."""
        try:
            return sorted(path for path in folder.iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            return []
        except NotADirectoryError:
            self._is_folder(folder)
            raise

    def publish(self, path: Path, value: Value) -> None:
        """Put a value on storage, whole, while the lease is held."""
        self.guard()
        self.write(path, value.model_dump_json(indent=1).encode() + b"\n")

    def write(self, path: Path, content: bytes) -> None:
        """Put a file on storage, whole; the caller holds the lease."""
        mirror = self.mirror
        self.patience(lambda: write_whole(path, content) if mirror is None else mirror.put(path, content))

    def remove(self, path: Path) -> None:
        """Remove a file from storage; one that is not there is removed already."""
        mirror = self.mirror
        self.patience(lambda: path.unlink(missing_ok=True) if mirror is None else mirror.remove(path))

    def pull(self) -> None:
        """Bring up to date what a store says of the study; the folder of any other is as it is."""
        if self.mirror is not None:
            self.patience(self.mirror.pull)

    def bring(self, *patterns: str) -> None:
        """Bring what a store holds in attempts, where it is about to be read: files whose paths match one of these."""
        for pattern in patterns:
            fetch(self.folder, pattern)

    def _is_folder(self, path: Path) -> None:
        try:
            refuse_no_folder(path)
        except NotADirectoryError as error:
            raise UserError(f"{path}: {error.strerror}; see `invfront doctor {self.root}`") from error

    def _checked(self, path: Path, kind: type[V], number: int) -> V:
        value = self.parsed(path, kind)
        named = value.trial if isinstance(value, AttackRecord) else getattr(value, "number", number)
        if named != number:
            raise UserError(f"{path}: says trial {named}, not {number}; see `invfront doctor {self.root}`")
        return value

    def parsed(self, path: Path, kind: type[V]) -> V:
        """Return the value of a file; errors as in ``trials``."""
        try:
            return read_value(path, kind)
        except ValueError as error:
            raise UserError(f"{path}: {one_line(error)}; see `invfront doctor {self.root}`") from error
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; see `invfront doctor {self.root}`") from error


class Newer(ValueError):  # noqa: N818  # no error of the file
    """A file was written by a later version of this package: nothing is wrong with it."""


def read_value(path: Path, kind: type[V]) -> V:
    """Read a value from JSON. Raises ValueError if the file is not one, ``Newer`` if it is beyond this version."""
    text = path.read_bytes()
    try:
        return kind.model_validate_json(text)
    except ValidationError:
        refuse_newer(text, kind)
        raise


def refuse_newer(text: bytes, kind: type[Value]) -> None:
    """Raise ``Newer`` if a file's version is beyond the one that is read here; other faults are another's to tell."""
    version = kind.model_fields.get("version")
    try:
        found = json.loads(text)
    except ValueError:
        return
    written = found.get("version") if isinstance(found, dict) else None
    if version is not None and type(written) is int and written > version.default:
        raise Newer(
            f"was written by a newer invfront (version {written} of the file, {version.default} is read here); "
            "use that one, and leave the file as it is"
        )


def refuse_no_folder(path: Path) -> None:
    """Raise NotADirectoryError if something stands where a folder belongs."""
    if os.path.lexists(path) and not path.is_dir():
        raise NotADirectoryError(
            errno.ENOTDIR, "is no folder, though one belongs there; put the folder back", str(path)
        )


def _nobody() -> None:
    """Guard nothing."""


def _once(action: Callable[[], T], /) -> T:
    """Do it; what the disk refuses is raised."""
    return action()
