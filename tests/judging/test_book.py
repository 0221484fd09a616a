"""What a driver remembers says what the trials themselves say, however they came in, and is small."""

import gc
import random
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.judging import Book, Front, JudgedTrial, status
from harness.judging.book import outline_of
from harness.records import Asked, AttackRecord, CurvePoint, Record, Scores
from tests.values import JOB, asked, attack, circumstances, record, scores

ACCURACY, MSE, SSIM = (0.7, 0.8, 0.9), (0.01, 0.02, 0.03), (0.3, 0.4, 0.5)
"""So few values that trials are often equal, and often dominate one another."""

IDENTITY = {"name": "study", "digest": "d"}


def running(number: int) -> JudgedTrial:
    return JudgedTrial(number=number, path=Path("nowhere"), asked=asked(number), record=None, attacks=())


def ended(trial: JudgedTrial, rng: random.Random, state: str) -> JudgedTrial:
    """Return a trial with a record: a feasible one mostly, if it has an accuracy."""
    known = state != "failed"
    measured = record().measured.model_copy(
        update={
            "accuracy": rng.choice(ACCURACY) if known else None,
            "feasible": rng.random() < 0.8 if known else None,
            "objectives": None,
        }
    )
    cost = circumstances().model_copy(update={"seconds": rng.uniform(1, 9)})
    done = record(trial.number, state=state, asked=trial.asked, measured=measured, circumstances=cost)
    attacks = (attack(trial.number, JOB, drawn(rng), drawn(rng)),) if known else ()
    return replace(trial, record=done, attacks=attacks)


def attacked(trial: JudgedTrial, rng: random.Random) -> JudgedTrial:
    """Return a trial with one more attack, run after its record; its objectives may become worse or better."""
    job = JOB.model_copy(update={"seed": len(trial.attacks)})
    return replace(trial, attacks=(*trial.attacks, attack(trial.number, job, drawn(rng), drawn(rng))))


def drawn(rng: random.Random) -> Scores:
    return scores(rng.choice(MSE), rng.choice(SSIM))


def steps(seed: int, count: int = 60, losing: bool = False) -> Iterator[JudgedTrial]:
    """Yield trials as they become: they are asked, they end in any state, they are attacked again.

    Args:
        seed: Of all that is random.
        count: Of steps.
        losing: Whether a complete trial may lose its record, as when it is damaged, or become partial or infeasible.
    """
    rng, trials = random.Random(seed), dict[int, JudgedTrial]()
    for _ in range(count):
        number = rng.randrange(len(trials) + 1 + len(trials) // 3)
        trial = trials.get(number)
        if trial is None:
            number = len(trials)
            trial = running(number)
        elif trial.record is None:
            trial = ended(trial, rng, rng.choice(("complete", "complete", "complete", "failed", "partial")))
        elif losing and rng.random() < 0.4:
            trial = rng.choice((running(number), ended(trial, rng, "complete"), ended(trial, rng, "partial")))
        elif trial.state == "complete":
            trial = attacked(trial, rng)
        trials[number] = trial
        yield trial


def in_order(trials: dict[int, JudgedTrial]) -> list[JudgedTrial]:
    return [trials[number] for number in sorted(trials)]


@pytest.mark.parametrize("losing", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_the_front_is_that_of_all_trials_after_every_step(seed, losing):
    front, trials = Front(), {}
    for trial in steps(seed, losing=losing):
        before = front.points
        changed = front.add(outline_of(trial))
        trials[trial.number] = trial
        expected = Front(in_order(trials))
        assert front.numbers == expected.numbers
        assert front.points.tolist() == expected.points.tolist()
        assert (front.jobs, front.unsettled) == (expected.jobs, expected.unsettled)
        assert changed or front.points.tolist() == before.tolist()


def test_a_later_attack_brings_back_what_the_trial_dominated_before_once_that_has_it_too():
    best, other = finished(0, 0.03, 0.3), finished(1, 0.02, 0.4)
    front = Front()
    assert [front.add(outline_of(trial)) for trial in (best, other)] == [True, False]
    assert numbers(front) == [0]
    job = JOB.model_copy(update={"seed": 1})
    best = replace(best, attacks=(*best.attacks, attack(0, job, scores(0.01, 0.5), scores(0.01, 0.5))))
    assert not front.add(outline_of(best))
    assert (numbers(front), front.unsettled) == ([0], (job.name,))
    other = replace(other, attacks=(*other.attacks, attack(1, job, scores(0.03, 0.3), scores(0.03, 0.3))))
    assert front.add(outline_of(other))
    assert (numbers(front), front.unsettled) == ([1], ())


@pytest.mark.parametrize("dominated", [False, True])
def test_a_trial_that_is_no_longer_complete_leaves_and_what_it_dominated_comes_back(dominated):
    """Also if it is itself dominated then: it must not come back with the others."""
    best, other, lost = finished(0, 0.03, 0.3), finished(1, 0.02, 0.4), finished(2, 0.01, 0.5)
    front = Front()
    for trial in (best, other, lost):
        front.add(outline_of(trial))
    gone = [other, best] if dominated else [best]
    for trial in gone:
        front.add(outline_of(running(trial.number)))
    assert numbers(front) == ([2] if dominated else [1])


def test_equal_trials_stand_together_and_an_infeasible_one_does_not_stand():
    one, twin, low, front = finished(0, 0.02, 0.4), finished(1, 0.02, 0.4), finished(2, 0.03, 0.3, False), Front()
    assert [front.add(outline_of(trial)) for trial in (twin, low, one)] == [True, False, True]
    assert numbers(front) == [0, 1]


@pytest.mark.parametrize("losing", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_book_says_what_its_trials_say_after_every_step(seed, losing):
    book, trials = Book(), {}
    for trial in steps(seed, losing=losing):
        outline = book.add(trial)
        trials[trial.number] = trial
        assert book.outlines[trial.number] is outline
        holds(book, in_order(trials))
    assert book.outlines.keys() == trials.keys()


@pytest.mark.parametrize("seed", range(6))
def test_a_book_of_what_was_there_is_the_book_that_saw_it_come(seed):
    trials = {trial.number: trial for trial in steps(seed)}
    holds(Book(in_order(trials)), in_order(trials))


def test_a_study_without_trials_stands_nowhere():
    assert Book().standing() == (0, 0, (), (), None)
    holds(Book(), [])


def holds(book: Book, trials: list[JudgedTrial]) -> None:
    """Check all that a book says against its trials."""
    done = [trial.record.circumstances.seconds for trial in trials if trial.record]
    standing = book.standing()
    assert standing.finished == len(done)
    assert standing.failures == sum(trial.state in ("failed", "partial") for trial in trials)
    assert standing.seconds == (pytest.approx(sum(done) / len(done)) if done else None)
    assert tuple(member.number for member in standing.front) == Front(trials).numbers
    assert standing.unsettled == Front(trials).unsettled
    assert book.unfinished == {trial.number: trial.asked for trial in trials if trial.record is None}
    for budget in (1, len(trials), len(trials) + 5):
        assert book.status(IDENTITY, budget) == status(IDENTITY, budget, trials)


@pytest.mark.parametrize("seed", range(3))
def test_an_outline_says_of_its_trial_what_the_trial_says(seed):
    for trial in steps(seed):
        outline = outline_of(trial)
        assert (outline.state, outline.feasible, outline.objectives) == (trial.state, trial.feasible, trial.objectives)
        assert outline.asked_suite is trial.asked_suite
        assert (outline.mark, outline.later, outline.anchor) == (trial.mark, bool(trial.later), trial.asked.anchor)
        assert outline.settings == trial.asked.settings
        assert outline.finished == (trial.record is not None)


@pytest.mark.parametrize(("floor", "constraint"), [(None, None), (0.85, 0.05), (0.7, -0.1)])
def test_the_constraint_is_how_far_the_accuracy_lies_below_the_floor(floor, constraint):
    done = record(accuracy=0.8)
    trial = JudgedTrial(number=0, path=Path("nowhere"), asked=asked(floor=floor), record=done, attacks=(attack(),))
    assert outline_of(trial).constraint == (None if constraint is None else pytest.approx(constraint))


@pytest.mark.slow
def test_a_trial_takes_less_than_5_kb_of_a_book_a_fraction_of_what_it_takes_itself():
    book, kept = Book(), []
    outlined = bytes_for(lambda number: book.add(read(number)))
    whole = bytes_for(lambda number: kept.append(read(number)))
    assert len(book.outlines) == len(kept) == COUNT
    assert 100 < outlined < 5_000
    assert outlined < whole / 5


COUNT = 300
CURVE = tuple(CurvePoint(step=14 * step, name="validation", value=1 / (1 + step)) for step in range(100))
"""About as long as an attack's of the quickstart."""
FILES = (
    asked().model_dump_json(),
    record(measured=record().measured.model_copy(update={"curve": CURVE})).model_dump_json(),
    attack().model_copy(update={"measured": attack().measured.model_copy(update={"curve": CURVE})}).model_dump_json(),
)


def read(number: int) -> JudgedTrial:
    """Return a trial that shares nothing with another, as from a directory; the one before it dominates it."""
    was, did, found = FILES
    done = Record.model_validate_json(did)
    measured = done.measured.model_copy(update={"accuracy": 0.9 - number / COUNT / 10})
    return JudgedTrial(
        number=number,
        path=Path(f"trials/{number:05d}"),
        asked=Asked.model_validate_json(was),
        record=done.model_copy(update={"measured": measured}),
        attacks=(AttackRecord.model_validate_json(found),),
    )


def bytes_for(take: Callable[[int], object]) -> float:
    """Return the memory that is kept for a trial, the mean over ``COUNT``."""
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(COUNT):
            take(number)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / COUNT
    finally:
        tracemalloc.stop()


def finished(number: int, mse: float, ssim: float, feasible: bool = True) -> JudgedTrial:
    """Return a complete trial of accuracy 0.9 with one attack of these scores."""
    measured = record().measured.model_copy(update={"feasible": feasible})
    found = attack(number, JOB, scores(mse, ssim), scores(mse, ssim))
    return replace(running(number), record=record(number, measured=measured), attacks=(found,))


def numbers(front: Front) -> list[int]:
    return [*front.numbers]
