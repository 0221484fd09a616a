"""An attack that a study was given later counts for no trial before every complete one has had it."""

import pytest

from harness.judging import Front, judged_trials, suite_of, widened_lines
from harness.ledger.files import Ledger
from harness.records import AttackRecord, Change, Extension, Lineage
from harness.search.index import frozen, outdated
from harness.study import load_study
from tests.values import JOB, asked, attack, book_of, record, scores

NEW = JOB.model_copy(update={"attack": "rmle"})
STUDY = "{name: small, data: {name: digits}, defense: {none: {}}, attacks: {decoder: quick, rmle: quick}}"


@pytest.fixture
def ledger(tmp_path):
    """Trials 0 and 1 finished before the study had ``NEW``, 1 failed; trial 2 was asked with it, and leaks by it."""
    ledger = Ledger(tmp_path)
    ledger.study_file.write_text(STUDY)
    change = Change(path="attacks/rmle", was="absent", now='{"budget":"quick"}')
    step = Extension(
        digest="d", parent="p", time="2026-01-02T03:04:05+00:00", asked=2, changes=(change,), attacks=(NEW,)
    )
    ledger.publish_lineage(Lineage(study=STUDY, extensions=(step,)))
    for number, jobs in enumerate(((JOB,), (JOB,), (JOB, NEW))):
        one = asked(number, attacks=jobs)
        ledger.publish_asked(one)
        for job in jobs:
            ledger.publish_attack(leaking(number) if job == NEW else attack(number))
        done = record(number, accuracy=0.9 - number / 10).model_copy(update={"asked": one})
        ledger.publish_record(done.model_copy(update={"state": "failed"} if number == 1 else {}))
    return ledger


def leaking(number: int, mse: float = 0.001) -> AttackRecord:
    return attack(number, NEW, scores(mse, 0.9), scores(mse, 0.9))


def failed(found: AttackRecord) -> AttackRecord:
    nothing = {"verdict": "failed", "scores": None, "selection": None}
    return found.model_copy(update={"measured": found.measured.model_copy(update=nothing)})


def errors(ledger: Ledger) -> dict[int, float | None]:
    return {trial.number: trial.objectives and trial.objectives.mse for trial in judged_trials(ledger)}


def front(ledger: Ledger) -> tuple[int, ...]:
    return Front(judged_trials(ledger)).numbers


def test_a_new_attack_counts_once_every_complete_trial_has_had_it(ledger):
    assert suite_of(ledger).lacking == {NEW: (0,)}
    assert errors(ledger) == {0: 0.02, 1: None, 2: 0.02}
    ledger.publish_attack(failed(leaking(0)))
    assert errors(ledger) == {0: 0.02, 1: None, 2: 0.02}
    ledger.publish_attack(leaking(0, 0.0005))
    assert suite_of(ledger).lacking == {}
    assert errors(ledger) == {0: 0.0005, 1: None, 2: 0.001}


def test_the_front_stays_over_the_old_suite_until_then(ledger):
    assert front(ledger) == (0,)  # as private as trial 2, and more accurate
    ledger.publish_attack(leaking(0, 0.0005))
    assert front(ledger) == (0, 2)


def test_optunas_values_follow(ledger):
    space = load_study(ledger.study_file).space()
    rows = [frozen(outline, space) for outline in book_of(ledger).outlines.values()]
    for number, row in enumerate(rows):
        row.number = number
    assert list(outdated(rows, book_of(ledger).outlines)) == []
    ledger.publish_attack(leaking(0, 0.0005))
    assert {row.number: values[1] for row, values in outdated(rows, book_of(ledger).outlines)} == {0: 0.0005, 2: 0.001}


def test_a_reader_is_told_what_changed_when_and_what_does_not_count_yet(ledger):
    widened = "widened 2026-01-02T03:04Z from trial 2 on: attacks/rmle is new"
    assert list(widened_lines(ledger, suite_of(ledger))) == [
        widened,
        "rmle-quick-0 counts for nothing yet, since complete trials lack it (0): `invfront resume` runs it",
    ]
    ledger.publish_attack(leaking(0))
    assert list(widened_lines(ledger, suite_of(ledger))) == [widened]


def test_a_study_that_was_never_widened_is_judged_by_all_that_each_trial_had(ledger):
    ledger.lineage_file.unlink()
    assert errors(ledger) == {0: 0.02, 1: None, 2: 0.001}
    assert list(widened_lines(ledger, suite_of(ledger))) == []
