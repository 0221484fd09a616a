"""How a job ends beside the others: restarts that disagree, and attacks that know less and do better."""

import pytest
import torch

from attacks.base import Point
from attacks.verdict import beside_guess, disagreement, outdone, verdict
from harness.verdicts import verdicts
from tests.values import JOB, attack, scores

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
    ("own", "error", "weaker", "expected"),
    [
        ("converged", 0.020, [("queries", 0.019)], "limited"),
        ("converged", 0.020, [("queries", 0.0199)], "converged"),
        ("converged", 0.010, [("queries", 0.019)], "converged"),
        ("floor", 0.060, [("queries", 0.019)], "limited"),
        ("diverged", 0.090, [("queries", 0.019)], "diverged"),
        ("converged", 0.020, [("gradients", 0.001)], "converged"),
        ("converged", 0.020, [], "converged"),
    ],
)
def test_a_white_box_attack_worse_than_a_black_box_one_is_limited(own, error, weaker, expected):
    assert outdone(own, error, "gradients", weaker) == expected


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


def test_a_black_box_attack_is_not_held_against_a_white_box_one():
    assert outdone("converged", 0.02, "queries", [("gradients", 0.001)]) == "converged"


def test_a_trials_attacks_are_judged_beside_each_other_with_the_reason():
    found = verdicts([record("decoder", 0.01, "queries"), record("rmle", 0.02, "gradients")])
    assert found["decoder-quick-0"] == ("converged", None)
    assert found["rmle-quick-0"] == ("limited", "worse than decoder-quick-0, which knows less")


def test_attacks_are_compared_on_the_images_that_all_of_them_have():
    """The decoder is better on all its images, the white-box attack on those that both reconstruct."""
    decoder = record("decoder", 0.01, "queries", subsets={"16": scores(0.03), "1000": scores(0.01)})
    rmle = record("rmle", 0.02, "gradients", subsets={"16": scores(0.02)})
    assert verdicts([decoder, rmle])["rmle-quick-0"].verdict == "converged"


def test_a_probe_keeps_its_own_verdict():
    probe = record("membership", 0.02, "queries", scores=None, selection=None, probe={"auc": 0.5}, verdict="floor")
    assert verdicts([record("decoder", 0.01, "none"), probe])["membership-quick-0"] == ("floor", None)
