"""A common cause ends a study's work at once, and no trial is charged with it."""

import tempfile
from collections import Counter, deque
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.cluster import refuse_full_disk
from harness.driver.causes import ALIKE, Causes, cause_of
from harness.ledger import open_attempt
from harness.records import Failure, Place
from harness.stages import Assignment, afresh, failure_of
from harness.stages.jobs import full_folder
from harness.trial import Result
from tests.values import asked, attack, record

TORN = Failure(stage="train", type="UserError", message="data/root: a/3.png cannot be read as an image: truncated")
SHORT = Failure(stage="train", type="MemoryError", message="no room")
KILLED = Failure(
    stage="train", type="OutOfMemoryError", message="Ray ended it, since its node had no memory left, once"
)
LOST = Failure(stage="train", type="WorkerLost", message="its worker or node was lost 2 times")
CROWDED = Failure(stage="train", type="OutOfMemoryError", message="CUDA out of memory. Tried to allocate 2.00 GiB")
DEFECT = Failure(stage="train", type="ValueError", message="lam is below 0")
KINDS = {
    "torn": TORN, "short": SHORT, "crowded": CROWDED, "lost": LOST, "killed": KILLED, "defect": DEFECT, "well": None,
}  # fmt: skip
ELSEWHERE = {"crowded": CROWDED, "lost": LOST, "killed": KILLED}
"""What goes to another node."""


def result(number: int, failure: Failure | None, node: str | None = None) -> Result:
    ended = record(number, state="failed" if failure else "complete", error=failure)
    return Result(Path("attempt-1"), ended, (), node)


def spread(over: set[str], proven: bool = True) -> Causes:
    """Return what hears of a study on some nodes, each of which could hold a trial."""
    return Causes(proven, lambda left_out: bool(over - left_out))


def numbers(results: tuple[Result, ...]) -> list[int]:
    return [ended.record.number for ended in results]


@pytest.mark.parametrize("failure", [TORN, SHORT, CROWDED])
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
        Failure(stage="train", type="OSError", message="Cannot allocate memory", errno=12),
        Failure(stage="train", type="RuntimeError", message="DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_want_of_memory_is_known_however_it_is_said(failure: Failure) -> None:
    cause = cause_of(failure)
    assert cause is not None
    assert cause.kind == "memory"


@pytest.mark.parametrize(
    "failure",
    [
        CROWDED,
        Failure(stage="attack", type="AcceleratorError", message="CUDA error: unspecified launch failure"),
        Failure(stage="train", type="DeviceError", message="a GPU is reserved and torch cannot use it"),
        Failure(stage="train", type="OSError", message="Stale file handle", errno=116),
        Failure(stage="train", type="OSError", message="Input/output error", errno=5),
        Failure(stage="train", type="OSError", message="No space left", errno=28, path="/tmp/torch-x"),
        Failure(stage="train", type="FileNotFoundError", message="No usable temporary directory found in", errno=2),
    ],
)
def test_what_another_node_may_do_better_is_known_however_it_is_said(failure: Failure) -> None:
    cause = cause_of(failure)
    assert cause is not None
    assert cause.kind == "place"


def test_a_kernel_that_was_asked_for_something_impossible_is_its_trials_own_failure() -> None:
    assert cause_of(Failure(stage="train", type="AcceleratorError", message="CUDA error: device-side assert")) is None


@pytest.mark.parametrize("failure", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_trial_that_failed_for_its_place_goes_elsewhere_twice_and_its_record_names_the_nodes(failure) -> None:
    causes = spread({"a", "b", "c", "d"})
    assert numbers(causes.hear(result(0, failure, "a")).again) == [0]
    assert causes.avoided(0) == {"a"}
    assert causes.avoided(1) == frozenset()
    assert numbers(causes.hear(result(0, failure, "b")).again) == [0]
    assert causes.avoided(0) == {"a", "b"}
    (last,) = causes.hear(result(0, failure, "c")).publish
    told = f"handed out again: {failure.type}: {failure.message}"
    assert last.record.notes == (f"{told} on a", f"{told} on b")
    assert last.record.error == failure


@pytest.mark.parametrize("failure", ELSEWHERE.values(), ids=ELSEWHERE)
def test_an_attack_that_its_node_failed_does_not_make_its_trial_partial_for_good(failure) -> None:
    there = attack(0).circumstances.model_copy(update={"node": "host-a"})
    failed = attack(0).model_copy(update={"error": failure, "circumstances": there})
    trained = record().circumstances.model_copy(update={"node": "where-it-was-trained"})
    partial = record(0, state="partial", error=failure, circumstances=trained)
    causes = spread({"a", "b"})
    assert numbers(causes.hear(Result(Path("attempt-1"), partial, (failed,), "a")).again) == [0]
    (done,) = causes.hear(result(0, None, "b")).publish
    assert [note.rpartition(" on ")[2] for note in done.record.notes] == ["host-a"]


@pytest.mark.parametrize("failure", [LOST, KILLED])
def test_a_trial_that_loses_its_workers_everywhere_fails_with_its_cause_and_ends_no_study(failure) -> None:
    causes = spread({"a"}, proven=True)
    for number in range(5):
        assert [numbers(causes.hear(result(number, failure, "a")).again) for _ in range(2)] == [[number]] * 2
        (last,) = causes.hear(result(number, failure, "a")).publish
        assert (last.record.error, len(last.record.notes)) == (failure, 2)
    assert numbers(causes.hear(result(0, failure, "a")).again) == [0]  # its user retries it


@pytest.mark.parametrize("failure", [LOST, KILLED])
def test_where_no_trial_has_done_better_three_that_lose_their_workers_on_the_last_node_end_the_work(failure) -> None:
    causes, heard = spread({"a"}, proven=False), []
    for number in (0, 0, 0, 1, 1, 1, 2):
        heard.append(causes.hear(result(number, failure, "a")))
    assert [step.common is not None for step in heard] == [False] * 6 + [True]
    assert heard[-1].common is not None
    assert (failure is KILLED) == ("give trials more memory" in heard[-1].common.way_out)


def test_what_rays_memory_monitor_ends_everywhere_is_held_until_another_does_better() -> None:
    causes = spread({"a", "b", "c"}, proven=False)
    assert [numbers(causes.hear(result(0, KILLED, node)).publish) for node in "abc"] == [[]] * 3
    (killed, _) = causes.hear(result(1, None, "a")).publish
    assert (killed.record.number, killed.record.error, len(killed.record.notes)) == (0, KILLED, 2)


@pytest.mark.parametrize("failure", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_node_on_which_three_in_a_row_failed_is_left_out_whatever_the_others_do(failure) -> None:
    causes, left_out = spread({"a", "b"}), []
    for number in range(3):
        left_out.append(causes.hear(result(number, failure, "a")).left_out)
        causes.hear(result(10 + number, None, "b"))
    assert left_out == [None, None, "a"]
    assert causes.avoided(20) == {"a"}


def test_a_node_that_does_well_in_between_is_kept() -> None:
    causes = spread({"a", "b"})
    for number in range(6):
        assert causes.hear(result(number, CROWDED if number % 3 else None, "a")).left_out is None


def test_the_last_node_is_not_left_out_but_ends_the_work() -> None:
    causes = spread({"a", "b"})
    steps = [causes.hear(result(number, CROWDED, "ab"[number % 2])) for number in range(6)]
    assert [step.left_out for step in steps] == [None] * 4 + ["a", None]
    assert steps[-1].common == cause_of(CROWDED)._replace(host="b")


def test_a_trial_may_return_where_it_failed_if_there_is_no_other_node() -> None:
    causes = spread({"a"})
    assert numbers(causes.hear(result(0, CROWDED, "a")).again) == [0]
    assert causes.avoided(0) == frozenset()


@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=12), st.booleans())
@example(["short", "crowded", "short", "short", "short"], False)
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
    assert not any(kinds[number] in ("torn", *ELSEWHERE) for number in published)


@given(
    st.lists(st.sampled_from(["lost", "killed", "defect", "well"]), max_size=12), st.sampled_from(["a", "ab", "abc"])
)
def test_lost_workers_end_no_study_that_has_done_well_and_each_trial_is_published_once(kinds, nodes) -> None:
    causes, published, heard = spread(set(nodes)), [], Counter()
    waiting = deque(range(len(kinds)))
    while waiting:
        number = waiting.popleft()
        there = sorted(set(nodes) - causes.avoided(number))
        step = causes.hear(result(number, KINDS[kinds[number]], there[number % len(there)]))
        assert step.common is None
        published += numbers(step.publish)
        waiting.extendleft(numbers(step.again))
        heard[number] += 1
    assert sorted(published) == list(range(len(kinds)))
    assert all(heard[number] == (3 if kind in ELSEWHERE else 1) for number, kind in enumerate(kinds))


def test_a_nodes_own_full_disk_is_its_fault_and_the_studys_ends_the_work(tmp_path):
    attempt = tmp_path / "study" / "trials" / "00000" / "attempt-1"
    full = Failure(stage="train", type="OSError", message="No space left on device", errno=28)
    refuse_full_disk(full.model_copy(update={"path": str(tmp_path / "tmp" / "x")}), attempt)
    with pytest.raises(OSError, match="No space left") as raised:
        refuse_full_disk(full.model_copy(update={"path": str(tmp_path / "study" / "priors" / "p")}), attempt)
    assert raised.value.filename == str(tmp_path / "study" / "priors" / "p")
    with pytest.raises(OSError, match="No space left") as raised:
        refuse_full_disk(full, attempt)
    assert raised.value.filename == str(attempt)


def test_of_a_full_disk_that_the_system_does_not_name_the_folder_that_is_full_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    free = {tmp_path / "tmp": 0, tmp_path / "attempt-1": 2**40}
    assert full_folder(tmp_path / "attempt-1", lambda folder: free[folder]) == tmp_path / "tmp"
    free[tmp_path / "attempt-1"] = 0
    assert full_folder(tmp_path / "attempt-1", lambda folder: free[folder]) == tmp_path / "attempt-1"
    error = OSError(28, "No space left on device")
    assert failure_of(error, "train", tmp_path).path == str(tmp_path)
    assert failure_of(OSError(28, "No space left", "/x"), "train", tmp_path).path == "/x"


def test_a_lost_job_is_handed_out_again_in_an_attempt_of_its_own(tmp_path):
    """Its twin may still run: what one of them writes, the other one does not touch."""
    first = open_attempt(tmp_path)
    handed, weights, *_ = afresh((Assignment(asked(0), Place(), first), tmp_path / "weights"))
    assert (handed.attempt, weights) == (tmp_path / "attempt-2", tmp_path / "weights")
    assert handed.attempt.is_dir()
    assert afresh(("prior",)) == ("prior",)
