"""The evidence of a confirmed trial is its complete trainings, over the attacks that the study compares them by."""

import pytest

from harness.judging import confirmed, judged, suite_of
from harness.passports import claim_of
from harness.passports.evidence import confirming
from harness.passports.evidence import searched as searching
from reports.statistics import interval
from tests.confirms import LEDGER, STRONGER, TEST, begun, searched, training
from tests.values import asked, record

POINTS = [(0.60, 0.020, 0.40), (0.62, 0.022, 0.38)]


@pytest.fixture
def ledger(tmp_path):
    """A study of two trials, of which the first was confirmed with two seeds, one of them attacked by more."""
    ledger = searched(tmp_path, [(0.9, 0.5, 0.1), (0.5, 0.03, 0.3)])
    begun(ledger, seeds=2)
    training(ledger, 0, 0, POINTS[0], (TEST, STRONGER))
    training(ledger, 0, 1, POINTS[1])
    return ledger


def test_a_confirmed_trial_claims_what_its_seeds_came_to_and_not_what_the_search_saw(ledger):
    sources = confirming(confirmed(ledger), 0)
    claim = claim_of([source.evidence for source in sources], {})
    assert (claim.seeds, claim.interval) == ((0, 1), "seeds")
    assert [one.job for one in claim.suite] == [TEST.name]  # what a seed was not attacked by counts for neither
    for name, values in zip(("accuracy", "mse", "ssim"), zip(*POINTS, strict=True), strict=True):
        assert getattr(claim, name) == pytest.approx(interval(list(values)).value)


def test_a_training_that_failed_is_no_evidence(ledger):
    own, there = asked(0, ledger=LEDGER, confirm=2, attacks=(TEST,)), ledger.of_seed(2)
    there.publish_asked(own)
    done = record(0, 0.5, 0.03, 0.3, asked=own)
    nothing = done.measured.model_copy(update={"accuracy": None, "objectives": None, "feasible": None})
    there.publish_record(done.model_copy(update={"state": "failed", "measured": nothing, "verdicts": {}}))
    found = confirmed(ledger)
    assert [each.run.seed for each in found] == [0, 1, 2]
    assert [source.evidence.asked.confirm for source in confirming(found, 0)] == [0, 1]


def test_a_trial_that_was_not_confirmed_claims_what_the_search_saw(ledger):
    assert confirming(confirmed(ledger), 1) == []
    (source,) = searching(judged(ledger.read(1), suite_of(ledger)))
    claim = claim_of([source.evidence], {})
    assert (claim.accuracy, claim.mse, claim.ssim, claim.seeds, claim.part) == (0.5, 0.03, 0.3, (), "validation")
