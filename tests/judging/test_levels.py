"""Levels of what the attacker holds: they stand beside a trial's numbers, over attacks that all of them have."""

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging import candidates, judged, verdicts
from harness.judging.levels import at_levels
from harness.judging.oracle import oracle
from harness.ledger import TrialFiles
from tests.values import JOB, asked, attack, floors, record, scores

OTHER = JOB.model_copy(update={"attack": "other"})


def trial(*attacks, settings=None):
    files = TrialFiles(0, None, asked(settings=settings or {}, attacks=(JOB, OTHER)), record(), tuple(attacks))  # type: ignore[arg-type]
    return judged(files)


def of(job, mse, level=None, images=None, ssim=0.4):
    changes = {"attacker": level} if isinstance(level, str) else {"attacker_images": level}
    found = attack(job=job.model_copy(update=changes), scored=scores(mse, ssim))
    return found.model_copy(update={"measured": found.measured.model_copy(update={"attacker_images": images or level})})


@given(
    levels=st.lists(
        st.tuples(st.sampled_from([10, 40, "members"]), st.floats(1e-6, 1.0), st.floats(-1.0, 1.0)), max_size=4
    )
)
def test_no_attack_of_another_attacker_changes_anything_of_a_trial(levels):
    own = [attack(job=JOB, scored=scores(0.02)), attack(job=OTHER, scored=scores(0.03))]
    beside = [of(JOB, mse, level, 9, ssim) for level, mse, ssim in levels]
    alone, together = trial(*own), trial(*own, *beside)
    assert together.objectives == alone.objectives
    assert together.candidates == alone.candidates
    assert not together.moved
    assert candidates(floors(), [*beside, *own], {}) == candidates(floors(), own, {})
    names = [each.job.name for each in own]
    assert {name: verdicts(floors(), [*own, *beside])[name] for name in names} == verdicts(floors(), own)


def test_the_oracle_knows_nothing_of_other_attackers():
    table = pandas.DataFrame({"mse": [0.02, 0.02], "ssim": [0.4, 0.4]})
    better = of(JOB, 0.001, 40)
    found = oracle(trial(attack(job=JOB), better), {JOB.name: table, better.job.name: table / 100})
    assert found.mse_oracle == pytest.approx(0.02)
    assert found.oracle_of.startswith("1 attack,")


def test_levels_are_in_order_with_the_worst_of_the_attacks_that_all_have():
    third = JOB.model_copy(update={"attack": "later"})
    found = at_levels(
        trial(
            of(JOB, 0.020, None, 320), of(OTHER, 0.018, None, 320), of(third, 0.001, None, 320),
            of(JOB, 0.030, 160), of(OTHER, 0.031, 160),
            of(JOB, 0.050, 40), of(OTHER, 0.040, 40),
            of(JOB, 0.010, "members", 820), of(OTHER, 0.012, "members", 820),
        ),
        {},
    )  # fmt: skip
    assert [(each.level, each.attacker, each.attacker_images) for each in found] == [
        ("n40", "same", 40), ("n160", "same", 160), (None, "same", 320), ("members", "members", 820),
    ]  # fmt: skip
    assert [(each.objectives.mse, each.objectives.mse_attack) for each in found] == [
        (0.040, OTHER.name), (0.030, JOB.name), (0.018, OTHER.name), (0.010, JOB.name),
    ]  # fmt: skip
    assert {each.over for each in found} == {(JOB.name, OTHER.name)}


def test_a_guess_is_no_part_of_a_level_and_an_old_record_is_of_what_it_was_asked_with():
    found = at_levels(
        trial(of(JOB, 0.9), of(JOB, 0.95, 40), settings={"attacker/data": "few", "attacker/images": 100}), {}
    )
    assert [(each.objectives.mse, each.attacker, each.attacker_images) for each in found] == [
        (0.95, "few", 40),
        (0.9, "few", 100),
    ]


def test_one_attacker_alone_or_attacks_that_share_no_level_are_none():
    assert at_levels(trial(of(JOB, 0.02, None, 320)), {}) == []
    assert at_levels(trial(of(JOB, 0.02, None, 320), of(OTHER, 0.02, 40)), {}) == []


def test_its_errors_are_those_of_the_images():
    table = pandas.DataFrame({"mse": [0.01, 0.03], "ssim": [0.4, 0.4]})
    low = of(JOB, 0.02, 40)
    found = at_levels(trial(of(JOB, 0.02, None, 320), low), {JOB.name: table, low.job.name: table * 2})
    assert [each.errors["mse_se"] for each in found] == pytest.approx([0.02, 0.01])
