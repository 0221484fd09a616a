"""What a study's directory can do without: attempts that no record rests on, checkpoints of trainings that are done."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.doctor.finding import Finding
from harness.ledger import Ledger, TrialFiles, attempt_number, attempts, find, read_value
from harness.ledger.disk import shown, size_of
from harness.records import Trained

CHECKPOINTS = "checkpoint-*.pt"


def examine_surplus(ledger: Ledger) -> Iterator[Finding]:
    """Yield what may go of each trial's directory, whose files must be whole.

    Of a finished trial stay the attempts whose weights a later attack needs, those that any attack's arrays or result
    lie in, and the newest; a trial that is not finished loses nothing but the checkpoints of a training that is done.
    """
    for number in ledger.numbers():
        files = ledger.read(number)
        surplus = list(_attempts(files))
        yield from (_finding(path, "no record rests on it") for path in surplus)
        yield from _checkpoints(files, surplus)


def remove(path: Path) -> None:
    """Remove what ``examine_surplus`` found."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _attempts(files: TrialFiles) -> Iterator[Path]:
    older = attempts(files.path)[1:]
    if files.record is None or not older:
        return
    trained = find(files.path, ()).trained
    if trained is None and files.record.state != "failed":
        return  # its weights are not whole: whoever mends that needs all there is
    needed = {attack.attempt for attack in files.attacks} | ({trained.attempt} if trained else set())
    clients = {attack.measured.digests.get("client") for attack in files.attacks}
    published = {f"{attack.job.name}.json" for attack in files.attacks} | {"train.json", "record.json"}
    for path in older:
        unpublished = {file.name for file in path.glob("*.json")} - published
        if attempt_number(path) not in needed and not unpublished and _client(path) not in clients - {None}:
            yield path


def _client(attempt: Path) -> str | None:
    """Return the digest of the client that an attempt trained; null if it trained none."""
    try:
        return read_value(attempt / "train.json", Trained).files.get("client.safetensors")
    except (OSError, ValueError):
        return None


def _checkpoints(files: TrialFiles, surplus: list[Path]) -> Iterator[Finding]:
    left = [path for path in files.path.glob(f"attempt-*/{CHECKPOINTS}") if path.parent not in surplus]
    if left and (files.record or find(files.path, ()).trained):
        yield from (_finding(path, "checkpoint of a training that is done") for path in sorted(left))


def _finding(path: Path, what: str) -> Finding:
    size = shown(size_of(path) if path.is_dir() else path.stat().st_size)
    return Finding(path=path, what=f"{what} ({size})", remedy="removed", action="clean")
