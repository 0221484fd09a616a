"""A front compares trials over what all of it have; a settled one is the front that attacking everything would give."""

import random
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from harness.judging import Front, JudgedTrial, objectives_over, status
from harness.judging.book import outline_of
from harness.records import AttackJob, AttackRecord
from reports.dominance import DIRECTIONS, non_dominated
from tests.values import JOB, asked, attack, record, scores

STRONG, OTHER = (JOB.model_copy(update={"attack": name}) for name in ("strong", "other"))
IDENTITY = {"name": "study", "digest": "d"}


def trial(number: int, accuracy: float, found: dict[AttackJob, tuple[float, float]], suite=(JOB,), **measured):
    """A complete trial with the mse and ssim of each attack that it has."""
    done = record(number, accuracy)
    done = done.model_copy(update={"measured": done.measured.model_copy(update=measured)})
    attacks = tuple(made(number, job, *scored) for job, scored in found.items())
    own = asked(number, attacks=suite)
    return JudgedTrial(number=number, path=Path("nowhere"), asked=own, record=done, attacks=attacks)


def made(number: int, job: AttackJob, mse: float, ssim: float) -> AttackRecord:
    return attack(number, job, scores(mse, ssim), scores(mse, ssim))


def failed(number: int, job: AttackJob) -> AttackRecord:
    found = attack(number, job)
    nothing = {"verdict": "failed", "scores": None, "selection": None}
    return found.model_copy(update={"measured": found.measured.model_copy(update=nothing)})


def also(one: JudgedTrial, job: AttackJob, mse: float, ssim: float) -> JudgedTrial:
    return replace(one, attacks=(*one.attacks, made(one.number, job, mse, ssim)))


FIRST = trial(0, 0.9, {JOB: (0.020, 0.5)})
SECOND = trial(1, 0.9, {JOB: (0.019, 0.6)})


def test_a_trial_that_was_attacked_less_does_not_move_in():
    """Over all attacks of each, the second would dominate the first: it lacks what found the first out."""
    front = Front([also(FIRST, STRONG, 0.005, 0.8), SECOND])
    assert (front.numbers, front.jobs, front.unsettled) == ((0,), {JOB.name}, (STRONG.name,))
    assert front.points.tolist() == [[0.9, 0.020, 0.5]]


def test_what_all_of_the_front_have_counts_and_settles_it():
    front = Front([also(FIRST, STRONG, 0.005, 0.8), also(SECOND, STRONG, 0.010, 0.7)])
    assert (front.numbers, front.unsettled) == ((1,), ())
    assert front.points.tolist() == [[0.9, 0.010, 0.7]]


def test_of_two_later_attacks_the_one_that_fewer_have_is_left_out():
    """The other counts still, since with it alone nobody is on the front who lacks it."""
    both = also(also(FIRST, STRONG, 0.005, 0.8), OTHER, 0.0195, 0.52)
    low = also(trial(2, 0.7, {JOB: (0.01, 0.7)}), OTHER, 0.01, 0.7)
    front = Front([both, SECOND, low])
    assert (front.numbers, front.jobs, front.unsettled) == ((0,), {JOB.name, OTHER.name}, (STRONG.name,))


def test_what_is_off_the_front_need_not_have_a_later_attack():
    """It could only get worse, and is dominated already."""
    front = Front([also(FIRST, STRONG, 0.0195, 0.55), SECOND])
    assert (front.numbers, front.jobs, front.unsettled) == ((0,), {JOB.name, STRONG.name}, ())


def test_a_later_attack_on_a_dominated_trial_alone_leaves_the_front_unsettled():
    front = Front([FIRST, also(SECOND, STRONG, 0.01, 0.7)])
    assert (front.numbers, front.unsettled) == ((0,), (STRONG.name,))


def test_a_later_attack_that_failed_is_one_that_the_trial_lacks():
    lacks = replace(SECOND, attacks=(*SECOND.attacks, failed(1, STRONG)))
    front = Front([also(FIRST, STRONG, 0.005, 0.8), lacks])
    assert (front.numbers, front.unsettled) == ((0,), (STRONG.name,))


def test_a_trial_that_lacks_part_of_its_suite_is_no_candidate():
    """Its attack's file is gone."""
    gone = replace(trial(2, 0.95, {OTHER: (0.03, 0.3)}, suite=(JOB, OTHER)), path=Path("nowhere"))
    assert objectives_over(gone, {JOB.name, OTHER.name}) is None
    assert Front([FIRST, gone]).numbers == (0,)


def test_trials_below_the_floor_decide_nothing():
    low = also(trial(2, 0.95, {JOB: (0.03, 0.3)}, feasible=False), STRONG, 0.02, 0.4)
    front = Front([FIRST, low])
    assert (front.numbers, front.unsettled) == ((0,), ())


def test_an_attack_that_the_suite_has_gained_counts_once_the_front_has_it():
    """Trials asked before lack it: the front stays over the old suite until those that it consists of have it."""
    grown = trial(2, 0.8, {JOB: (0.03, 0.2), STRONG: (0.025, 0.25)}, suite=(JOB, STRONG))
    front = Front([FIRST, SECOND, grown])
    assert (front.numbers, front.jobs, front.unsettled) == ((0, 2), {JOB.name}, (STRONG.name,))
    assert front.points.tolist() == [[0.9, 0.02, 0.5], [0.8, 0.03, 0.2]]
    settled = Front([also(FIRST, STRONG, 0.0195, 0.55), SECOND, grown])
    assert (settled.numbers, settled.unsettled) == ((0, 2), ())
    assert settled.points.tolist() == [[0.9, 0.0195, 0.55], [0.8, 0.025, 0.25]]


def test_status_says_what_is_unsettled():
    said = status(IDENTITY, 2, [also(FIRST, STRONG, 0.005, 0.8), SECOND])
    assert (said.front, said.unsettled) == ((0,), (STRONG.name,))
    assert status(IDENTITY, 2, [FIRST, SECOND]).unsettled == ()


def drawn(rng: random.Random, count: int) -> list[JudgedTrial]:
    """Trials with a suite of one attack and the scores of two more, of which the second is mostly the strongest."""
    trials = []
    for number in range(count):
        mse, ssim = rng.choice((0.01, 0.02, 0.03, 0.04)), rng.choice((0.3, 0.4, 0.5, 0.6))
        found = {JOB: (mse, ssim), STRONG: (mse * rng.uniform(0.4, 1.2), ssim + rng.uniform(-0.1, 0.3))}
        found |= {OTHER: (mse * rng.uniform(0.8, 1.5), ssim + rng.uniform(-0.2, 0.1))}
        trials.append(trial(number, rng.choice((0.7, 0.8, 0.9)), found, feasible=rng.random() < 0.9))
    return trials


def lacking(one: JudgedTrial, *jobs: AttackJob) -> JudgedTrial:
    return replace(one, attacks=tuple(found for found in one.attacks if found.job not in jobs))


def plain_front(trials: list[JudgedTrial]) -> tuple[int, ...]:
    """The front over all attacks of each trial, by its definition alone."""
    able = [one for one in trials if one.feasible and one.objectives]
    points = numpy.array([[getattr(one.objectives, name) for name in DIRECTIONS] for one in able])
    kept = non_dominated(points * [*DIRECTIONS.values()])
    return tuple(one.number for one, keeps in zip(able, kept, strict=True) if keeps)


@pytest.mark.parametrize("seed", range(10))
def test_attacking_the_front_until_it_is_settled_gives_the_front_of_attacking_everything(seed):
    """And attacks fewer than all: that is what it is for."""
    rng = random.Random(seed)
    whole = [lacking(one, OTHER) for one in drawn(rng, 60)]
    trials = [lacking(one, STRONG) for one in whole]
    assert Front(trials).numbers == plain_front(trials)
    attacked = set[int]()
    for _ in range(len(trials)):
        over_all = Front(trials)
        new = set(over_all.contenders) - attacked
        if not new:
            break
        attacked |= new
        trials = [whole[number] if number in attacked else one for number, one in enumerate(trials)]
    settled = Front(trials)
    assert settled.unsettled == ()
    assert settled.numbers == plain_front(whole)
    assert len(attacked) < 50


@pytest.mark.parametrize("seed", range(6))
def test_every_member_has_all_that_is_compared_and_no_attack_could_be_added(seed):
    rng = random.Random(seed)
    trials = [lacking(one, *(job for job in (STRONG, OTHER) if rng.random() < 0.3)) for one in drawn(rng, 25)]
    front = Front(trials)
    names = {one.number: {found.job.name for found in one.attacks} for one in trials}
    assert all(front.jobs <= names[number] for number in front.numbers)
    assert front.jobs | set(front.unsettled) == set().union(*(names[one.number] for one in trials if one.feasible))
    kept = [replace(one, attacks=tuple(f for f in one.attacks if f.job.name in front.jobs)) for one in trials]
    assert front.numbers == plain_front(kept)


@pytest.mark.parametrize("seed", range(6))
def test_trial_by_trial_it_is_the_front_of_all_however_they_were_attacked(seed):
    rng = random.Random(seed)
    whole, trials, front = drawn(rng, 20), {}, Front()
    for _ in range(120):
        one = rng.choice(whole)
        jobs = [job for job in (STRONG, OTHER) if rng.random() < 0.4]
        trials[one.number] = lacking(one, *jobs)
        front.add(outline_of(trials[one.number]))
        anew = Front(trials.values())
        assert (front.numbers, front.jobs, front.unsettled) == (anew.numbers, anew.jobs, anew.unsettled)
