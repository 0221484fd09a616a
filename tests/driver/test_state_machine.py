"""Any order of asking, finishing, losing, dying at any write, resuming, extending, retrying and attacking later.

Search, ledger, lease and reconciling are the product's own; jobs have recorded outcomes. Beside them stands a model of
what must be true: every trial that was asked is there once, with the settings that it was asked with and in the state
in which it ended, Optuna's rows say the same, and the budget is met exactly. What was being written when a driver died
may be there or not; nothing else may have moved, and what is published of a finished trial stays, to the letter.
"""

import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import optuna
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from optuna.trial import TrialState
from sqlalchemy.engine.default import DefaultDialect

import harness.ledger.files
from harness.display.lines import Lines
from harness.display.story import Story
from harness.driver.causes import Causes
from harness.driver.comparison import Comparison
from harness.driver.publishing import Publisher
from harness.driver.reading import read_book
from harness.driver.retrying import chosen_trials
from harness.driver.room import Room
from harness.errors import Interrupted, UserError
from harness.ledger import Ledger, write_whole
from harness.ledger.lease import Lease
from harness.ledger.patience import Patience
from harness.records import Asked, AttackJob, AttackRecord, Failure, Tell
from harness.search import Conditions, Search, open_rows, reconcile
from harness.search.informed import values_of
from harness.stages import Outcome, Stage, Stopwatch
from harness.study import Study
from harness.study.check import load_checked
from harness.study.jobs import attack_jobs
from harness.trial import run_trial
from tests.bench_driver import LEDGER_ID, NOWHERE, UNTRACKED
from tests.recorded import recorded
from tests.values import attack, scores

SPACE = """
name: faults
data: {name: digits}
model: {width: 0.25, sigma: {choices: [0.05, 0.1]}}
train: {recipe: fast, epochs: 1}
defense:
  none: {}
  laplace: {scale: {low: 0.1, high: 0.2}}
attacks: {decoder: quick}
search: {trials: 5, seed: 1, sampler: random, floor: {accuracy: 0.3}, anchors: [{defense/name: none, model/sigma: 0.1}]}
"""

FAULTS = {
    "failed": Failure(stage="train", type="ValueError", message="no such thing"),
    "lost": Failure(stage="train", type="DeviceError", message="its GPU fell off the bus"),
}
"""What ends a training: its own fault, and its place's."""

PARTIAL = Failure(stage="attack", type="FloatingPointError", message="the loss is not finite")

MOST = 8
"""Trials up to which the study is extended."""

DEAD = object()
"""Stands for what a driver would have returned."""

NOTHING: Mapping[int, Any] = MappingProxyType({})

SHORT = settings(suppress_health_check=list(HealthCheck), derandomize=True, print_blob=True)

LATER = AttackJob(attack="decoder", budget="standard", seed=0, part="validation")


class Killed(BaseException):
    """The driver dies here, as by SIGKILL: nothing that it would do about an error is an answer to it."""


class Deadly:
    """Counts what a driver puts on storage, and kills it before or after one of these."""

    def __init__(self) -> None:
        self.left: int | None = None

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Stand before every file and every commit of this process, until the patch is undone."""
        write, commit = harness.ledger.files.write_whole, DefaultDialect.do_commit

        def written(path: Path, content: bytes) -> Path:
            self._step()
            path = write(path, content)
            self._step()
            return path

        def committed(dialect: DefaultDialect, connection: Any) -> None:
            self._step()
            commit(dialect, connection)
            self._step()

        patch.setattr(harness.ledger.files, "write_whole", written)
        patch.setattr(DefaultDialect, "do_commit", committed)

    def _step(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise Killed
            self.left -= 1


class Known(NamedTuple):
    """What the model knows of a trial."""

    asked: str
    """``asked.json``, to the letter."""
    state: str
    tries: int = 1
    later: bool = False


def ending(how: str) -> Callable[..., Iterator[Outcome]]:
    """Return what runs a trial's jobs so that it ends complete, partial, failed or lost."""

    def submit(stage: Stage, jobs: Sequence[tuple[Any, ...]], kind: str, tell: Tell) -> Iterator[Outcome]:
        failure = FAULTS.get(how) if kind == "train" else (PARTIAL if how == "partial" else None)
        if failure is None:
            yield from recorded(stage, jobs, kind, tell)
        else:
            yield from (Outcome(index, None, failure, Stopwatch().read()) for index in range(len(jobs)))

    return submit


class Driver:
    """A driver of the study, from its lease on."""

    def __init__(self, study: Study, root: Path, again: list[Asked] | None = None) -> None:
        self.rows: optuna.Study | None = None
        self.lease = Lease(root, LEDGER_ID, None, Patience())
        self.lease.take()
        try:
            self._open(study, root, again)
        except BaseException:
            self.dead()
            raise
        self.out: dict[int, Asked] = {}
        """Trials that run."""

    def _open(self, study: Study, root: Path, again: list[Asked] | None) -> None:
        ledger = Ledger(root)
        ledger.guard = self.lease.check
        self.book = read_book(ledger, LEDGER_ID)
        self.rows = open_rows(study, root, self.book.outlines, None)
        conditions = Conditions(LEDGER_ID, attack_jobs(study), {"train": 1, "attack": 1}, "float32")
        self.search = Search(study, self.rows, ledger, conditions)
        watcher = Lines(NOWHERE, Story())
        watcher.opened(study, root, reconcile(self.search, self.rows, self.book), self.book.standing())
        if again is not None:
            self.search.again = deque(again)
        self.publisher = Publisher(
            ledger, self.book, self.search, UNTRACKED, watcher, Comparison(), Causes(True), Room(root),
            retrying=again is not None,
        )  # fmt: skip

    def dead(self) -> None:
        """Leave what a dead process does: its lock is free, its connections are gone."""
        self.lease.release()
        if self.rows is not None:
            self.rows._storage._backend.engine.dispose()


class Faults(RuleBasedStateMachine):
    """The study under the faults, and the model beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="faults-")
        self.root = Path(self.folder.name) / "faults"
        self.ledger = Ledger(self.root)
        self.study = _study(Path(self.folder.name))
        write_whole(self.ledger.study_file, self.study.dump().encode())
        self.patch, self.deadly = pytest.MonkeyPatch(), Deadly()
        self.deadly.watch(self.patch)
        self.known: dict[int, Known] = {}
        self.published: dict[Path, bytes] = {}
        """Records of finished trials, and attacks on them."""
        self.driver: Driver | None = None

    def teardown(self) -> None:
        """Run the study to its end: the budget is met, and everyone agrees."""
        self.deadly.left = None
        try:
            if self.driver is None:
                self.resume()
            self._run_out("complete")
            assert len(self.known) == self.study.search.trials
            assert all(known.state != "running" for known in self.known.values())
            self.rows_tell_what_the_directory_does()
            self._attack_all_later()
            self.resume()
            self.rows_tell_what_the_directory_does()
            self.the_directory_tells_what_the_model_does()
        finally:
            if self.driver is not None:
                self.driver.dead()
            self.patch.undo()
            self.folder.cleanup()

    @rule(writes=st.integers(0, 12))
    def doom(self, writes: int) -> None:
        """The driver will die at a write to come."""
        self.deadly.left = writes

    @precondition(lambda self: self.driver is None)
    @rule()
    def resume(self) -> None:
        """A driver takes the study up, or dies while it does."""
        self._alive(lambda: self._start(None))

    @precondition(lambda self: self.driver is not None)
    @rule()
    def two_at_once(self) -> None:
        """A second driver is refused, and changes nothing."""
        with pytest.raises(UserError, match="another driver runs this study"):
            Driver(self.study, self.root)

    @precondition(lambda self: self.driver is not None)
    @rule()
    def kill(self) -> None:
        """The driver dies between two writes."""
        assert self.driver is not None
        self.driver.dead()
        self.driver = None

    @precondition(lambda self: self.driver is not None)
    @rule()
    def ask(self) -> None:
        """The next trial is asked: one that was cut off, or the next number, within the budget."""
        self._ask()

    @precondition(lambda self: self.driver is not None and self.driver.out)
    @rule(data=st.data(), how=st.sampled_from(["complete", "complete", "partial", "failed", "lost"]))
    def finish(self, data: st.DataObject, how: str) -> None:
        """A trial ends; one that its node lost is handed out again, twice, or all work is ended for it."""
        assert self.driver is not None
        self._finish(data.draw(st.sampled_from(sorted(self.driver.out)), label="trial"), how)

    @precondition(lambda self: self.driver is None and self.study.search.trials < MOST)
    @rule()
    def extend(self) -> None:
        """The study gets another trial."""
        search = self.study.search.model_copy(update={"trials": self.study.search.trials + 1})
        self.study = self.study.model_copy(update={"search": search})
        write_whole(self.ledger.study_file, self.study.dump().encode())

    @precondition(lambda self: self.driver is None and self._ended("failed", "partial"))
    @rule()
    def retry(self) -> None:
        """What failed is run again, and now completes; or the driver dies on the way."""
        again, _ = chosen_trials(self.ledger, [])
        assert [asked.number for asked in again] == self._ended("failed", "partial")
        self._alive(lambda: self._start(again))
        self._run_out("complete")
        if self.driver is not None:
            self.kill()

    @precondition(lambda self: self.driver is None and self._ended("complete"))
    @rule(data=st.data())
    def attack_later(self, data: st.DataObject) -> None:
        """Another attack is run on a finished trial, and is better than its own."""
        self._attack_later(data.draw(st.sampled_from(self._ended("complete")), label="trial"))

    @invariant()
    def the_directory_tells_what_the_model_does(self) -> None:
        """No trial is lost, doubled, orphaned or altered."""
        assert self._seen() == self.known
        self._is_unaltered()

    @precondition(lambda self: self.driver is not None)
    @invariant()
    def rows_tell_what_the_directory_does(self) -> None:
        """Optuna has a row for each trial, and no finished one beside them."""
        assert self.driver is not None
        assert self.driver.rows is not None
        doom, self.deadly.left = self.deadly.left, None
        rows = self.driver.rows.get_trials(deepcopy=False)
        self.deadly.left = doom
        assert len(rows) <= self.study.search.trials
        for row in rows:
            outline = self.driver.book.outlines.get(row.number)
            if outline is None or not outline.finished:
                assert not row.state.is_finished()
            elif row.state == TrialState.COMPLETE:
                assert outline.objectives is not None
                assert row.values == values_of(outline.objectives)
            else:
                assert row.state == TrialState.FAIL
                assert outline.objectives is None or outline.tries > 1

    def _attack_later(self, number: int) -> None:
        if not self.known[number].later:
            after = self.known[number]._replace(later=True)
            found = attack(number, LATER, *(scores(0.001, 0.99),) * 2)
            if self._alive(lambda: self.ledger.publish_attack(found), {number: after}) is not DEAD:
                self.known[number] = after

    def _attack_all_later(self) -> None:
        """Attack all that is complete, without a driver."""
        self.kill()
        for number in self._ended("complete"):
            self._attack_later(number)

    def _start(self, again: list[Asked] | None) -> None:
        self.driver = Driver(self.study, self.root, again)

    def _ask(self) -> bool:
        """Ask the next trial; say whether there is one, and a driver that runs it."""
        driver = self.driver
        assert driver is not None
        running = {number for number, known in self.known.items() if known.state == "running"} - set(driver.out)
        asked = self._alive(driver.publisher.ask, new=True)
        if asked is DEAD:
            return False
        if driver.publisher.retrying:
            assert asked is None or asked.number in self._ended("failed", "partial")
        elif asked is None:
            assert not running
            assert len(self.known) == self.study.search.trials
        elif running:
            assert asked.number in running
        else:
            assert asked.number == len(self.known) < self.study.search.trials
            self.known[asked.number] = Known(asked.model_dump_json(), "running")
        if asked is None:
            return False
        assert asked.number not in driver.out
        assert asked.model_dump_json() == self.known[asked.number].asked
        driver.out[asked.number] = asked
        return True

    def _finish(self, number: int, how: str) -> None:
        driver, before = self.driver, self.known[number]
        assert driver is not None
        result = run_trial(driver.out.pop(number), self.ledger.trial(number), submit=ending(how))
        tries = before.tries + (before.state != "running")
        after = before._replace(state="failed" if how == "lost" else how, tries=tries)
        if self._alive(lambda: driver.publisher.heard(result), {number: after}) is DEAD:
            return
        if any(waiting.number == number for waiting in driver.search.again):
            assert how == "lost"
        else:
            self.known[number] = after

    def _run_out(self, how: str) -> None:
        """Go on until nothing is left to ask, or the driver is dead."""
        while self.driver is not None and (self.driver.out or self._ask()):
            if self.driver is not None and self.driver.out:
                self._finish(min(self.driver.out), how)

    def _ended(self, *states: str) -> list[int]:
        return sorted(number for number, known in self.known.items() if known.state in states)

    def _alive(self, action: Callable[[], Any], after: Mapping[int, Known] = NOTHING, new: bool = False) -> Any:
        """Do what a driver does. If it dies of that, what it was about to do may have been done, and nothing else.

        Args:
            action: What it does; a user's own command, where there is no driver.
            after: What trials would be then.
            new: Whether a trial may have come.
        """
        try:
            result = action()
        except (Killed, Interrupted):
            self.deadly.left = None
            if self.driver is not None:
                self.driver.dead()
            self.driver = None
        else:
            self._is_unaltered()
            return result
        self._is_unaltered()
        seen, count = self._seen(), len(self.known)
        for number in seen.keys() | self.known.keys():
            if number == count and new:
                assert seen[number].state == "running"
            else:
                assert seen.get(number) in (self.known.get(number), after.get(number, self.known.get(number)))
        self.known = seen
        return DEAD

    def _is_unaltered(self) -> None:
        """Hold what was published to what it was: an attack that failed alone may be run again in its own place."""
        found = {
            path: path.read_bytes()
            for record in self.root.glob("trials/*/record.json")
            for path in (*record.parent.glob("record*.json"), *record.parent.glob("attacks/*.json"))
        }
        for path, content in self.published.items():
            if found.get(path) != content:
                assert path.parent.name == "attacks", f"{path} was altered"
                assert AttackRecord.model_validate_json(content).measured.verdict == "failed", f"{path} was altered"
                assert path in found, f"{path} is gone"
        self.published = found

    def _seen(self) -> dict[int, Known]:
        """Return what a stranger reads in the directory."""
        found = {}
        for files in Ledger(self.root).trials():
            state = "running" if files.record is None else files.record.state
            later = any(one.job == LATER for one in files.attacks)
            found[files.number] = Known(files.asked.model_dump_json(), state, files.tries, later)
        return found


def _study(folder: Path) -> Study:
    (folder / "space.yaml").write_text(SPACE)
    return load_checked(folder / "space.yaml").model_copy(update={"ledger": LEDGER_ID})


def test_a_study_survives_a_death_at_each_write_of_an_ask_and_of_an_end():
    life = Faults()
    for writes in range(10):
        life.resume()
        life.doom(writes)
        if life._ask() and life.driver is not None:
            life._finish(min(life.driver.out), "complete")
        life.deadly.left = None
        if life.driver is not None:
            life.kill()
        life.the_directory_tells_what_the_model_does()
    life.teardown()


def test_a_retry_alters_nothing_that_was_published_but_the_attack_that_failed():
    life = Faults()
    try:
        life.resume()
        for how in ("failed", "partial"):
            assert life._ask()
            life._finish(min(life.driver.out), how)
        life.kill()
        life.retry()
        life.the_directory_tells_what_the_model_does()
    finally:
        life.patch.undo()
        life.folder.cleanup()


def test_a_study_survives_whatever_happens_to_its_driver():
    quick = settings(SHORT, max_examples=3, stateful_step_count=20, phases=[Phase.generate])  # shrinking takes minutes
    run_state_machine_as_test(Faults, settings=quick)


@pytest.mark.slow
def test_a_study_survives_whatever_happens_to_its_driver_in_hundreds_of_lives():
    run_state_machine_as_test(Faults, settings=settings(SHORT, max_examples=300, stateful_step_count=50))
