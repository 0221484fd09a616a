"""A study in a few lines: its states, its front, and where everything is."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.credentials import without_credentials
from harness.judging import Confirmed, Status, Suite, judged, settings_line, suite_of, widened_lines
from harness.ledger import Ledger, address
from harness.ledger.database import sqlite_url
from harness.ledger.disk import shown
from harness.study import Study, borrowed_lines, load_study
from harness.study.attacker_levels import at_levels

MOST = 12
"""Trials of the front that are listed; the page has all of them."""


def summarise(now: Status, root: Path, tracking: str | None, tracked: bool = True) -> Iterator[str]:
    """Yield how a study stands after a run.

    Args:
        now: How it stands.
        root: The study's directory.
        tracking: MLflow's URI as the user gave it; null for the database beside the studies.
        tracked: Whether MLflow was told.
    """
    yield from overview(now, Ledger(root))
    yield f"report: {root / 'report' / 'index.html'}"
    uri = mlflow_uri(root, tracking)
    if tracked:
        yield f"mlflow: {uri if uri.startswith('http') else f'mlflow ui --backend-store-uri {shlex.quote(uri)}'}"


def overview(now: Status, ledger: Ledger) -> Iterator[str]:
    """Yield a study's states and its front."""
    counts = ", ".join(f"{count} {state}" for state, count in now.states.items() if count)
    yield f"{now.name}: {now.budget} trials: {counts}"
    if now.ended:
        yield f"ended: {now.ended}"
    suite, study = suite_of(ledger), load_study(ledger.study_file)
    yield from (*widened_lines(ledger, suite), *borrowed_lines(study))
    yield f"front: {len(now.front)} of them" + ("" if now.front else "; none is complete and above the floor")
    if now.front:
        yield f"  {'trial':>5}  {'accuracy':>8}  {'mse':>7}  {'ssim':>6}  defense"
    for number in now.front[:MOST]:
        yield f"  {_row(ledger, number, suite)}"
    if len(now.front) > MOST:
        yield f"  and {len(now.front) - MOST} more"
    yield from (f"mixed: {line}" for line in now.mixed)
    if now.unsettled:
        yield (
            f"front unsettled: not all of it has {', '.join(now.unsettled)}; "
            "`invfront attack STUDY front --until-stable` runs what is missing"
        )
    missing = 0 if now.states["running"] or now.states["waiting"] else _missing(now, ledger, study)
    if missing:
        told = f"{missing} attack{'s' * (missing != 1)} at other levels of attacker/images"
        yield f"{told} missing on the front: resume runs them"


def confirmed_lines(now: Confirmed) -> Iterator[str]:
    """Yield how far confirming is, if there is any of it."""
    if now.candidates:
        left = f", {now.waiting} trainings to go: the same `invfront confirm` goes on" if now.waiting else ""
        yield f"confirmed: {now.candidates} trials with up to {now.seeds} seeds{left}"


def disk_line(disk: Mapping[str, int]) -> str:
    """Return what a study takes of the disk, the largest kind of files first."""
    kinds = sorted((kind for kind in disk if kind not in ("total", "free")), key=lambda kind: -disk[kind])
    told = ", ".join(f"{kind} {shown(disk[kind])}" for kind in kinds if disk[kind])
    return f"disk: {shown(disk['total'])} ({told}), {shown(disk['free'])} free"


def summary_document(now: Status, root: Path, tracking: str | None, tracked: bool = True) -> dict[str, Any]:
    """Return how a study stands after a run, for programs; arguments as of ``summarise``."""
    return now.model_dump(mode="json") | {
        "study": address(root),
        "report": str(root / "report" / "index.html"),
        "mlflow": mlflow_uri(root, tracking) if tracked else None,
    }


def _missing(now: Status, ledger: Ledger, study: Study) -> int:
    """Return how many attacks by other attackers than the study's own the front still lacks."""
    levels, missing = study.attacker.lower, 0
    for files in map(ledger.read, now.front if levels else ()):
        had = {attack.job for attack in files.attacks if attack.measured.verdict != "failed"}
        missing += len(set(at_levels(files.asked.attacks, levels)) - had)
    return missing


def mlflow_uri(root: Path, tracking: str | None) -> str:
    """Return where MLflow's view of a study is, without credentials."""
    return without_credentials(tracking) if tracking else sqlite_url((root.parent / "mlflow.db").resolve())


def _row(ledger: Ledger, number: int, suite: Suite) -> str:
    trial = judged(ledger.read(number), suite)
    found = trial.objectives
    scores = f"{found.accuracy:8.3f}  {found.mse:7.4f}  {found.ssim:6.3f}" if found else ""
    return f"{number:5d}  {scores}  {settings_line(trial.asked)}"
