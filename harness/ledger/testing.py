"""What a ledger keeps, wherever it lies and whatever befalls that: tests for a store of one's own.

A package that brings a store holds it to them with pytest:

    class TestMine(LedgerTests):
        @pytest.fixture
        def store(self) -> Store:
            return MyStore("mine://...")  # in which nothing lies yet
"""

import contextlib
import errno
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.errors import Interrupted
from harness.ledger import patience as patience_module
from harness.ledger.attempts import attempts, find, open_attempt
from harness.ledger.fetching import MARK, drop, fetch, send
from harness.ledger.files import Ledger
from harness.ledger.keys import CHECKPOINTS
from harness.ledger.patience import Patience
from harness.ledger.samples import JOB, asked_of, attack_on, record_of, write_training
from harness.ledger.whole import write_whole
from harness.stores import FAULTS, KINDS, Fault, FaultyStore, Killed, Store

TRIALS = 2

Machines = Callable[..., Ledger]
"""Returns the ledger as a machine of a name has it, whose store has a fault; none by default."""

ENDS = (OSError, Interrupted, Killed)
"""How a driver ends whose store fails for good."""

_OPEN: dict[str, Store] = {}


def opened(url: str) -> Store:
    """Return the store that a test has opened at an address."""
    return _OPEN[url]


def machines_on(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Return machines that have nothing in common but a store.

    Args:
        store: The store.
        folder: Each has a folder of its own in it.
        monkeypatch: Undoes what is done for them.
    """
    monkeypatch.setitem(KINDS, "tested", "harness.ledger.testing:opened")
    monkeypatch.setattr(patience_module, "FIRST_PAUSE", 0.001)

    def machine(name: str, fault: Fault = FAULTS["none"]) -> Ledger:
        url, root = f"tested://{name}", folder / name
        monkeypatch.setitem(_OPEN, url, FaultyStore(store, fault))
        write_whole(root / MARK, url.encode())
        ledger = Ledger(root)
        ledger.patience = Patience(seconds=5, way="resume")
        ledger.pull()
        return ledger

    return machine


class LedgerTests:
    """What holds of a ledger in any store."""

    @pytest.fixture
    def store(self) -> Store:
        """Return the store, empty."""
        raise NotImplementedError

    @pytest.fixture(params=FAULTS)
    def fault(self, request: pytest.FixtureRequest) -> Fault:
        """Return each of ``FAULTS``."""
        return FAULTS[request.param]

    @pytest.fixture
    def machines(self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
        """Return machines that have nothing in common but the store."""
        return machines_on(store, tmp_path, monkeypatch)

    def test_a_write_is_read_and_listed_and_a_later_one_takes_its_place(self, store: Store) -> None:
        assert ([*store.entries()], store.folders()) == ([], [])
        before = time.time()
        for content in (b"first", b"", b"x" * 2**20):
            written = store.write("a/b/file", content)
            assert store.read("a/b/file") == content
            assert [written] == [*store.entries()] == [*store.entries("a")] == [*store.entries("a/b")]
            assert written == store.entry("a/b/file")
            assert (written.key, written.num_bytes) == ("a/b/file", len(content))
            assert before - 60 < written.seconds < time.time() + 60
        store.write("a/bc", b"")
        assert [entry.key for entry in store.entries("a/b")] == ["a/b/file"]
        assert store.folders() == ["a"]

    def test_what_is_not_there_is_said_not_to_be(self, store: Store) -> None:
        store.delete("a/nothing")
        store.write("a/b", b"")
        store.delete("a/b")
        assert store.entry("a/b") is store.entry("a") is None
        assert [*store.entries()] == []
        with pytest.raises(FileNotFoundError):
            store.read("a/b")

    def test_nothing_is_lost_doubled_or_altered_by_a_fault_and_another_machine_goes_on(
        self, machines: Machines, fault: Fault
    ) -> None:
        told = {}
        with contextlib.suppress(*ENDS):
            first = machines("first", fault)
            for number in drive(first):
                told[number] = told_of(first)[number]
        second = machines("second")
        there = told_of(second)
        assert {number: there[number] for number in told} == told
        for _ in drive(second):
            pass
        assert told_of(machines("third")) == told_of(second) == {number: whole(number) for number in range(TRIALS)}
        assert [files.tries for files in machines("fourth").trials()] == [1] * TRIALS

    def test_a_fault_that_passes_costs_nothing_but_time(self, machines: Machines) -> None:
        passing = (fault for fault in FAULTS.values() if fault.error == errno.EIO and fault.room is None)
        for index, fault in enumerate(passing):
            ledger = machines(f"machine-{index}", fault)
            assert [*drive(ledger)] == ([0, 1] if index == 0 else [])
            assert told_of(ledger) == {number: whole(number) for number in range(TRIALS)}

    def test_a_record_is_never_rewritten_by_another_machine(self, machines: Machines) -> None:
        for _ in drive(machines("first")):
            pass
        with pytest.raises(FileExistsError, match="never run twice"):
            machines("second").publish_record(record_of(0))

    def test_no_attempt_is_opened_twice(self, machines: Machines) -> None:
        slow = Fault(seconds=0.02)  # so that each looks before any has claimed
        folders = [machines(f"machine-{index}", slow).trial(0) for index in range(3)]
        with ThreadPoolExecutor(len(folders)) as side_by_side:
            made = [path.name for path in side_by_side.map(open_attempt, folders)]
        assert len(set(made)) == len(made)

    def test_what_an_attempt_finished_is_taken_over_by_another_machine(self, machines: Machines, fault: Fault) -> None:
        with contextlib.suppress(*ENDS):
            ledger = machines("first", fault)
            ledger.publish_asked(asked_of(0))
            attempt = open_attempt(ledger.trial(0))
            written = write_training(attempt)
            ledger.patience(lambda: send(attempt))
            found = find(machines("second").trial(0), (JOB,))
            assert (found.trained, found.notes) == (written, ())
        there = find(machines("third").trial(0), (JOB,))
        assert there.notes == (), "what is there is whole, or is not there"

    def test_checkpoints_come_when_they_are_asked_for_and_go_everywhere(self, machines: Machines) -> None:
        first, second = machines("first").trial(0), machines("second").trial(0)
        attempt = open_attempt(first)
        for step in (1, 2, 3):
            write_whole(attempt / f"checkpoint-{step}.pt", b"state")
            send(attempt)
            if step == 2:
                (attempt / "checkpoint-1.pt").unlink()
        machine = machines("third")
        find(machine.trial(0), ())
        assert not [*machine.trial(0).glob(CHECKPOINTS)]
        fetch(machine.trial(0), CHECKPOINTS)
        assert sorted(path.name for path in machine.trial(0).glob(CHECKPOINTS)) == [
            "checkpoint-2.pt",
            "checkpoint-3.pt",
        ]
        drop([second], CHECKPOINTS)
        fresh = machines("fourth")
        find(fresh.trial(0), ())
        assert not [*fresh.trial(0).glob(CHECKPOINTS)]
        assert [path.name for path in attempts(fresh.trial(0))] == [attempt.name]

    def test_what_went_in_the_store_goes_here(self, machines: Machines) -> None:
        first, second = machines("first"), machines("second")
        for _ in drive(first):
            pass
        attempt = open_attempt(first.trial(0))
        second.pull()
        find(second.trial(0), ())
        assert attempts(second.trial(0))
        first.remove(first.trial(1) / "record.json")
        drop([first.trial(0)], f"{attempt.name}/*")
        shutil.rmtree(attempt)
        second.pull()
        find(second.trial(0), ())
        assert second.read(1).record is None
        assert not attempts(second.trial(0))


def drive(ledger: Ledger) -> Iterator[int]:
    """Ask and finish what is missing, as a driver does; yield each trial that is finished then."""
    for number in range(TRIALS):
        if not ledger.was_asked(number):
            ledger.publish_asked(asked_of(number))
        if ledger.read(number).record is None:
            ledger.publish_attack(attack_on(number))
            ledger.publish_record(record_of(number))
            yield number


def told_of(ledger: Ledger) -> dict[int, tuple[object, ...]]:
    """Return what a ledger says of its trials."""
    return {files.number: (files.asked, files.record, files.attacks) for files in ledger.trials()}


def whole(number: int) -> tuple[object, ...]:
    """Return what it says of one that ``drive`` has finished."""
    return asked_of(number), record_of(number), (attack_on(number),)
