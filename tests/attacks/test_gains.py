"""The evidence behind a verdict: branches leave no trace, what is best leaves nothing to correct, pairs are paired."""

import pytest
import torch
from torch import nn

from attacks import ATTACKS
from attacks.base import Attack, Course
from attacks.branches import Branches, of_both
from attacks.correction import corrected
from attacks.decoder import Decoder, UnitDecoder
from attacks.fitting import NOTHING, Stable, plan, train
from attacks.gains import LAWS, evidence, gain, gains
from attacks.slope import without_gradient
from attacks.testproblems import LinearGaussian, LinearMixture
from attacks.verdict import beside_guess


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def trained(target: LinearGaussian, branching: bool) -> tuple[nn.Module, Branches]:
    """A linear decoder of 40 steps, with branches or without."""
    torch.manual_seed(1)
    network = nn.Conv2d(8, 48, 1)
    optimiser = torch.optim.Adam(network.parameters())
    aux, val = target.sample(160), target.sample(40)

    def step(x: torch.Tensor) -> torch.Tensor:
        loss = (nn.functional.pixel_shuffle(network(target.release(x)), 4) - x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.detach()

    x = val.x.float() / 255
    z = target.release(x)

    def errors() -> torch.Tensor:
        with torch.no_grad():
            return (nn.functional.pixel_shuffle(network(z), 4) - x).square().mean(dim=(1, 2, 3))

    length, rate = plan(160, 16, 100, 40), Stable(40)

    def lr(taken: int) -> float:
        return 0.02 * rate(taken)

    branches = Branches(aux.x, length, optimiser, lr, step, errors, (network, optimiser))
    train(
        aux.x, length, optimiser, lr, step, lambda: float(errors().mean()),
        after=branches.after() if branching else NOTHING,
    )  # fmt: skip
    return network, branches


def test_branches_leave_no_trace_in_the_training():
    target = LinearGaussian(0.07, side=8)
    (with_them, branches), (without, _) = trained(target, True), trained(target, False)
    for one, other in zip(with_them.parameters(), without.parameters(), strict=True):
        assert torch.equal(one, other)
    assert set(branches.shares(40)) == {0.25, 0.5}
    quarter, half = (branches.shares(40)[share].mean() for share in (0.25, 0.5))
    assert quarter > half


SMALL = {
    "decoder": {"blocks": 0, "channels": 8},
    "decoder_xl": {"width": 4, "attention": 0, "ssim_share": 0.0},
    "unrolled": {"width": 4, "attention": 0, "corrections": 1, "correction_width": 4},
    "gan_decoder": {"blocks": 0, "channels": 8, "critic_channels": 4, "critic_steps": 2, "warm": 0.5, "steps": 24},
}  # fmt: skip


def fitted(name: str, **settings) -> tuple[Attack, Course]:
    """An attack of a dozen steps."""
    torch.manual_seed(0)
    target, kind = LinearGaussian(0.07, side=8), ATTACKS[name]
    attack = kind(**kind.budgets["quick"] | {"steps": 12} | SMALL[name] | settings)
    return attack, attack.fit(target, target.sample(160), target.sample(40)).course


@pytest.mark.parametrize(
    ("name", "settings"), [*((name, {}) for name in SMALL), ("decoder", {"schedule": "cosine"})], ids=str
)
def test_every_trained_attack_says_what_half_its_steps_come_to_and_is_none_the_worse(name, settings, monkeypatch):
    attack, course = fitted(name, **settings)
    assert set(course.errors) == {0.25, 0.5, 1.0}
    assert not torch.isclose(course.errors[0.5], course.errors[1.0]).any()
    assert "steps" not in gains(course, course.errors[1.0], None).reasons
    monkeypatch.setattr("attacks.branches.SHARES", ())
    without, alone = fitted(name, **settings)
    assert set(alone.errors) == {1.0}
    z = torch.randn(20, 8, 2, 2)
    assert torch.equal(attack.reconstruct(z), without.reconstruct(z))


def test_of_two_phases_the_losses_are_added():
    whole, own = torch.rand(5) + 1, torch.rand(5) + 1
    first = {0.25: whole + 0.4, 0.5: whole + 0.1}
    second = {0.26: own + 0.3, 0.5: own + 0.2}
    both = of_both(first, whole, second, own)
    assert set(both) == {0.255, 0.5}
    torch.testing.assert_close(both[0.5], own + 0.3)
    torch.testing.assert_close(both[0.255], own + 0.7)
    torch.testing.assert_close(of_both(first, whole, {}, own)[0.5], own + 0.1)
    assert of_both({}, own, second, own) == second


def test_a_training_of_half_the_steps_that_diverged_says_so():
    errors = torch.rand(50) + 0.5
    found = gains(Course(errors={0.5: errors * torch.nan, 1.0: errors}), errors, errors)
    assert found.steps is found.remainder is None
    assert found.reasons["steps"] == "the training of half the steps diverged"


@pytest.mark.parametrize("problem", [LinearGaussian, LinearMixture])
@pytest.mark.parametrize("sigma", [0.02, 0.25])
def test_the_posterior_mean_leaves_a_correction_nothing(problem, sigma):
    target = problem(sigma, side=16)
    x = target.sample(120).x.float() / 255
    z = target.release(x)
    best = target.posterior_mean(z)
    assert corrected(best, z, x).mean() >= 0.995 * (best - x).square().mean()


def test_a_correction_takes_off_what_was_added_to_the_least_error():
    target = LinearGaussian(0.07, side=16)
    x = target.sample(200).x.float() / 255
    z = target.release(x)
    best = target.posterior_mean(z)
    worse = 0.5 + 0.7 * (best - 0.5)
    gone = (worse - x).square().mean() - (best - x).square().mean()
    left = corrected(worse, z, x).mean() - (best - x).square().mean()
    assert left < 0.2 * gone


def test_a_mixtures_posterior_mean_beats_the_best_linear_map():
    target = LinearMixture(0.02, side=16)
    x = target.sample(500).x.float() / 255
    z = target.release(x)
    rows = torch.cat([z, torch.ones_like(z[:, :1])], dim=1).movedim(1, -1).flatten(0, -2)
    patches = nn.functional.pixel_unshuffle(x, 4).movedim(1, -1).flatten(0, -2)
    linear = rows @ torch.linalg.lstsq(rows, patches).solution
    assert (target.posterior_mean(z) - x).square().mean() < 0.5 * (linear - patches).square().mean()


def test_intervals_are_paired_and_repeat_themselves():
    hard = torch.rand(100) + 0.5
    worse = 1.1 * hard
    found = gain(worse, hard)
    assert found == gain(worse, hard)
    assert found.value == pytest.approx(0.1)
    assert found.high - found.low < 1e-6  # images of any hardness gain alike
    torch.manual_seed(3)
    assert gain(hard[torch.randperm(100)], hard).high - gain(hard[torch.randperm(100)], hard).low > 0.05


def test_what_gains_nothing_and_leaves_nothing_to_correct_is_tight():
    errors = torch.rand(200) + 0.5
    course = Course(errors={0.25: errors, 0.5: errors, 1.0: errors}, seen=errors)
    still = Course(errors={0.25: 2 * errors, 0.5: 1.3 * errors, 1.0: errors}, seen=errors)
    better = gain(2 * errors, errors)
    done, more = (gains(each, errors, errors).remainder for each in (course, still))
    assert beside_guess("open", better, done) == "tight"
    assert beside_guess("open", better, more) == "open"
    assert beside_guess("open", better, None) == "open"
    assert more.low < more.value < more.high


@pytest.mark.parametrize("assumes", [False, True])
def test_where_nothing_shows_the_interval_begins_at_nought(assumes):
    errors = torch.rand(200) + 0.5
    course = Course(errors={0.5: errors, 1.0: errors}, seen=errors, assumes=assumes)
    assert gains(course, errors, errors).remainder.low == 0
    assert gains(course, errors, 0.9 * errors).remainder.low > 0.05


def test_more_evidence_of_any_kind_raises_the_remainder():
    errors = torch.rand(200) + 0.5
    course = {"errors": {0.5: 1.05 * errors, 1.0: errors}, "seen": 0.99 * errors}
    plain = gains(Course(**course), errors, 0.99 * errors).remainder.value
    assert (
        gains(Course(**course | {"errors": {0.5: 1.2 * errors, 1.0: errors}}), errors, 0.99 * errors).remainder.value
        > plain
    )
    assert gains(Course(**course | {"seen": 0.7 * errors}), errors, 0.99 * errors).remainder.value > plain
    assert gains(Course(**course), errors, 0.8 * errors).remainder.value > plain


def test_what_was_not_measured_says_why():
    errors = torch.rand(50) + 0.5
    found = gains(Course(), errors, None)
    assert found.steps is found.correction is found.remainder is None
    assert set(found.reasons) == {"steps", "correction", "remainder"}
    assert not evidence(Course(), errors, None).any()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_whatever_the_evidence_the_ends_of_the_interval_are_in_order(law):
    assert all(0 <= low <= high for low, high in zip(law.low, law.high, strict=True) if high)


def test_a_likelihood_without_a_gradient_is_flagged():
    target = LinearGaussian(0.07, side=8)
    x = target.sample(4).x.float() / 255
    z = target.release(x)
    assert without_gradient(target, x[:1], z) == ()
    target.weight.zero_()
    assert without_gradient(target, x[:1], z) == ("no gradient",)


def test_the_published_decoder_alone_is_flagged_to_be_moved_by_the_unit_of_the_features():
    target = LinearGaussian(0.07, side=8)
    settings = Decoder.budgets["quick"] | {"blocks": 0, "channels": 4, "steps": 4}
    flags = {
        kind: kind(**settings).fit(target, target.sample(40), target.sample(8)).course.flags
        for kind in (Decoder, UnitDecoder)
    }
    assert flags == {Decoder: ("scale moves it",), UnitDecoder: ()}
