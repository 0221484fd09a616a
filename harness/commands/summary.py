"""A study in a few lines: its states, its front, and where everything is."""

from collections.abc import Iterator
from pathlib import Path

from harness.display.words import describe
from harness.judging.standing import Status, read_status
from harness.judging.worst import current
from harness.ledger.files import Ledger
from harness.records.credentials import without_credentials
from harness.study import load_study

MOST = 12
"""Trials of the front that are listed; the page has all of them."""


def summarise(root: Path, tracking: str | None) -> Iterator[str]:
    """Yield how a study stands after a run.

    Args:
        root: The study's directory.
        tracking: MLflow's URI as the user gave it; null for the database beside the studies.
    """
    ledger = Ledger(root)
    yield from overview(read_status(load_study(root / "study.yaml", plugins=False), ledger), ledger)
    yield f"report: {root / 'report' / 'index.html'}"
    uri = without_credentials(tracking) if tracking else f"sqlite:///{(root.parent / 'mlflow.db').resolve()}"
    yield f"mlflow: {uri if uri.startswith('http') else f'mlflow ui --backend-store-uri {uri}'}"


def overview(status: Status, ledger: Ledger) -> Iterator[str]:
    """Yield a study's states and its front."""
    counts = ", ".join(f"{count} {state}" for state, count in status.states.items() if count)
    yield f"{status.name}: {status.budget} trials: {counts}"
    yield f"front: {len(status.front)} of them" + ("" if status.front else "; none is complete and above the floor")
    if status.front:
        yield f"  {'trial':>5}  {'accuracy':>8}  {'mse':>7}  {'ssim':>6}  defense"
    for number in status.front[:MOST]:
        yield f"  {_row(ledger, number)}"
    if len(status.front) > MOST:
        yield f"  and {len(status.front) - MOST} more"


def succeeded(root: Path) -> bool:
    """Say whether any trial of a study is complete."""
    return any(files.record and files.record.state == "complete" for files in Ledger(root).trials())


def _row(ledger: Ledger, number: int) -> str:
    files = ledger.read(number)
    found = current(files)
    scores = f"{found.accuracy:8.3f}  {found.mse:7.4f}  {found.ssim:6.3f}" if found else ""
    return f"{number:5d}  {scores}  {describe(files.asked)}"
