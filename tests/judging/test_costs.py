"""What a study took: trainings apart from their attacks, and time in which nothing ran left out."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.judging import JudgedTrial, costs, covered, spans, train_seconds, worked
from harness.judging.costs import Interval
from harness.records import AttackRecord, Circumstances
from tests.values import JOB, asked, attack, circumstances, record

START = datetime(2026, 1, 1, tzinfo=UTC)


def cost(seconds: float, after: float = 0.0) -> Circumstances:
    started = (START + timedelta(seconds=after)).isoformat()
    return circumstances().model_copy(update={"started": started, "seconds": seconds})


def taking(seconds: float, after: float, index: int) -> AttackRecord:
    """An attack that began so long after the training did."""
    found = attack(job=JOB.model_copy(update={"seed": index}))
    return found.model_copy(update={"circumstances": cost(seconds, after)})


@pytest.fixture
def trial():
    """10 s, 3 of them an attack's that waited for its place; a second attack, of 4 s, ran an hour later."""
    done = record(circumstances=cost(10))
    attacks = (taking(3, 20, 0), taking(4, 3600, 1))
    return JudgedTrial(number=0, path=Path("nowhere"), asked=asked(), record=done, attacks=attacks)


def test_a_training_took_what_the_record_says_without_the_attacks_that_it_knew(trial):
    assert train_seconds(trial) == 7
    assert train_seconds(replace(trial, attacks=trial.attacks[:1])) == 7


def test_a_trial_that_is_not_finished_took_nothing_that_is_known(trial):
    unfinished = replace(trial, record=None, attacks=())
    with pytest.raises(ValueError, match="trial 0 is not finished"):
        train_seconds(unfinished)
    assert spans([unfinished]) == costs([unfinished]) == []


def test_the_pauses_before_its_attacks_are_no_time_that_the_study_took(trial):
    assert covered(spans([trial])) == 7 + 3 + 4
    assert [found.seconds for found in costs([trial])] == [10, 3, 4]


def test_a_trial_ended_with_the_attacks_that_it_was_asked_with_after_the_hours_in_which_something_ran(trial):
    assert worked([trial]) == {0: pytest.approx((7 + 3) / 3600)}
    later = record(1, circumstances=cost(5, 3602), verdicts={})
    second = JudgedTrial(number=1, path=Path("nowhere"), asked=asked(1), record=later, attacks=())
    assert worked([trial, second])[1] == pytest.approx((7 + 3 + 7) / 3600)
    assert worked([replace(trial, record=None, attacks=())]) == {}


def test_no_time_is_counted_twice_and_none_in_which_nothing_ran():
    assert covered([]) == 0
    assert covered([span(100, 130), span(0, 10), span(5, 20), span(6, 7)]) == 50


@pytest.mark.parametrize("seed", range(10))
def test_the_time_covered_is_the_number_of_seconds_in_which_a_stage_ran(seed):
    rng = random.Random(seed)
    bounds = [sorted(rng.sample(range(60), 2)) for _ in range(rng.randrange(12))]
    busy = {second for start, end in bounds for second in range(start, end)}
    assert covered([span(*each) for each in bounds]) == len(busy)


def span(start: float, end: float) -> Interval:
    return Interval(START + timedelta(seconds=start), START + timedelta(seconds=end))


@pytest.mark.parametrize(
    ("started", "seconds"),
    [("garbage", 3.0), ("2026-13-45T00:00:00", 3.0), (START.isoformat(), 1e308), (START.isoformat(), -1e308)],
)
def test_a_time_that_is_none_is_left_out_and_the_others_count(trial, started, seconds):
    odd = circumstances().model_copy(update={"started": started, "seconds": seconds})
    first = trial.attacks[0].model_copy(update={"circumstances": odd})
    whole = START + timedelta(hours=1)
    assert spans([replace(trial, attacks=(first, trial.attacks[1]))])[-1] == Interval(
        whole, whole + timedelta(seconds=4)
    )


def test_a_time_without_a_zone_is_utc(trial):
    bare = circumstances().model_copy(update={"started": "2026-01-01T00:00:00", "seconds": 3.0})
    later = trial.attacks[1].model_copy(update={"circumstances": bare})
    assert Interval(START, START + timedelta(seconds=3)) in spans([replace(trial, attacks=(later,))])
