"""The contract bites: defenses that are wrong in one way each, and the law that refuses them."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import defenses
from defenses import contract
from defenses.arl import Arl
from defenses.base import Batch, Defense, Epoch
from defenses.class_gaussian import ClassGaussian
from defenses.contract.charges import NoisyBase
from defenses.contract.features import PROBLEMS, binary
from defenses.dfil import Dfil
from defenses.disco import Disco
from defenses.gated_heads import GatedHeads
from defenses.knife import Knife
from defenses.learned_noise import LearnedNoise
from defenses.mixtures import by_features, divergences, frozen
from defenses.pairwise import Pairwise
from defenses.rounding import Rounding
from defenses.sensitivity import deployed
from defenses.shredder import Shredder
from defenses.vib import Vib
from tests.defenses.test_defenses import NOTICED


class Deaf(GatedHeads):
    """Its penalty trains its gate and nothing else."""

    def penalty(self, batch: Batch) -> Tensor:
        return super().penalty(replace(batch, z_clean=batch.z_clean.detach(), defense=None))


class Whispering(Defense):
    """Lets a millionth of the gradient through."""

    def forward(self, z: Tensor) -> Tensor:
        return z.detach() + 1e-6 * (z - z.detach())


class Lopsided(Defense):
    """Says a deviation that is right over all features, and tenfold wrong of one in a hundred."""

    def forward(self, z: Tensor) -> Tensor:
        return z + 0.1 * self._loud(z) * torch.randn_like(z)

    def mean(self, z: Tensor) -> Tensor:
        return z

    def noise_std(self, z: Tensor) -> Tensor:
        return 0.1 * self._loud(z).flip(-1)

    def _loud(self, z: Tensor) -> Tensor:
        return torch.tensor([10.0, 1.0, 1.0, 1.0]).expand_as(z)


class Stepped(Rounding):
    """Rounds, and does not say that its release jumps."""

    jumps = False


class Sociable(Defense):
    """Releases an image less the mean of the batch."""

    def forward(self, z: Tensor) -> Tensor:
        return z - 0.1 * z.mean(0)


class Thirtyfold(ClassGaussian):
    """A bound times 30."""

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        return 30 * super().estimate(z_clean, y, sigma)


class Fixed(ClassGaussian):
    """Ignores sigma."""

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        return super().estimate(z_clean, y, 0.1)


class Backwards(ClassGaussian):
    """A right estimate beside its negative as a penalty."""

    def penalty(self, batch: Batch) -> Tensor:
        return -super().penalty(batch)


class Uncharged(GatedHeads):
    """Does not pay for what the head tells of the image."""

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        z = z_clean.flatten(1)
        log_share = self._log_shares(z)
        mixture = frozen(by_features(z, y, log_share, len(self.bank.seen)))
        return (log_share.exp() * divergences(z, y, mixture, sigma**2)).sum(1).mean() / z.shape[1]


class Timid(ClassGaussian):
    """Pays a fifth of what it bounds."""

    def penalty(self, batch: Batch) -> Tensor:
        return super().penalty(batch) / 5


class OfTheActivation(ClassGaussian):
    """As a term it charges the activation, and not what the other defense makes of it."""

    def penalty(self, batch: Batch) -> Tensor:
        return super().penalty(replace(batch, defense=None))


class Certain(ClassGaussian):
    """Claims a bound beside any noise."""

    def bound_beside(self, base: Defense, z: Tensor, sigma: float) -> str:
        return self.bound


class BetweenMembers(Shredder):
    """Counts how far the members lie apart as noise, though a member is read off one release."""

    def penalty(self, batch: Batch) -> Tensor:
        return self.lam * torch.as_tensor(self.noise_std(batch.z_clean[:1])).square().mean().rsqrt()


class Stuck(Knife):
    """Fits its mixture once, and lets it follow at the public code's learning rate."""

    def end_epoch(self, epoch: Epoch) -> None:
        if not self.fitted:
            super().end_epoch(epoch)


class Unfitted(Vib):
    """Measures the rate against N(0, 1)."""

    tightness = 3.0

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        variance = self._variance(z_clean) + sigma**2
        return (z_clean.square() + variance - 1 - variance.log()).mean() / 2


class Shut(Arl):
    """A hinge that no reconstruction opens."""

    def __init__(self) -> None:
        super().__init__(threshold=1.0, blocks=0, channels=8)


class Late(ClassGaussian):
    """Pays nothing in the first epoch, whatever the recipe's ramp is."""

    def penalty(self, batch: Batch) -> Tensor:
        return super().penalty(batch) * float(batch.epoch > 0)


class Hotter(Pairwise):
    """Lets its temperature fall under a ramp too."""

    def penalty(self, batch: Batch) -> Tensor:
        return super().penalty(replace(batch, published=True))


class OneMask(Disco):
    """Prunes by the mean over a batch: the same channels of every image."""

    def forward(self, z: Tensor) -> Tensor:
        return z * (super().forward(z.mean(0, keepdim=True).expand_as(z)) != 0)


class Shrinking(Dfil):
    """Takes running statistics as constants, so that it shrinks weights which a norm scales back."""

    def penalty(self, batch: Batch) -> Tensor:
        x = batch.x.detach().requires_grad_()
        with deployed(batch.client):
            z = batch.client(x)
        (slope,) = torch.autograd.grad(z, x, torch.randn_like(z), create_graph=True)
        return self.lam * (slope.square().flatten(1).sum(1).mean() / (x[0].numel() * batch.sigma**2)).log1p()


class Lost(Defense):
    """Fits itself to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fitted", torch.zeros(3))

    def end_epoch(self, epoch: Epoch) -> None:
        self.fitted /= 0


HEADS = {"lam": 0.5, "hidden": 16, "bank": 16}
REFUSED = {
    "trains itself alone": (Deaf, HEADS, "reaches_the_client", "the penalty trains the defense alone"),
    "lets a millionth through": (Whispering, {}, "lets_gradients_through", "of that its gradient tells"),
    "right on the whole": (Lopsided, {}, "has_one_law", r"feature \d+ deviates by"),
    "depends on neighbours": (Sociable, {}, "releases_each_image_by_itself", "changes with its neighbours"),
    "a step of 8 bits": (Stepped, {"step": 1 / 255}, "says_where_it_jumps", r"jumps by 0\.00392; .* says so"),
    "thirtyfold": (Thirtyfold, {}, "bounds_what_it_declares", "times the truth"),
    "ignores sigma": (Fixed, {}, "rises_as_the_noise_falls", "at half the noise the truth rises by"),
    "its negative": (Backwards, {}, "penalises_what_it_estimates", "penalty and estimate pull apart"),
    "uncharged": (Uncharged, HEADS, "bounds_what_it_declares", "the upper bound is"),
    "a fifth of it": (Timid, {}, "charges_what_it_bounds", "the penalty, .*the upper bound is"),
    "the wrong channel": (OfTheActivation, {}, "bounds_what_a_base_releases", "on a (noisy|rounding) base"),
    "a bound beside any noise": (Certain, {}, "bounds_what_a_base_releases", "it says upper"),
    "between members": (BetweenMembers, {}, "pays_only_for_what_hides", "by location the noise rises"),
    "a mixture that stays": (Stuck, {}, "follows_the_client", "times the truth"),
    "a marginal that stays": (Unfitted, {}, "bounds_what_it_declares", "times the truth"),
    "a shut hinge": (Shut, {}, "reaches_the_client", "the penalty trains the defense alone"),
    "a late start": (Late, {}, "starts_with_the_others", "by 0 in the first step"),
    "a temperature that falls": (Hotter, {}, "starts_with_the_others", "its start is its own"),
    "one mask for all": (OneMask, {}, "hides_by_image_or_draw", "one mask for all images"),
    "fitted to nothing": (Lost, {}, "trains_for_an_epoch", r"\['fitted'\] are not finite"),
    "shrinks what a norm scales": (Shrinking, {}, "minds_what_changes_the_function", "scales back"),
}
"""What is wrong, the class, its settings, the law and its words."""


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_law_refuses(wrong):
    create, settings, law, words = REFUSED[wrong]
    with pytest.raises(AssertionError, match=words):
        contract.LAWS[law](contract.Case(create, settings))


def test_every_law_refuses_something():
    assert {law for _, _, law, _ in REFUSED.values()} | NOTICED.keys() == contract.LAWS.keys()


def test_a_plug_in_names_its_class_and_its_settings_and_no_more():
    for law in contract.LAWS.values():
        law(contract.Case(ClassGaussian, {"lam": 0.3}))


UPPER = {name: kind for name, kind in defenses.DEFENSES.items() if kind.bound == "upper"}


@pytest.mark.slow
@pytest.mark.parametrize("name", UPPER)
def test_bounds_hold_to_a_hundredth_at_all_levels(name):
    case = contract.Case(UPPER[name], thorough=True)
    for law in BOUNDS:
        contract.LAWS[law](case)


BOUNDS = (
    "bounds_what_it_declares",
    "falls_as_features_shrink",
    "rises_as_the_noise_falls",
    "follows_the_client",
    "charges_what_it_bounds",
    "bounds_what_a_base_releases",
)


# ---- the features that bounds are held against


def test_a_binary_feature_tells_its_entropy_through_little_noise_and_nothing_through_much():
    ones = torch.tensor([0.1, 0.5])
    entropy = -(ones * ones.log() + (1 - ones) * (1 - ones).log())
    torch.testing.assert_close(binary(ones, torch.full((2,), 0.01)).float(), entropy, rtol=1e-4, atol=1e-4)
    # to first order p (1 - p) / (2 s)
    torch.testing.assert_close(
        binary(ones, torch.full((2,), 100.0)).float(), ones * (1 - ones) / 200, rtol=0.02, atol=1e-6
    )


@pytest.mark.parametrize("name", PROBLEMS)
def test_features_shrunk_with_the_noise_tell_as_much(name):
    problem, noise = PROBLEMS[name](), torch.linspace(0.01, 0.04, 16)
    assert problem.scaled(0.5).truth(noise / 4) == pytest.approx(problem.truth(noise), rel=1e-5)


# ---- numbers of a review


def test_a_term_on_a_noisy_base_charges_what_the_release_tells_and_not_the_activation():
    torch.manual_seed(0)
    z, y = 0.1 * torch.randn(2000, 4, 2, 2), torch.arange(2000) % 4
    base = NoisyBase(most=0.0)
    loud = LearnedNoise(least=0.307, most=0.307)
    loud.attach(nn.Identity(), contract.SHAPES._replace(activation=(4, 2, 2)))
    charged = [_charged(ClassGaussian(lam=1.0), each, z, y, sigma=0.025) for each in (base, loud)]
    assert charged == pytest.approx([math.log(1 + 16) / 2, 0.05], rel=0.03)


def test_a_term_on_a_rounding_base_charges_the_bit_that_rounding_makes():
    torch.manual_seed(0)
    z, y = 0.5 + 0.0044 * torch.randn(2000, 4, 2, 2), torch.arange(2000) % 4
    rounding = defenses.make("rounding", step=1.0)
    activation, released = (_charged(ClassGaussian(lam=1.0), each, z, y, sigma=0.025) for each in (None, rounding))
    assert activation == pytest.approx(0.015, abs=0.001)
    assert released > math.log(2)


def _charged(term: Defense, base: Defense | None, z: Tensor, y: Tensor, sigma: float) -> float:
    term.attach(nn.Identity(), contract.SHAPES._replace(activation=tuple(z.shape[1:])))
    batch = Batch(
        x=z, client=nn.Identity(), z_clean=z, z=z, y=y, sigma=sigma, progress=0.5, lr=0.1, epoch=1, defense=base
    )  # fmt: skip
    return float(term.penalty(batch).detach())
