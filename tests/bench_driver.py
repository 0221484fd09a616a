"""What a trial costs its driver when thousands are finished, Ray and MLflow apart: `make bench`.

Every trial is asked, published, told and shown by the product's own code, its jobs' outcomes being recorded ones
(`tests.recorded`). A driver that has thousands behind it resumes a directory in which they were put as files.
Disks differ: the time that a driver waits for one, in fsync and in SQLite's commits, is counted apart.
"""

import gc
import io
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from rich.console import Console
from sqlalchemy.engine.default import DefaultDialect

from harness.display.lines import Lines
from harness.display.live import Picture
from harness.display.story import Story
from harness.driver.causes import Causes
from harness.driver.comparison import Comparison
from harness.driver.publishing import Publisher
from harness.driver.reading import read_book
from harness.driver.room import Room
from harness.export import write_tables
from harness.judging import Book, judged_trials
from harness.ledger import Ledger, write_whole
from harness.search import Conditions, Search, open_rows, reconcile
from harness.study import Study
from harness.study.check import load_checked
from harness.study.jobs import attack_jobs
from harness.trial import read_result, write_result
from tests.planted import plant
from tests.recorded import ended

LEDGER_ID = "5d8b3f52-6c1f-4b61-9a55-0a3f0c1d2e4b"
FEW, MANY, CYCLES = 1_000, 10_000, 40
BUDGET = 20_000
MOST_RATIO, MOST_GROWTH, MOST_RESUME, MOST_STATUS = 1.5, 100 * 2**20, 30.0, 5.0
"""Cost of a trial at many over few; bytes; seconds; seconds."""
NOWHERE = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the process lives
GRID = ("defense={laplace: {scale: {low: 1, high: 200, step: 1}}}", "model/sigma={low: 0.01, high: 1.0, step: 0.01}")
"""Settings of a study with 20,000 of them."""
INVFRONT = (sys.executable, "-c", "import sys, harness.cli; sys.exit(harness.cli.main(sys.argv[1:]))")

pytestmark = pytest.mark.timeout(3600)


class Disk:
    """Counts, and times in seconds, what waits for the disk in this process: fsync, and SQLite's commits of changes."""

    def __init__(self) -> None:
        self.seconds, self.fsyncs, self.commits = 0.0, 0, 0

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Count from here on, until the test is over."""
        fsync, commit = os.fsync, DefaultDialect.do_commit

        def counted_fsync(file: int) -> None:
            self.fsyncs += 1
            self._timed(lambda: fsync(file))

        def counted_commit(dialect: DefaultDialect, connection: object) -> None:
            self.commits += bool(getattr(connection, "in_transaction", True))
            self._timed(lambda: commit(dialect, connection))

        monkeypatch.setattr(os, "fsync", counted_fsync)
        monkeypatch.setattr(DefaultDialect, "do_commit", counted_commit)

    def _timed(self, wait: Callable[[], object]) -> None:
        start = time.perf_counter()
        wait()
        self.seconds += time.perf_counter() - start


class Cost(NamedTuple):
    """What one trial cost its driver, seconds."""

    ask: float
    """Until its ``asked.json`` is on storage and the display shows it."""
    finish: float
    """From its own process's last word until everyone has heard of it."""
    disk: float
    """Of both, what was waited for the disk."""
    cpu: float
    """Of both, the processor's time: what a busy neighbour does not lengthen much."""
    fsyncs: float
    commits: float

    @property
    def whole(self) -> float:
        return self.ask + self.finish


class Untracked:
    """Stands where MLflow's view would: nothing is logged."""

    def trial(self, outline: object) -> None:
        """Log nothing."""


UNTRACKED = Untracked()


class Driver:
    """What a driver holds of a study that runs, and the steps that it takes."""

    def __init__(self, study: Study, root: Path, tracking: Any = UNTRACKED) -> None:
        self.ledger, watcher = Ledger(root), Lines(NOWHERE, Story())
        book = read_book(self.ledger, str(study.ledger))
        rows = open_rows(study, root, book.outlines, None)
        conditions = Conditions(str(study.ledger), attack_jobs(study), {"train": 1, "attack": 1}, "float32")
        search = Search(study, rows, self.ledger, conditions)
        watcher.opened(study, root, reconcile(search, rows, book), book.standing())
        self.watcher = watcher
        room = Room(self.ledger.root)
        self.publisher = Publisher(self.ledger, book, search, tracking, watcher, Comparison(), Causes(True), room)

    def cycle(self, disk: Disk) -> Cost:
        """Ask a trial and finish it; what it does in its own process in between costs the driver nothing."""
        begun = _now(disk)
        asked = self.publisher.ask()
        ask = _now(disk) - begun
        assert asked is not None
        result = ended(asked, self.ledger.trial(asked.number))
        write_result(result)
        begun = _now(disk)
        self.publisher.heard(read_result(result.attempt, asked))
        finish = _now(disk) - begun
        return Cost(float(ask[0]), float(finish[0]), *map(float, (ask + finish)[1:]))


class Opened(NamedTuple):
    """A driver that has just resumed, in a process of its own."""

    seconds: float
    cpu: float
    """Seconds of the processor."""
    resident: int
    """Bytes of memory after a few more trials."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-driver-") as made:
        yield Path(made)


@pytest.fixture(scope="module")
def planted(folder: Path) -> Callable[..., tuple[Study, Path]]:
    """Return a study and its directory with so many finished trials; each is made once."""
    made: dict[str, tuple[Study, Path]] = {}

    def make(count: int, sampler: str = "random", *settings: str) -> tuple[Study, Path]:
        name = f"{sampler}-{count}"
        if name not in made:
            given = [f"search/sampler={sampler}", f"name={name}", "search/anchors=[]", *settings]
            study = load_checked("quickstart", given, BUDGET).model_copy(update={"ledger": LEDGER_ID})
            ledger = Ledger(folder / name)
            write_whole(ledger.study_file, study.dump().encode())
            plant(study, ledger, range(count))
            start, cpu = time.perf_counter(), time.process_time()
            open_rows(study, ledger.root, Book(judged_trials(ledger)).outlines, None)
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            print(f"\nstudy.db of {count} trials rebuilt in {seconds:.1f} s ({cpu:.1f} s of CPU)")
            made[name] = study, ledger.root
        return made[name]

    return make


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    counted = Disk()
    counted.watch(monkeypatch)
    return counted


def test_a_trial_costs_no_more_at_10_000_than_at_1_000(planted, disk, benchmark):
    drivers = {count: Driver(*planted(count)) for count in (FEW, MANY)}
    costs = _in_turns(drivers, disk)
    ratio = _median(costs[MANY], "whole") / _median(costs[FEW], "whole")
    computed = _median(costs[MANY], "cpu") / _median(costs[FEW], "cpu")
    benchmark.extra_info |= {"ratio": ratio, "cpu_ratio": computed}
    benchmark.pedantic(drivers[MANY].cycle, args=(disk,), rounds=3)
    print(f"at {MANY} over at {FEW}: {ratio:.2f}, of processor time {computed:.2f}; at most {MOST_RATIO}")
    for count, driver in drivers.items():
        print(f"at {count}: {_picture_seconds(driver) * 1e3:.1f} ms to draw the picture, four times a second")
    assert ratio <= MOST_RATIO
    assert computed <= MOST_RATIO


@pytest.mark.parametrize("sampler", ["tpe"])
def test_what_a_sampler_that_learns_costs(sampler, planted, disk, benchmark):
    drivers = {count: Driver(*planted(count, sampler)) for count in (200, 2_000)}
    _in_turns(drivers, disk)
    benchmark.pedantic(drivers[2_000].cycle, args=(disk,), rounds=3)


def test_a_grid_of_20_000_settings_is_not_walked_at_every_ask(planted, disk, benchmark):
    plain, grid = Driver(*planted(FEW)), Driver(*planted(FEW, "grid", *GRID))
    costs = _in_turns({"random": plain, "grid": grid}, disk)
    benchmark.pedantic(grid.cycle, args=(disk,), rounds=3)
    assert _median(costs["grid"], "cpu") <= MOST_RATIO * _median(costs["random"], "cpu")


def test_a_resume_of_10_000_trials_is_quick(planted, benchmark):
    opened = {}
    for count in (FEW, MANY):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
            opened[count] = fresh.submit(_opened, *planted(count)).result()
        seconds, cpu, resident = opened[count]
        print(f"resume of {count}: {seconds:.1f} s ({cpu:.1f} s of CPU), then {resident / 2**20:.0f} MiB")
    growth = opened[MANY].resident - opened[FEW].resident
    benchmark.pedantic(lambda: None, rounds=1)
    print(f"{growth / 2**20:.0f} MiB more; resume at most {MOST_RESUME} s")
    assert opened[MANY].seconds <= MOST_RESUME


def test_a_driver_that_goes_from_1_000_to_10_000_trials_stays_small(planted, folder, benchmark):
    study, root = planted(FEW)
    shutil.copytree(root, folder / "growing")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        benchmark.pedantic(lambda: None, rounds=1)
        few, many = fresh.submit(_grown, study, folder / "growing").result()
    growth = (many.resident - few.resident) / 2**20
    ratio = many.seconds / few.seconds
    print(f"from {FEW} to {MANY} trials: {growth:.0f} MiB more, a trial takes {ratio:.2f} times as long")
    assert growth <= MOST_GROWTH / 2**20
    assert ratio <= MOST_RATIO


def test_status_of_10_000_trials_answers_at_once(planted, benchmark):
    _, root = planted(MANY)
    start, before = time.perf_counter(), _cpu_of_children()
    benchmark.pedantic(subprocess.run, args=([*INVFRONT, "status", str(root)],), kwargs={"check": True}, rounds=1)
    seconds, cpu = time.perf_counter() - start, _cpu_of_children() - before
    print(f"status of {MANY}: {seconds:.1f} s ({cpu:.1f} s of CPU), at most {MOST_STATUS}")
    assert seconds <= MOST_STATUS


def test_how_long_the_tables_and_the_report_of_10_000_trials_take(planted, benchmark):
    """The page alone, from the same tables, has a bench of its own: `tests/reports/bench_large.py`."""
    study, root = planted(MANY)
    ledger = Ledger(root)
    cpu = time.process_time()
    benchmark.pedantic(lambda: write_tables(study, ledger, list(judged_trials(ledger))), rounds=1)
    print(f"tables of {MANY}: {benchmark.stats.stats.mean:.1f} s ({time.process_time() - cpu:.1f} s of CPU)")
    start, before = time.perf_counter(), _cpu_of_children()
    subprocess.run([*INVFRONT, "report", str(root)], check=True)
    page = root / "report" / "index.html"
    print(
        f"report of {MANY}: {time.perf_counter() - start:.1f} s ({_cpu_of_children() - before:.1f} s of CPU), "
        f"a page of {page.stat().st_size / 1e6:.1f} MB"
    )


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _in_turns(drivers: Mapping[Any, Driver], disk: Disk) -> dict[Any, list[Cost]]:
    """Return the costs of as many trials of each driver, taken in turns, so that a noisy neighbour slows all."""
    costs: dict[Any, list[Cost]] = {name: [] for name in drivers}
    for _ in range(CYCLES):
        for name, driver in drivers.items():
            costs[name].append(driver.cycle(disk))
    for name, found in costs.items():
        parts = [f"{part} {_median(found, part) * 1e3:.1f} ms" for part in ("ask", "finish", "disk", "cpu")]
        parts += [f"{_median(found, part):.0f} {part}" for part in ("fsyncs", "commits")]
        print(f"\nat {name}: {', '.join(parts)}")
    return costs


def _now(disk: Disk) -> NDArray[np.float64]:
    """Return the time, what has been waited for the disk, this thread's processor time, all seconds; both counts."""
    return np.array([time.perf_counter(), disk.seconds, time.thread_time(), disk.fsyncs, disk.commits])


def _median(costs: list[Cost], part: str) -> float:
    return statistics.median(getattr(cost, part) for cost in costs)


def _picture_seconds(driver: Driver) -> float:
    """Return how long the live picture of a driver's study takes to draw, seconds."""
    console = Console(file=io.StringIO(), width=100, height=40, force_terminal=True)
    picture = Picture(console, driver.watcher._story)
    start = time.perf_counter()
    for _ in range(5):
        console.print(picture.draw())
    return (time.perf_counter() - start) / 5


def _opened(study: Study, root: Path) -> Opened:
    start, cpu = time.perf_counter(), time.process_time()
    driver = Driver(study, root)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    for _ in range(5):
        driver.cycle(Disk())
    gc.collect()
    return Opened(seconds, cpu, psutil.Process().memory_info().rss)


class Grown(NamedTuple):
    """A driver at some number of trials."""

    seconds: float
    """What a trial costs, the median of some."""
    resident: int
    """Bytes of memory."""


def _grown(study: Study, root: Path) -> tuple[Grown, Grown]:
    """Run a driver from few trials to many; return how it was at both ends."""
    driver, disk = Driver(study, root), Disk()

    def run(count: int) -> Grown:
        costs = [driver.cycle(disk) for _ in range(count)]
        gc.collect()
        return Grown(_median(costs, "whole"), psutil.Process().memory_info().rss)

    few = run(CYCLES)
    run(MANY - FEW - 2 * CYCLES)
    return few, run(CYCLES)
