"""Finds what is wrong with a study's directory, and mends it without losing anything."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from harness.doctor.clean import examine_surplus, remove
from harness.doctor.finding import Finding
from harness.doctor.index import examine_index
from harness.doctor.mend import mend
from harness.doctor.study import examine_study
from harness.doctor.trials import examine_confirms, examine_trials
from harness.ledger import Ledger, read_value
from harness.records import ImagesSeen, one_line
from harness.study import load_study

__all__ = ["Finding", "examine", "examine_surplus", "mend", "remove"]


def examine(root: Path, url: str | None = None) -> list[Finding]:
    """Return what is wrong with a study's directory, and what doctor keeps there; nothing is changed.

    Optuna's rows are compared once every file can be read. The caller holds the study's lease, since what a driver is
    about to write would look wrong.

    Args:
        root: The study's directory.
        url: Optuna's storage; null for ``study.db``.
    """
    ledger = Ledger(root)
    own = [*examine_study(ledger)]
    files = [*own, *examine_trials(ledger), *examine_confirms(ledger), *_images(root), *_leftovers(root)]
    if own or any(finding.unread or (finding.wrong and finding.action not in ("remove", "yours")) for finding in files):
        return [*files, *_kept(root)]
    return [*files, *examine_index(load_study(ledger.study_file), ledger, url), *_kept(root)]


def _images(root: Path) -> Iterator[Finding]:
    path = Ledger(root).images_file
    if not path.exists():
        return
    try:
        read_value(path, ImagesSeen)
    except (ValueError, OSError) as error:
        remedy = "removed; a resume writes it anew"
        yield Finding(path=path, what=f"unreadable: {one_line(error)}", remedy=remedy, action="remove")


def _leftovers(root: Path) -> Iterator[Finding]:
    for path in sorted(root.rglob(".*.tmp")):
        yield Finding(path=path, what="left by a write that was cut off", remedy="removed", action="remove")


def _untracked(root: Path, path: Path) -> Finding:
    what = " ".join(path.read_text(errors="replace").split()) or "MLflow lacks something of the study"
    remedy = f"once that is mended, `invfront resume {shlex.quote(str(root))}` logs what is missing; the study is whole"
    return Finding(path=path, what=what, remedy=remedy, action="keep")


def _kept(root: Path) -> Iterator[Finding]:
    aside = [
        *root.glob("study.db.torn-*"),
        *root.glob("trials/*/*.corrupt-*"),
        *root.glob("trials/*/attacks/*.corrupt-*"),
        *root.glob("confirm/**/*.corrupt-*"),
    ]
    if (untracked := Ledger(root).untracked).exists():
        yield _untracked(root, untracked)
    for path in sorted([*aside, *root.glob("lost/*")]):
        yield Finding(path=path, what="kept from an earlier fault", remedy="delete it when you like", action="keep")
