"""How many trials a second go through Ray, beside plain Ray Tune with its own Optuna: `make bench`.

Both draw from the same space by the same sampler into SQLite, two trials at a time, with workers that are used again.
Ours runs all of a trial but its jobs, whose outcomes are recorded ones (`tests.recorded`); Tune's trial is one
report. The two take turns in one run of Ray, so that a noisy neighbour slows both.
"""

import contextlib
import functools
import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import ray
from optuna.storages import RDBStorage
from ray import tune
from ray.tune.search.optuna import OptunaSearch

from harness.cluster import Exchange, schedule, scheduling
from harness.commands.environment import quiet
from harness.ledger import Ledger, write_whole
from harness.records import DIRECTIONS, Place
from harness.search.drawing import draw
from harness.search.samplers import make_sampler
from harness.study import Study
from harness.study.check import load_checked
from harness.tracking import Tracking
from tests.bench_driver import LEDGER_ID, UNTRACKED, Driver
from tests.recorded import recorded_trial, reported

TRIALS, WARM = 60, 10
"""Trials of a run, and those of them after which the workers have started."""
PAIRS = 3
LEAST_QUIET, LEAST_BUSY = 0.9, 0.6
"""Of Tune's pace, alone and beside two busy processes."""
MOST_CPU, MOST_TRACKING_CPU = 0.120, 0.060
"""Seconds of the driver's processor time for a trial, and what MLflow may add."""

pytestmark = pytest.mark.timeout(3600)


class Pace(NamedTuple):
    """What a run of trials through Ray took."""

    whole: float
    """Trials a second, from the call to its return."""
    steady: float
    """Trials a second once the workers have started."""
    cpu: float
    """Seconds of this process and its threads for a trial, its children's apart."""
    groups: float
    """Placement groups for a trial."""


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    quiet(None)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=200 * 2**20)
    yield
    ray.shutdown()


def test_trials_a_second_beside_plain_tune(local_ray, tmp_path, monkeypatch, benchmark):
    ratio = _compared(tmp_path, monkeypatch, benchmark)
    assert ratio >= LEAST_QUIET


def test_trials_a_second_beside_plain_tune_and_two_busy_processes(local_ray, tmp_path, monkeypatch, benchmark):
    with _busy(2):
        ratio = _compared(tmp_path, monkeypatch, benchmark)
    assert ratio >= LEAST_BUSY


def test_what_a_trial_costs_the_driver_with_and_without_mlflow(local_ray, tmp_path, monkeypatch, benchmark):
    monkeypatch.setattr(scheduling, "_trial", recorded_trial)
    found: dict[bool, list[Pace]] = {False: [], True: []}
    for pair in range(PAIRS):
        for tracked in (False, True):
            found[tracked].append(_ours(tmp_path / f"{pair}-{tracked}", tracked))
    for tracked, paces in found.items():
        print(f"\nours, MLflow {'on' if tracked else 'off'}: {_told(paces)}")
    plain, tracked = (statistics.median(pace.cpu for pace in found[each]) for each in (False, True))
    benchmark.extra_info |= {"cpu": plain, "cpu_with_mlflow": tracked}
    benchmark.pedantic(lambda: None, rounds=1)
    assert plain <= MOST_CPU
    assert tracked - plain <= MOST_TRACKING_CPU


def _compared(folder: Path, monkeypatch: pytest.MonkeyPatch, benchmark: Any) -> float:
    """Return our pace over plain Tune's from call to return, the median over pairs that take turns to begin."""
    monkeypatch.setattr(scheduling, "_trial", recorded_trial)
    sides = {"ours": _ours, "tune": _plain}
    found: dict[str, list[Pace]] = {name: [] for name in sides}
    for pair in range(PAIRS):
        for name in list(sides)[:: 1 if pair % 2 else -1]:
            found[name].append(sides[name](folder / f"{name}-{pair}"))
    pairs = list(zip(found["ours"], found["tune"], strict=True))
    ratios = [ours.whole / plain.whole for ours, plain in pairs]
    steady = [ours.steady / plain.steady for ours, plain in pairs]
    for name, paces in found.items():
        print(f"\n{name}: {_told(paces)}")
    print(f"ratios {_listed(ratios)}, once the workers have started {_listed(steady)}")
    benchmark.extra_info |= {"ratio": statistics.median(ratios), "steady_ratio": statistics.median(steady)}
    benchmark.pedantic(lambda: None, rounds=1)
    return statistics.median(ratios)


def _ours(root: Path, tracked: bool = False) -> Pace:
    """Run a study of recorded trials as a driver does."""
    study = _study(root.name)
    write_whole(Ledger(root).study_file, study.dump().encode())
    with contextlib.ExitStack() as held:
        tracking: Any = UNTRACKED
        if tracked:
            tracking = held.enter_context(Tracking(study, Ledger(root), None))
            tracking.backfill(())
        driver = Driver(study, root, tracking)
        ends: list[float] = []

        def finish(result: Any) -> None:
            driver.publisher.heard(result)
            ends.append(time.perf_counter())

        def run() -> None:
            schedule(
                study.resources,
                Place(),
                driver.ledger,
                Exchange(driver.publisher.ask, finish, driver.watcher.progress),
            )

        return _timed(run, ends, held)


def _plain(root: Path) -> Pace:
    """Run as many trials by plain Tune, with its own Optuna."""
    root.mkdir()
    ends: list[float] = []
    search = OptunaSearch(
        functools.partial(draw, space=_study(root.name).space()),  # Tune pickles it
        metric=list(DIRECTIONS),
        mode=[direction[:3] for direction in DIRECTIONS.values()],
        sampler=make_sampler("tpe", 0, 0),
        storage=RDBStorage(f"sqlite:///{root / 'study.db'}"),
    )

    class Ends(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            ends.append(time.perf_counter())

    tuner = tune.Tuner(
        reported,
        tune_config=tune.TuneConfig(search_alg=search, num_samples=TRIALS, max_concurrent_trials=2, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(root), name="session", verbose=0, callbacks=[Ends()]),
    )
    return _timed(tuner.fit, ends, contextlib.ExitStack())


def _timed(run: Any, ends: list[float], held: contextlib.ExitStack) -> Pace:
    groups, cpu, start = _groups(), _cpu(), time.perf_counter()
    with held:
        run()
    seconds = time.perf_counter() - start
    assert len(ends) == TRIALS
    steady = (TRIALS - WARM) / (ends[-1] - ends[WARM - 1])
    return Pace(TRIALS / seconds, steady, (_cpu() - cpu) / TRIALS, (_groups() - groups) / TRIALS)


def _study(name: str) -> Study:
    settings = [f"name=bench-{name.lower()}", "resources/concurrent=2", "search/anchors=[]"]
    return load_checked("quickstart", settings, TRIALS).model_copy(update={"ledger": LEDGER_ID})


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    """Keep processes busy beside the body."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _cpu() -> float:
    times = psutil.Process(os.getpid()).cpu_times()
    return float(times.user + times.system)


def _groups() -> int:
    """Return how many placement groups there have been."""
    return len(ray.util.placement_group_table())


def _told(paces: list[Pace]) -> str:
    steady, whole = _listed(pace.steady for pace in paces), _listed(pace.whole for pace in paces)
    cpu, groups = _listed(1e3 * pace.cpu for pace in paces), _listed(pace.groups for pace in paces)
    return f"{whole} trials/s ({steady} once started), {cpu} ms of the driver's CPU and {groups} groups a trial"


def _listed(numbers: Any) -> str:
    return ", ".join(f"{number:.2f}" for number in numbers)
