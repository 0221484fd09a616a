"""Optuna's rows beside the directory: what they miss or tell otherwise is named, and nothing is changed."""

import shutil

import pytest

from harness.search import MISSING, compared
from harness.search.comparing import Differences
from tests.search.test_asking import Session
from tests.values import JOB, attack, book_of, record, scores


@pytest.fixture
def session(tmp_path):
    """Trials 0 to 2 finished, trial 3 asked; Optuna has heard of all that."""
    session = Session(tmp_path, "{trials: 8, seed: 1, floor: {accuracy: 0.505}}")
    session.run(3)
    session.search.ask()
    return session


def differences(session: Session) -> Differences:
    """Compare as ``doctor`` does; the database and its folder stay as they are."""
    root = session.ledger.root
    before = {path: path.read_bytes() for path in root.iterdir() if path.is_file()}
    found = compared(session.study, root, book_of(session.ledger).outlines, None)
    assert {path: path.read_bytes() for path in root.iterdir() if path.is_file()} == before
    return found


def test_rows_that_heard_of_everything_do_not_differ(session):
    assert differences(session) == Differences()


def test_a_study_of_which_nothing_was_asked_misses_no_rows(tmp_path):
    session = Session(tmp_path)
    (tmp_path / "study.db").unlink()
    assert differences(session) == Differences()


def test_missing_and_unreadable_rows_are_told(session):
    path = session.ledger.root / "study.db"
    path.write_bytes(path.read_bytes()[:5000] + b"rubbish")
    assert str(differences(session).fault).startswith("unreadable (")
    path.unlink()
    assert differences(session) == MISSING


def test_a_record_that_was_not_told_leaves_its_row_untold(session):
    session.ledger.publish_record(record(3).model_copy(update={"asked": session.ledger.read(3).asked}))
    assert differences(session) == Differences(untold=(3,))


def test_a_later_attack_that_is_worse_leaves_its_row_outdated(session):
    later = JOB.model_copy(update={"seed": 1})
    session.ledger.publish_attack(attack(0, later, selection=scores(0.07, 0.05), scored=scores(0.07, 0.05)))
    assert differences(session) == Differences()
    session.ledger.publish_attack(attack(1, later, selection=scores(1e-6, 0.999), scored=scores(1e-6, 0.999)))
    assert differences(session) == Differences(outdated=(1,))


def test_a_trial_that_has_no_row_is_unheard(session):
    session.ledger.publish_asked(session.ledger.read(3).asked.model_copy(update={"number": 4}))
    assert differences(session) == Differences(unheard=(4,))


def test_rows_of_a_trial_that_is_gone_or_was_another_tell_of_other_trials(session):
    shutil.rmtree(session.ledger.trial(1))
    assert differences(session) == Differences(other=(1,))
    asked = session.ledger.read(3).asked
    (other,) = {0.05, 0.1} - {asked.settings["model/sigma"]}
    settings = asked.settings | {"model/sigma": other}
    session.ledger.publish_asked(asked.model_copy(update={"settings": settings}))
    assert differences(session) == Differences(other=(1, 3))
