"""A common cause ends a study's work at once, and no trial is charged with it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.driver.causes import ALIKE, Causes, cause_of
from harness.records import Failure
from harness.trial import Result
from tests.values import record

TORN = Failure(stage="train", type="UserError", message="data/root: a/3.png cannot be read as an image: truncated")
SHORT = Failure(stage="train", type="OutOfMemoryError", message="CUDA out of memory")
DEFECT = Failure(stage="train", type="ValueError", message="lam is below 0")
KINDS = {"torn": TORN, "short": SHORT, "defect": DEFECT, "well": None}


def result(number: int, failure: Failure | None) -> Result:
    ended = record(number, state="failed" if failure else "complete", error=failure)
    return Result(Path("attempt-1"), ended, ())


def numbers(results: tuple[Result, ...]) -> list[int]:
    return [ended.record.number for ended in results]


@pytest.mark.parametrize("failure", [TORN, SHORT])
def test_three_trials_in_a_row_that_fail_alike_end_the_work_without_a_record(failure: Failure) -> None:
    causes = Causes(proven=False)
    steps = [causes.hear(result(number, failure)) for number in range(3)]
    assert [step.common is not None for step in steps] == [False, False, True]
    assert not any(step.publish for step in steps)
    assert not causes.end().publish
    assert steps[-1].common is not None
    assert failure.message in steps[-1].common.text


def test_what_the_user_must_mend_is_never_a_trials_own_failure() -> None:
    causes = Causes(proven=True)
    assert numbers(causes.hear(result(0, TORN)).again) == [0]
    assert numbers(causes.hear(result(1, None)).publish) == [1]
    assert numbers(causes.hear(result(0, TORN)).again) == [0]
    assert numbers(causes.hear(result(2, None)).publish) == [2]
    assert causes.hear(result(0, TORN)).common == cause_of(TORN)  # its third time


def test_want_of_memory_is_a_trials_own_failure_once_another_does_better() -> None:
    causes = Causes(proven=False)
    assert causes.hear(result(0, SHORT)).publish == ()
    assert numbers(causes.hear(result(1, None)).publish) == [0, 1]
    for number in range(2, 7):
        assert numbers(causes.hear(result(number, SHORT)).publish) == [number]


def test_a_study_too_short_to_tell_keeps_its_failures() -> None:
    causes = Causes(proven=False)
    causes.hear(result(0, SHORT))
    causes.hear(result(1, SHORT))
    assert numbers(causes.end().publish) == [0, 1]


def test_a_defect_in_every_trial_is_each_trials_own() -> None:
    causes = Causes(proven=False)
    assert [numbers(causes.hear(result(number, DEFECT)).publish) for number in range(5)] == [[0], [1], [2], [3], [4]]


@pytest.mark.parametrize(
    "failure",
    [
        SHORT,
        Failure(stage="train", type="MemoryError", message=""),
        Failure(stage="train", type="OSError", message="Cannot allocate memory", errno=12),
        Failure(stage="train", type="RuntimeError", message="DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_want_of_memory_is_known_however_it_is_said(failure: Failure) -> None:
    cause = cause_of(failure)
    assert cause is not None
    assert cause.kind == "memory"


@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=12), st.booleans())
def test_no_result_is_lost_or_published_twice(kinds: list[str], proven: bool) -> None:
    causes, published, again = Causes(proven), [], []
    for number, kind in enumerate(kinds):
        step = causes.hear(result(number, KINDS[kind]))
        published += numbers(step.publish)
        again += numbers(step.again)
        if step.common:
            held = [other for other in range(number + 1) if other not in published and other not in again]
            assert 1 <= len(held) <= ALIKE
            break
    else:
        published += numbers(causes.end().publish)
        assert sorted(published + again) == list(range(len(kinds)))
    assert len(set(published)) == len(published)
    assert not any(kinds[number] == "torn" for number in published)
