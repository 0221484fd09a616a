"""A trial's attempts: each has a directory that it alone writes, and takes over what earlier ones finished."""

from pathlib import Path
from typing import NamedTuple

from harness.ledger.fetching import fetch, mirror_of, study_of
from harness.ledger.files import read_value
from harness.ledger.keys import SERVER
from harness.ledger.whole import sha256
from harness.records import AttackJob, AttackRecord, Trained

SKIP = "skip"
"""A file in a trial's directory: its user wants no more of it."""

REDONE = ", training done again"
"""How the note on a training ends that cannot be used."""


class Skipped(Exception):  # noqa: N818  # no error: its user wants no more of a trial
    """A trial is ended by its user."""


def refuse_skipped(trial: Path) -> None:
    """Raise ``Skipped`` if a trial's user wants no more of it."""
    if (trial / SKIP).exists():
        raise Skipped("its user wants no more of it (invfront ctl skip)")


class NotAsWritten(Exception):  # noqa: N818  # of a trial whose files were changed; whoever runs it leaves it out
    """A trained network's files are not those that were written."""


class Found(NamedTuple):
    """What earlier attempts finished."""

    trained: Trained | None
    attacks: dict[str, AttackRecord]
    """By job name; only attacks on that very training."""
    notes: tuple[str, ...]
    """What was there but could not be used, and why."""


def open_attempt(trial: Path) -> Path:
    """Make and return the directory of a new attempt; two processes never get the same one."""
    mirror = mirror_of(study_of(trial))
    if mirror is not None:
        return mirror.claim(trial)
    number = 1 + max((attempt_number(path) for path in attempts(trial)), default=0)
    while True:
        path = trial / f"attempt-{number}"
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return path


def attempts(trial: Path) -> list[Path]:
    """Return the attempts' directories, newest first."""
    found = [path for path in trial.glob("attempt-*") if path.name.removeprefix("attempt-").isdigit()]
    return sorted(found, key=attempt_number, reverse=True)


def attempt_number(path: Path) -> int:
    """Return the number of an attempt's directory."""
    return int(path.name.removeprefix("attempt-"))


def find(trial: Path, jobs: tuple[AttackJob, ...], read: bool = True) -> Found:
    """Return the finished stages of all attempts; a corrupt one is noted and done again.

    Args:
        trial: The trial's directory.
        jobs: Its attacks.
        read: Whether the network's files are read, or only looked for: reading those of many trials takes long.
    """
    fetch(trial)
    trained, notes = _trained(trial, read)
    if trained is None:
        return Found(None, {}, notes)
    looked = {job.name: _attack(trial, job, trained) for job in jobs}
    attacks = {name: attack for name, (attack, _) in looked.items() if attack}
    return Found(trained, attacks, (*notes, *(note for _, told in looked.values() for note in told)))


def refuse_altered(weights: Path) -> None:
    """Read all files of a trained network, of which an older attempt is no copy.

    Args:
        weights: The attempt with it, as it was found before its files were read.

    Raises:
        NotAsWritten: they are not what was written; says why, and the way out.
    """
    trained, notes = _trained(weights.parent)
    if trained is None or trained.attempt != attempt_number(weights):
        why = "; ".join(note.removesuffix(REDONE) for note in notes)
        raise NotAsWritten(f"it has no trained network to attack ({why}); put back a copy of what was written")


def _trained(trial: Path, read: bool = True) -> tuple[Trained | None, tuple[str, ...]]:
    """Return the newest whole training, and a note on each newer one that is not."""
    notes = []
    for path in attempts(trial):
        if not (path / "train.json").exists():
            continue
        try:
            trained = read_value(path / "train.json", Trained)
            broken = [name for name, digest in trained.files.items() if not _as_written(path / name, digest, read)]
        except (OSError, ValueError) as error:
            notes.append(f"{path.name}/train.json: {type(error).__name__}{REDONE}")
            continue
        if not broken:
            return trained, tuple(notes)
        notes.append(f"{path.name}: {', '.join(broken)} not as written{REDONE}")
    return None, tuple(notes)


def _as_written(path: Path, digest: str, read: bool) -> bool:
    """Say whether a file is what was written, or is there; the server of a finished trial may have been let go."""
    if path.name == SERVER and not path.exists() and (path.parent.parent / "attacks").exists():
        return True
    return sha256(path) == digest if read else path.exists()


def _attack(trial: Path, job: AttackJob, trained: Trained) -> tuple[AttackRecord | None, tuple[str, ...]]:
    """Return the newest whole result of an attack on a training, and a note on each newer one that is not."""
    notes = []
    for path in attempts(trial):
        if not (path / f"{job.name}.json").exists():
            continue
        try:
            found = read_value(path / f"{job.name}.json", AttackRecord)
            if found.measured.verdict == "failed":
                continue
            arrays = found.measured.scores is None or all(
                (path / f"{job.name}{ending}").exists() for ending in (".parquet", ".npz")
            )
        except (OSError, ValueError) as error:
            notes.append(f"{path.name}/{job.name}.json: {type(error).__name__}, attack done again")
            continue
        same = found.measured.digests.get("client") == trained.files["client.safetensors"]
        if arrays and same and found.job == job:
            return found, tuple(notes)
        notes.append(f"{path.name}/{job.name}.json: arrays missing or of another training, attack done again")
    return None, tuple(notes)
