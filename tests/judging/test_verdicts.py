"""How a job ends beside the others: restarts that disagree, guesses, and attacks that know no more and do better."""

import pytest
import torch

from attacks.base import Point
from attacks.verdict import beside_guess, disagreement, verdict
from harness.judging.verdicts import knows_no_more, outdone, verdicts
from harness.records.scores import Guess
from tests.values import JOB, attack, floors, scores

FLAT = [Point(step, 0.01, 0.05) for step in range(1, 7)]


def record(name: str, mse: float, knowledge: str, part: str = "validation", **measured):
    job = JOB.model_copy(update={"attack": name, "part": part})
    found = attack(job=job, selection=scores(mse), scored=scores(mse))
    update = {"knowledge": knowledge, "subsets": {"16": scores(mse), "32": scores(mse)}} | measured
    return found.model_copy(update={"measured": found.measured.model_copy(update=update)})


def test_restarts_that_disagree_leave_an_attack_limited():
    assert verdict(FLAT, guess=0.1, disagreement=0.05) == "converged"
    assert verdict(FLAT, guess=0.1, disagreement=0.2) == "limited"


def test_what_half_the_budget_did_clearly_worse_is_limited():
    assert verdict(FLAT, guess=0.1, of_half=1.01 * FLAT[-1].validation) == "converged"
    assert verdict(FLAT, guess=0.1, of_half=1.03 * FLAT[-1].validation) == "limited"


def test_disagreement_is_the_restarts_distance_as_a_share_of_the_guess():
    best, second = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.1)
    assert disagreement(best, second, guess=0.05) == pytest.approx(0.2)
    assert disagreement(best, best, guess=0.05) == 0


@pytest.mark.parametrize(
    ("own", "error", "expected"),
    [
        ("converged", 0.020, "limited"),
        ("converged", 0.0193, "converged"),
        ("converged", 0.010, "converged"),
        ("floor", 0.060, "limited"),
        ("diverged", 0.090, "diverged"),
    ],
)
def test_an_attack_that_another_clearly_outdoes_is_limited(own, error, expected):
    assert outdone(own, error, other=0.019) == expected


@pytest.mark.parametrize(
    ("own", "error", "expected"),
    [
        ("converged", 0.05, "converged"),
        ("converged", 0.099, "floor"),
        ("limited", 0.099, "limited"),
        ("floor", 0.12, "diverged"),
        ("limited", 0.12, "diverged"),
    ],
)
def test_an_attack_that_misjudged_itself_is_held_against_the_guess(own, error, expected):
    assert beside_guess(own, error, guess=0.1) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (("gradients", False), "limited"),
        (("queries", True), "limited"),
        (("queries", False), "limited"),
        (("none", True), "converged"),
    ],
)
def test_an_attack_is_held_against_those_that_know_no_more(known, expected):
    better = record("decoder", 0.01, "queries", needs_server=False)
    other = record("mine", 0.02, known[0], needs_server=known[1])
    found = verdicts({}, [better, other])
    assert found["decoder-quick-0"] == ("converged", None)
    assert found["mine-quick-0"].verdict == expected
    reason = "worse than decoder-quick-0, which knows no more of the client" if expected == "limited" else None
    assert found["mine-quick-0"].why == reason


EVERY = [(knowledge, asks) for knowledge in ("none", "queries", "gradients") for asks in (False, True)]
"""All that an attack may know."""


def test_what_attacks_know_is_ordered_only_where_one_includes_the_other():
    records = {each: record("mine", 0.02, each[0], needs_server=each[1]) for each in EVERY}
    below = {(a, b) for a in EVERY for b in EVERY if knows_no_more(records[a], records[b])}
    assert all((each, each) in below for each in EVERY)
    assert all(a == b for a, b in below if (b, a) in below)
    assert all((a, d) in below for a, b in below for c, d in below if b == c)
    beside = {frozenset((a, b)) for a in EVERY for b in EVERY if (a, b) not in below and (b, a) not in below}
    assert beside == {
        frozenset({("none", True), ("queries", False)}),
        frozenset({("none", True), ("gradients", False)}),
        frozenset({("queries", True), ("gradients", False)}),
    }


def test_whoever_holds_the_client_alone_is_not_held_against_whoever_also_asks_the_server():
    asks = record("decoder_xl", 0.01, "queries", needs_server=True)
    holds = record("rmle", 0.02, "gradients", needs_server=False)
    assert verdicts({}, [asks, holds])["rmle-quick-0"].verdict == "converged"
    both = record("gan_prior", 0.02, "gradients", needs_server=True)
    assert verdicts({}, [asks, both])["gan_prior-quick-0"].verdict == "limited"


def test_whoever_does_not_ask_the_server_is_not_held_against_whoever_does():
    asks = record("decoder_xl", 0.01, "queries", needs_server=True)
    plain = record("decoder", 0.02, "queries", needs_server=False)
    assert verdicts({}, [asks, plain])["decoder-quick-0"] == ("converged", None)


def test_of_an_older_record_the_attack_itself_says_whether_it_asks_the_server():
    asks, plain = record("decoder_xl", 0.01, "queries"), record("gan_decoder", 0.02, "queries")
    assert asks.measured.needs_server is None
    assert verdicts({}, [asks, plain])["gan_decoder-quick-0"] == ("converged", None)


def test_an_attack_no_better_than_the_best_guess_without_z_is_at_the_floor():
    guesses = floors() | {"class_mean": guess({"16": 0.05, "32": 0.02})}
    found = verdicts(guesses, [record("decoder", 0.0197, "queries")])
    assert found["decoder-quick-0"] == ("floor", "no better than the guess class_mean")
    assert verdicts(guesses, [record("decoder", 0.0195, "queries")])["decoder-quick-0"] == ("converged", None)


def test_a_guess_is_met_on_the_images_that_the_attack_has():
    """It beats the guess's mean over all images, but not that over its own."""
    guesses = dict.fromkeys(("mean_image", "class_mean"), guess({"16": 0.02, "32": 0.04}))
    few = record("rmle", 0.02, "gradients", subsets={"16": scores(0.02)})
    assert verdicts(guesses, [few])["rmle-quick-0"].verdict == "floor"


def test_a_yardstick_that_knows_the_image_lowers_nothing():
    guesses = floors() | {"nearest": guess({"32": 0.001})}
    assert verdicts(guesses, [record("decoder", 0.01, "queries")])["decoder-quick-0"].verdict == "converged"


def test_attacks_are_compared_on_the_images_that_both_have():
    """The decoder is better on all its images, the white-box attack on those that both reconstruct."""
    decoder = record("decoder", 0.01, "queries", subsets={"16": scores(0.03), "1000": scores(0.01)})
    rmle = record("rmle", 0.02, "gradients", subsets={"16": scores(0.02)})
    assert verdicts({}, [decoder, rmle])["rmle-quick-0"].verdict == "converged"


def test_two_attacks_are_compared_on_all_their_images_whatever_a_third_has():
    decoder = record("decoder", 0.01, "queries", subsets={"16": scores(0.03), "1000": scores(0.01)})
    gan = record("gan_decoder", 0.02, "queries", subsets={"16": scores(0.03), "1000": scores(0.02)})
    rmle = record("rmle", 0.02, "gradients", subsets={"16": scores(0.02)})
    assert verdicts({}, [decoder, gan, rmle])["gan_decoder-quick-0"].verdict == "limited"


def test_an_attack_that_can_be_compared_with_none_keeps_its_verdict():
    decoder = record("decoder", 0.01, "queries", subsets={"16": scores(0.01), "1000": scores(0.01)})
    few = record("mine", 0.001, "queries", subsets={"10": scores(0.001)})
    found = verdicts({"mean_image": guess({"16": 0.06, "1000": 0.06})}, [decoder, few])
    assert found["decoder-quick-0"] == ("converged", None)
    assert found["mine-quick-0"] == ("converged", None)


def test_a_probe_keeps_its_own_verdict():
    probe = record("membership", 0.02, "queries", scores=None, selection=None, probe={"auc": 0.5}, verdict="floor")
    assert verdicts({}, [record("decoder", 0.01, "none"), probe])["membership-quick-0"] == ("floor", None)


def guess(subsets: dict[str, float]) -> Guess:
    found = {size: scores(mse) for size, mse in subsets.items()}
    return Guess(scores=scores(0.06), selection=found[max(found, key=int)], subsets=found)
