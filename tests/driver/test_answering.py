"""A running study does what is asked of it by files in its directory, once, and says what came of it."""

import errno
import json
import re

import pytest

from harness.cli import main
from harness.cluster import NOT_NOW
from harness.driver.answering import LOOK_SECONDS, Answering
from harness.driver.causes import Causes
from harness.driver.comparison import Comparison
from harness.driver.limits import Limits
from harness.driver.publishing import Publisher
from harness.driver.room import Room
from harness.errors import Interrupted
from harness.judging import judged_trials, status
from harness.ledger import SKIP, Ledger, write_whole
from harness.ledger.requests import Requests
from harness.records import Failure, Progress
from harness.search import Search, open_rows, reconcile
from harness.search.asking import REQUEST, Conditions
from harness.study.check import load_checked
from harness.study.jobs import attack_jobs
from tests.bench_driver import UNTRACKED
from tests.recorded import ended
from tests.values import book_of

ID = "00000000-0000-4000-8000-000000000000"
SPACE = f"""
name: steered
data: {{name: digits}}
model: {{sigma: {{choices: [0.05, 0.1]}}}}
defense: {{none: {{}}, laplace: {{scale: {{low: 0.1, high: 1.0}}}}}}
attacks: {{decoder: quick}}
search: {{trials: 6, sampler: random, allocate: joint, anchors: [{{defense/name: none, model/sigma: 0.05}}]}}
ledger: {ID}
"""


class Quiet:
    """Hears of a study and keeps its remarks."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def noted(self, line: str) -> None:
        self.lines.append(line)

    def started(self, asked: object) -> None:
        """Nothing is shown."""

    def progress(self, number: int, progress: object) -> None:
        """Nothing is shown."""

    def finished(self, trial: object, standing: object) -> None:
        """Nothing is shown."""


class Driver:
    """A driver of a small study whose trials' outcomes are recorded ones; it looks whenever it is asked to."""

    def __init__(self, root) -> None:
        self.study, self.ledger, self.watcher, self.time = load_checked(root / "study.yaml"), Ledger(root), Quiet(), 0.0
        book = book_of(self.ledger)
        self.rows = rows = open_rows(self.study, root, book.outlines, None)
        conditions = Conditions(ID, attack_jobs(self.study), {"train": 1, "attack": 1}, "float32")
        self.search = Search(self.study, rows, self.ledger, conditions)
        reconcile(self.search, rows, book)
        self.answering = Answering(self.ledger, book, self.search, 2, self.watcher.noted, lambda: self.time)
        self.publisher = Publisher(
            self.ledger, book, self.search, UNTRACKED, self.watcher, Comparison(), Causes(True),
            Room(root, lambda folder: 2**60), limits=Limits(self.study, self.ledger, book), answering=self.answering,
        )  # fmt: skip

    def ask(self):
        self.time += LOOK_SECONDS
        return self.publisher.ask()

    def end(self, asked, failure: Failure | None = None) -> None:
        result = ended(asked, self.ledger.trial(asked.number))
        if failure is not None:
            record = result.record.model_copy(update={"state": "failed", "error": failure, "verdicts": {}})
            result = result._replace(record=record, attacks=())
        self.publisher.heard(result)

    def state(self, number: int) -> str:
        return self.ledger.read(number).record.state


@pytest.fixture
def driver(tmp_path):
    write_whole(tmp_path / "steered" / "study.yaml", SPACE.encode())
    return Driver(tmp_path / "steered")


def ctl(driver, *order: str, code: int = 0) -> None:
    assert main(["ctl", str(driver.ledger.root), *order]) == code


def answers(driver) -> list[tuple[str, str | None]]:
    return [(put.request.words(), put.answer and put.answer.text) for put in Requests(driver.ledger.root).all()]


def test_a_study_pauses_and_continues(driver, capsys):
    first = driver.ask()
    ctl(driver, "pause")
    ctl(driver, "pause")  # the same one
    assert driver.ask() is NOT_NOW
    driver.end(first)
    assert driver.state(0) == "complete"
    ctl(driver, "continue")
    assert driver.ask().number == 1
    assert [words for words, _ in answers(driver)] == ["pause", "continue"]
    ctl(driver, "pause")
    capsys.readouterr()
    assert main(["status", str(driver.ledger.root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["ctl"]
    assert [(one["asked"], one["state"]) for one in told] == [
        ("pause", "done"),
        ("continue", "done"),
        ("pause", "open"),
    ]


def test_as_many_trials_run_as_are_asked_for(driver):
    assert [driver.ask().number, driver.ask().number] == [0, 1]
    assert driver.ask() is NOT_NOW
    ctl(driver, "concurrent=3")
    assert driver.ask().number == 2
    assert driver.ask() is NOT_NOW


def test_a_stopped_study_finishes_what_runs_and_ends_resumable(driver):
    first = driver.ask()
    ctl(driver, "stop")
    assert driver.ask() is None
    assert not driver.publisher.more()
    driver.end(first)
    with pytest.raises(Interrupted, match=r"^stopped by `invfront ctl .* stop`; go on with `invfront resume "):
        driver.answering.end()
    again = Driver(driver.ledger.root)  # what was asked of the one before is past
    assert again.ask().number == 1
    ctl(again, "stop", "--now")
    with pytest.raises(Interrupted, match=r"^stopped by"):
        again.ask()


def test_what_was_asked_before_a_driver_ran_stops_none(driver):
    ctl(driver, "stop")
    again = Driver(driver.ledger.root)
    assert again.ask().number == 0
    assert answers(again) == [("stop", "no driver ran then; a new one goes on")]


def test_a_skipped_trial_is_pruned_and_counts_in_the_budget(driver):
    trials = [driver.ask(), driver.ask()]
    ctl(driver, "skip", "1")
    assert driver.ask() is NOT_NOW
    assert (driver.ledger.trial(1) / SKIP).exists()
    driver.end(trials[1], Failure(stage="train", type="Skipped", message="its user wants no more of it"))
    driver.end(trials[0])
    assert [driver.state(number) for number in (0, 1)] == ["complete", "pruned"]
    assert driver.ledger.read(1).record.error.stage == "user"
    now = status(driver.study.named(), 6, judged_trials(driver.ledger))
    assert (now.states["pruned"], sum(now.states.values())) == (1, 6)
    ctl(driver, "skip", "1")  # which is done already
    again = Driver(driver.ledger.root)
    assert again.ask().number == 2  # a resume runs it no more
    assert [text for _, text in answers(again)] == ["trial 1 ends, pruned", "trial 1 is pruned already"]
    ctl(driver, "skip", "0", code=2)


def test_what_is_enqueued_takes_the_place_of_a_trial_that_waits(driver):
    ctl(driver, "concurrent=9")
    order = ("enqueue", "defense/laplace/scale=.25", "model/sigma=0.1")
    ctl(driver, *order)
    trials = [driver.ask() for _ in range(6)]
    assert [trial.number for trial in trials] == [*range(6)]
    assert trials[0].anchor  # anchors stay the first
    assert trials[1].settings["defense/laplace/scale"] == 0.25
    assert (trials[1].settings["defense/name"], trials[1].settings["model/sigma"]) == ("laplace", 0.1)
    assert driver.ask() is None
    ctl(driver, "enqueue", "model/sigma=0.1", code=2)  # no trial waits
    asked = "enqueue defense/name=laplace, defense/laplace/scale=0.25, model/sigma=0.1"
    assert answers(driver)[1] == (asked, "trial 1 takes it")
    ctl(driver, *order)  # no trial waits, and none is needed
    driver.ask()
    assert answers(driver)[2] == (asked, "trial 1 has it already")


def test_the_same_settings_are_enqueued_once_whatever_has_become_of_them(driver):
    order = ("enqueue", "model/sigma=0.1")
    ctl(driver, *order)
    first = driver.ask()
    ctl(driver, *order)  # its trial waits
    assert (first.number, driver.ask().number, driver.ask()) == (0, 1, NOT_NOW)
    ctl(driver, *order)  # it runs
    driver.end(first)
    (driver.ledger.root / "study.db").unlink()
    again = Driver(driver.ledger.root)  # its row is made anew
    assert again.ask().settings["model/sigma"] == 0.1
    ctl(again, "enqueue", "model/sigma=0.05")
    again.ask()
    told = [text for _, text in answers(again)]
    assert told == ["trial 1 takes it", "trial 1 has it already", "trial 1 has it already", "trial 2 takes it"]


def test_a_trials_gpu_hours_begin_with_its_first_sign(driver):
    first = driver.ask()
    limits, watch = driver.publisher.limits, driver.publisher.exchange().watch
    assert limits._running == {first.number: None}
    watch(first.number, Progress("train", 0, 1))
    assert limits._running[first.number] is not None


def test_why_a_trial_is_handed_out_again_is_said(driver):
    first = driver.ask()
    driver.end(first, Failure(stage="train", type="OSError", message="stale file handle", errno=errno.ESTALE))
    assert driver.watcher.lines == ["trial 0 is handed out again: OSError: stale file handle"]
    assert driver.ask() == first


def taken(driver) -> list[int]:
    """The trials that took what somebody asked for."""
    return [row.number for row in driver.rows.get_trials() if row.user_attrs.get(REQUEST)]


def test_what_was_taken_by_a_driver_that_died_before_it_said_so_is_taken_once(driver):
    ctl(driver, "enqueue", "model/sigma=0.1")
    driver.ask()
    (answer,) = (driver.ledger.root / "ctl").glob("*.answer.json")
    answer.unlink()
    again = Driver(driver.ledger.root)
    again.ask()
    assert (taken(again), [text for _, text in answers(again)]) == ([1], ["trial 1 takes it"])


def test_what_was_taken_and_lost_with_the_index_before_its_trial_began_is_taken_again(driver):
    ctl(driver, "enqueue", "model/sigma=0.1")
    driver.ask()
    (driver.ledger.root / "study.db").unlink()
    again = Driver(driver.ledger.root)
    assert (taken(again), [text for _, text in answers(again)]) == ([1], ["trial 1 takes it"])
    assert taken(Driver(driver.ledger.root)) == [1]


def test_what_a_server_that_does_not_answer_in_time_has_written_twice_is_taken_once(driver, monkeypatch):
    enqueue = driver.search._rows.enqueue_trial

    def twice(*args, **kwargs) -> None:
        for _ in range(2):
            enqueue(*args, **kwargs)

    ctl(driver, "concurrent=9")
    ctl(driver, "enqueue", "model/sigma=0.1")
    assert driver.ask().number == 0
    with monkeypatch.context() as within:
        within.setattr(driver.search._rows, "enqueue_trial", twice)
        ctl(driver, "enqueue", "model/sigma=0.05")
        second = driver.ask()
    assert (second.number, taken(driver)) == (1, [1, 2])
    assert [driver.ask().number for _ in range(4)] == [2, 3, 4, 5]
    assert driver.ask() is None


def test_a_failed_trial_is_run_again_while_the_study_runs(driver):
    first = driver.ask()
    driver.end(first, Failure(stage="train", type="ValueError", message="a flaw"))
    ctl(driver, "retry", "failed")
    again = driver.ask()
    assert again == first
    driver.end(again)
    assert (driver.state(0), driver.ledger.read(0).tries) == ("complete", 2)
    ctl(driver, "retry", "0")
    assert driver.ask().number == 1
    assert [text for _, text in answers(driver)] == ["trial 0 again", "trial 0 has been run again: complete"]


@pytest.mark.parametrize(
    ("limit", "said", "num_ended"),
    [
        ("gpu_hours: 1e-9", r"its trials took 0\.00 of 1e-09 GPU hours", 1),
        ("hypervolume: {trials: 1, gain: 0.99}", r"the last 1 trials added .*, less than 99\.00%", 2),
    ],
)
def test_a_study_ends_at_its_limit_and_says_which(limit, said, num_ended, tmp_path, capsys):
    """With resources that a machine without a GPU lacks: nothing runs here."""
    further = f"resources: {{train: {{cpu: 1, gpu: 1}}}}\nsearch: {{limits: {{{limit}}}, "
    write_whole(tmp_path / "steered" / "study.yaml", SPACE.replace("search: {", further).encode())
    driver, count = Driver(tmp_path / "steered"), 0
    while (asked := driver.ask()) is not None:
        driver.end(asked)
        count += 1
    driver.publisher.end()
    capsys.readouterr()
    assert main(["status", str(driver.ledger.root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["ended"]
    path = f"search/limits/{limit.partition(':')[0]}"
    assert re.match(rf"{path}: {said}; `invfront resume \S+ --set {path}=\.\.\.` goes on$", told)
    assert count == num_ended
    driver.publisher.cut_off()  # which is no interrupt


WRONG = {
    "halt": "halt: no such order; take one of pause, continue, stop, concurrent=N, skip TRIAL",
    "concurrent=0": "concurrent=0: no such order",
    "pause 5": "pause 5: takes nothing more",
    "pause --now": "--now: is of stop, not of pause",
    "skip 4": "TRIAL 4: was not asked",
    "retry 0": "TRIAL 0: is running; takes one that is failed or partial",
    "enqueue model/sigma=7": "enqueue model/sigma: 7 is outside the study",
    "enqueue defense/nopeek/lam=1": "enqueue defense/name: 'nopeek' is no branch of the study",
}


def test_what_cannot_be_asked_is_refused_in_one_line_and_nothing_is_written(driver, capsys):
    driver.ask()
    for order, said in WRONG.items():
        ctl(driver, *order.split(), code=2)
        assert capsys.readouterr().err.startswith(f"invfront: {said}")
    assert answers(driver) == []
