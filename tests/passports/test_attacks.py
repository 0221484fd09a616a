"""A claim falls to an attack that may do no more than its own and leaves its interval, and to nothing else."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.passports import add_attack, claim_of, file_of, held_against, read_attacks, read_passport, standing
from harness.records import AttackJob
from reports.statistics import interval
from tests.passports.given import TEST, attacked, passport_of, trained

POINTS = [(0.6, 0.020, 0.40), (0.62, 0.022, 0.38), (0.61, 0.024, 0.36)]
LATER = AttackJob(attack="linear", budget="quick", seed=0, part="test")


@pytest.fixture
def passport(tmp_path):
    return read_passport(passport_of(tmp_path / "passport.zip", POINTS))


def later(mse, ssim=0.1, count=3, **measured):
    return [attacked(mse, ssim, LATER, **measured)] * count


def test_a_confirmed_claim_is_the_mean_over_its_seeds_with_their_interval(passport):
    claim = passport.claim
    for name, values in zip(("accuracy", "mse", "ssim"), zip(*POINTS, strict=True), strict=True):
        expected = interval(numpy.array(values))
        ends = (getattr(claim, f"{name}{end}") for end in ("", "_low", "_high"))
        assert tuple(ends) == pytest.approx((expected.value, expected.low, expected.high))


def test_trainings_that_are_not_alike_make_no_claim():
    one, other = trained(POINTS[0], 0), trained(POINTS[1], 1, **{"model/sigma": 0.3})
    with pytest.raises(ValueError, match="the settings of its trainings are not the same"):
        claim_of([one, other], {})
    with pytest.raises(ValueError, match="attacked by nothing"):
        claim_of([one._replace(attacks=())], {})


def test_it_falls_below_the_low_end_of_its_mse_and_stands_on_it(passport):
    low = passport.claim.mse_low
    assert held_against(passport, later(low + 1e-9)).fells == ()
    assert held_against(passport, later(low - 1e-5)).fells == ("mse",)


def test_it_falls_above_the_high_end_of_its_ssim(passport):
    high = passport.claim.ssim_high
    assert held_against(passport, later(0.5, high - 1e-9)).fells == ()
    assert held_against(passport, later(0.5, high + 1e-5)).fells == ("ssim",)


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-6, 1.0), st.floats(-1.0, 1.0))
def test_no_attack_makes_a_claim_look_better(passport_at, mse, ssim):
    held = held_against(passport_at, later(mse, ssim))
    assert held.mse <= passport_at.claim.mse + 1e-12
    assert held.ssim >= passport_at.claim.ssim - 1e-12
    assert bool(held.fells) == (held.mse < passport_at.claim.mse_low or held.ssim > passport_at.claim.ssim_high)


@pytest.fixture(scope="module")
def passport_at(tmp_path_factory):
    return read_passport(passport_of(tmp_path_factory.mktemp("claim") / "passport.zip", POINTS))


@pytest.mark.parametrize(
    ("measured", "why"),
    [
        ({"knowledge": "gradients"}, "may do more than the claim's attackers"),
        ({"needs_server": True}, "may do more than the claim's attackers"),
        ({"metrics": "others"}, "is scored by metrics others"),
        ({"digests": {"scored": "c" * 64}}, "is scored on other images"),
        ({"scores": None}, "has no finite scores"),
    ],
)
def test_what_is_not_to_be_compared_fells_nothing_and_says_why(passport, measured, why):
    held = held_against(passport, later(1e-4, 0.99, **measured))
    assert held.fells == ()
    assert held.why.startswith(why)


def test_less_knowledge_fells_too(passport):
    assert held_against(passport, later(1e-4, knowledge="none")).fells == ("mse",)


def test_what_did_not_end_on_every_network_decides_nothing(passport):
    held = held_against(passport, [*later(1e-4, count=2), None])
    assert (held.mse, held.fells, held.why) == (None, (), "did not end on every network")


def test_attacks_are_kept_beside_a_passport_each_once(passport):
    add_attack(passport, later(0.02))
    add_attack(passport, [attacked(0.5, 0.0, TEST)] * 3)
    kept = add_attack(passport, later(1e-4))
    assert kept == read_attacks(passport)
    assert [(held.job, held.fells) for held in standing(passport, kept.attacks)] == [
        (TEST.name, ()),
        (LATER.name, ("mse",)),
    ]


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 2, "passport": ""}', b'{"passport": "another"}'])
def test_a_file_of_attacks_that_is_not_the_passports_is_refused(passport, content):
    file_of(passport.path).write_bytes(content)
    with pytest.raises(UserError, match=r"passport\.zip\.attacks\.json: "):
        read_attacks(passport)
