"""How busy sixteen slots are that share one machine, and what a trial costs beside its jobs: `make bench`.

A whole `invfront run`, with its search, ledger, index, Ray and MLflow; its jobs sleep for 5 to 15 s (`tests.slept`)
on a sixteenth of the machine each. A slot is busy while a job sleeps on it.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from harness.cli import main
from harness.cluster import scheduling
from harness.ledger import Ledger
from harness.search import Search
from harness.tracking.log import Log
from tests.slept import SPANS, Span, slept_trial, spans

SLOTS, TRIALS, WARM = 16, 120, 60.0
"""Trials are three jobs each; seconds after which the slots are looked at."""

LEAST_BUSY, MOST_SHARE, USUAL = 0.95, 0.01, 300.0
"""Share of the slots' time; what bookkeeping may take of a trial of so many seconds."""

pytestmark = pytest.mark.timeout(3600)

WRITES = {
    "ledger": [(Ledger, "publish")],
    "index": [(Search, "_ask"), (Search, "_tell")],
    "MLflow": [(Log, "trial")],
}
"""What is timed; the index apart from the ledger's writes within it."""


class Timed:
    """Seconds that calls took, those within them that are timed too left out."""

    def __init__(self) -> None:
        self.seconds, self._inner = Counter[str](), threading.local()

    def watch(self, name: str, owner: type, method: str, patch: pytest.MonkeyPatch) -> None:
        """Time a method until the patch is undone."""
        whole: Callable[..., Any] = getattr(owner, method)

        def timed(*arguments: Any, **named: Any) -> Any:
            outer, self._inner.spent = getattr(self._inner, "spent", 0.0), 0.0
            begun = time.perf_counter()
            try:
                return whole(*arguments, **named)
            finally:
                took = time.perf_counter() - begun
                self.seconds[name] += took - self._inner.spent
                self._inner.spent = outer + took

        patch.setattr(owner, method, timed)


def test_sixteen_slots_are_busy_and_bookkeeping_is_less_than_a_hundredth(tmp_path, monkeypatch, benchmark):
    folder, timed, asked = tmp_path / "spans", Timed(), list[float]()
    folder.mkdir()
    monkeypatch.setenv(SPANS, str(folder))
    monkeypatch.setattr(scheduling, "_trial", slept_trial)
    for name, methods in WRITES.items():
        for owner, method in methods:
            timed.watch(name, owner, method, monkeypatch)
    ask = Search.ask
    monkeypatch.setattr(Search, "ask", lambda search: (asked.append(time.time()), ask(search))[1])
    share = f"{{cpu: {(os.cpu_count() or 1) / SLOTS}}}"
    resources = f"resources={{concurrent: {SLOTS}, train: {share}, attack: {share}}}"
    arguments = ["quickstart", "--trials", str(TRIALS), "--set", resources, "--out", str(tmp_path)]
    assert main(["run", *arguments]) == 0

    found = spans(folder)
    assert len(found) == 3 * TRIALS
    first = min(span.begun for span in found)
    busy = _share(found, first + WARM, asked[-1])
    costs = {name: seconds / TRIALS for name, seconds in timed.seconds.items()}
    told = ", ".join(f"{name} {1e3 * seconds:.0f} ms" for name, seconds in costs.items())
    of_usual = sum(costs.values()) / USUAL
    print(
        f"\n{SLOTS} slots busy {busy:.1%} of {asked[-1] - first - WARM:.0f} s, from the second minute to the last ask"
    )
    print(f"of a trial: {told}; together {of_usual:.2%} of one of five minutes")
    benchmark.extra_info |= {"busy": busy, "share": of_usual} | costs
    benchmark.pedantic(lambda: None, rounds=1)
    assert of_usual <= MOST_SHARE
    assert busy >= LEAST_BUSY


def _share(found: list[Span], begin: float, end: float) -> float:
    """Return the share of the slots' time between two moments in which jobs slept."""
    slept = sum(max(0.0, min(span.ended, end) - max(span.begun, begin)) for span in found)
    return slept / (SLOTS * (end - begin))
