"""A study in a store, through the scheduler's steps: whatever the store does, another machine goes on with it whole."""

import contextlib
from collections.abc import Iterator

import pytest

from harness.cluster.submitting import RaySubmit
from harness.display.lines import Lines
from harness.display.story import Story
from harness.driver.causes import Causes
from harness.driver.comparison import Comparison
from harness.driver.publishing import Publisher
from harness.driver.reading import read_book
from harness.driver.room import Room
from harness.ledger import SKIP, Ledger
from harness.ledger.requests import Requests
from harness.ledger.testing import ENDS, machines_on
from harness.records import Answer, Asked, Request
from harness.search import Conditions, Search, open_rows, reconcile
from harness.stores import FAULTS, MemoryStore
from harness.study import Study
from harness.study.check import load_checked
from harness.study.jobs import attack_jobs
from harness.trial import write_result
from tests.bench_driver import LEDGER_ID, NOWHERE, UNTRACKED
from tests.recorded import ended

SPACE = """
name: stored
train: {epochs: 1, images: 64}
defense: {none: {}, laplace: {scale: {low: 0.1, high: 0.2}}}
attacks: {decoder: quick}
search: {trials: 3, seed: 1, sampler: random}
"""

TOLD = ("every 2nd write fails", "full after 4000 bytes", "killed before write 4", "killed after write 7")
"""Faults that stand for the others where minutes are short."""


class Driver:
    """A driver on a machine; Optuna's rows are a server's."""

    def __init__(self, study: Study, ledger: Ledger, rows: str) -> None:
        book = read_book(ledger, LEDGER_ID)
        self.ledger, self.rows = ledger, open_rows(study, ledger.root, book.outlines, rows)
        conditions = Conditions(LEDGER_ID, attack_jobs(study), {"train": 1, "attack": 1}, "float32")
        search = Search(study, self.rows, ledger, conditions, ledger.patience)
        watcher = Lines(NOWHERE, Story())
        watcher.opened(study, ledger.root, reconcile(search, self.rows, book), book.standing())
        room = Room(ledger.root)
        self.publisher = Publisher(ledger, book, search, UNTRACKED, watcher, Comparison(), Causes(True), room)

    def run(self) -> Iterator[Asked]:
        """Ask and finish trials until none is left; yield each that was asked."""
        while (asked := self.publisher.ask()) is not None:
            yield asked
            trial = self.ledger.trial(asked.number)
            result = self.ledger.patience(lambda asked=asked, trial=trial: ended(asked, trial))
            self.ledger.patience(lambda result=result: write_result(result))
            self.publisher.heard(result)


def test_what_is_asked_on_one_machine_is_heard_on_another_and_a_skip_where_the_trial_runs(tmp_path, monkeypatch):
    machines = machines_on(MemoryStore(), tmp_path, monkeypatch)
    login, driver, node = (machines(name) for name in ("login", "driver", "node"))
    asked = Requests(login.root).ask(Request(verb="skip", number=0, time="now"))
    assert Requests(login.root).ask(asked.request) == asked
    hearing = Requests(driver.root)
    assert [put.request for put in hearing.open()] == [asked.request]
    hearing.answer(asked, Answer(done=True, text="trial 0 ends, pruned"))
    assert hearing.open() == []
    login.pull()
    assert [put.answer.text for put in Requests(login.root).all()] == ["trial 0 ends, pruned"]
    assert RaySubmit({}, None, trial=node.trial(0))._skipped("train") is None
    driver.write(driver.trial(0) / SKIP, b"")
    failure = RaySubmit({}, None, trial=node.trial(0))._skipped("train")
    assert (failure.stage, failure.type) == ("train", "Skipped")


@pytest.fixture
def study(tmp_path) -> Study:
    (tmp_path / "space.yaml").write_text(SPACE)
    return load_checked(tmp_path / "space.yaml").model_copy(update={"ledger": LEDGER_ID})


@pytest.mark.parametrize(
    "name", [name if name in TOLD else pytest.param(name, marks=pytest.mark.slow) for name in FAULTS]
)
def test_a_study_whose_store_has_a_fault_is_gone_on_with_elsewhere(study, name, tmp_path, monkeypatch):
    machines, rows = machines_on(MemoryStore(), tmp_path, monkeypatch), f"sqlite:///{tmp_path / 'rows.db'}"
    asked = []
    with contextlib.suppress(*ENDS):
        asked += Driver(study, machines("first", FAULTS[name]), rows).run()
    known = {files.number: files.asked for files in machines("second").trials()}
    assert {each.number: each for each in asked}.items() <= known.items()
    asked += Driver(study, machines("third"), rows).run()
    trials = list(machines("fourth").trials())
    assert [files.number for files in trials] == list(range(study.search.trials))
    assert {files.number: files.asked for files in trials} == {each.number: each for each in asked} | known
    assert {files.record.state if files.record else "" for files in trials} == {"complete"}
    assert {files.tries for files in trials} == {1}
    rows_told = Driver(study, machines("fifth"), rows).rows.get_trials()
    assert [row.state.name for row in rows_told] == ["COMPLETE"] * study.search.trials
