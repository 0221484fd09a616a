"""Does what doctor's findings say: what is bad is moved aside, never thrown away."""

from collections.abc import Callable
from pathlib import Path

from harness.doctor.finding import Action, Finding
from harness.doctor.index import rebuild, tell
from harness.ledger import Ledger, write_whole
from harness.study import Study, load_study


def mend(root: Path, finding: Finding, url: str | None) -> None:
    """Do what a fixable finding says. The caller holds the study's lease.

    Args:
        root: The study's directory.
        finding: What ``examine`` found there.
        url: Optuna's storage; null for ``study.db``.
    """
    cures: dict[Action, Callable[[], None]] = {
        "restore": lambda: _restore(finding),
        "again": lambda: _set_aside(finding.aside),
        "lost": lambda: _move_to_lost(root, finding.path.parent),
        "remove": lambda: finding.path.unlink(missing_ok=True),
        "rebuild": lambda: rebuild(_study(root), Ledger(root), aside=bool(finding.aside)),
        "tell": lambda: tell(_study(root), Ledger(root), url),
    }
    if not finding.fixable:
        raise ValueError(f"{finding.path}: {finding.action} is not for doctor to do")
    cures[finding.action]()


def _study(root: Path) -> Study:
    return load_study(root / "study.yaml")


def _restore(finding: Finding) -> None:
    if finding.copy is None:
        raise ValueError(f"{finding.path}: nothing to restore it from")
    _set_aside(finding.aside)
    write_whole(finding.path, finding.copy)


def _set_aside(paths: tuple[Path, ...]) -> None:
    for path in filter(Path.exists, paths):
        path.rename(_free(path.parent, f"{path.name}.corrupt"))


def _move_to_lost(root: Path, trial: Path) -> None:
    (root / "lost").mkdir(exist_ok=True)
    trial.rename(_free(root / "lost", trial.name))


def _free(folder: Path, stem: str) -> Path:
    """Return the first of ``<stem>-1``, ``<stem>-2`` ... that is not taken."""
    number = 1
    while (folder / f"{stem}-{number}").exists():
        number += 1
    return folder / f"{stem}-{number}"
