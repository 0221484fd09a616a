"""What drawing a trial costs while many run, beside Optuna's own reading of all that do: `make bench`.

A study over all defenses, on SQLite; as on a cluster, a trial is asked whenever another one ends.
"""

import random
import time
from pathlib import Path

import optuna
import pytest

from harness.ledger import Ledger
from harness.search import Conditions, Search, open_rows
from harness.search.informed import Informed
from harness.study.check import load_checked
from harness.study.jobs import attack_jobs

RUNNING, TRIALS, LAST = 64, 120, 40
"""Trials at once; in all; and the last of them, whose asks are timed."""

MOST_RATIO = 0.5

pytestmark = pytest.mark.timeout(3600)


def asks(root: Path) -> tuple[list[dict[str, object]], float]:
    """Return what a study asks, and the mean time of its last asks in seconds."""
    study = load_checked("all-defenses", trials=TRIALS).model_copy(update={"ledger": "5d8b3f52"})
    root.mkdir()
    rows = open_rows(study, root, {}, None)
    search = Search(study, rows, Ledger(root), Conditions("5d8b3f52", attack_jobs(study), {}, "float32"))
    chance, running, asked, took = random.Random(0), list[int](), list[dict[str, object]](), list[float]()
    for _ in range(TRIALS):
        begun = time.perf_counter()
        trial = search.ask()
        took.append(time.perf_counter() - begun)
        assert trial is not None
        asked.append(dict(trial.settings))
        running.append(trial.number)
        if len(running) == RUNNING:
            ended = running.pop(chance.randrange(RUNNING))
            search._drawing.changed(ended)
            rows.tell(ended, [chance.random() / 2, chance.random() / 10, chance.random()])
    return asked, sum(took[-LAST:]) / LAST


def test_a_draw_beside_one_that_reads_all_that_run(tmp_path, monkeypatch, benchmark):
    changed, ours = asks(tmp_path / "changed")
    begin = Informed.begin

    def afresh(study: Informed, number: int) -> optuna.Trial:
        study._thread_local.cached_all_trials = None  # as Optuna's own ask
        return begin(study, number)

    monkeypatch.setattr(Informed, "begin", afresh)
    monkeypatch.setattr(Informed, "_get_trials", optuna.Study._get_trials)
    everything, theirs = asks(tmp_path / "everything")
    assert changed == everything
    print(f"\nan ask with {RUNNING} trials running: {1e3 * ours:.0f} ms, by Optuna's own reading {1e3 * theirs:.0f} ms")
    benchmark.extra_info |= {"ask": ours, "Optuna's reading": theirs}
    benchmark.pedantic(lambda: None, rounds=1)
    assert ours <= MOST_RATIO * theirs
