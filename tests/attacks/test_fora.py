"""The eavesdropper: what its substitute is aligned by, and problems whose answer is known."""

import pytest
import torch
from torch import Tensor, nn

from attacks.base import Images
from attacks.fora import Fora
from attacks.substitute import Alignment, Substitute, aligned, discrepancy
from attacks.testproblems import LinearGaussian
from tests.codebooks import codebook
from tests.known_answers import errors, sampling_error

SMALL = Fora.budgets["quick"] | {"width": 4, "substitute_steps": 5, "channels": 16, "decoder_steps": 100}


class Unmet(LinearGaussian):
    """A client that nobody may meet."""

    def mean(self, x: Tensor) -> Tensor:
        raise PermissionError("the client was asked")


class Linear(nn.Module):
    """The client of a problem, as a network."""

    def __init__(self, target: LinearGaussian) -> None:
        super().__init__()
        self.target = target

    def forward(self, x: Tensor) -> Tensor:
        return self.target.mean(x)


class Told(Fora):
    """Was told the client, and trains no substitute."""

    def _substitute(self, aux: Images) -> Substitute:
        return Substitute(self.target, Linear(self.target))


def releases(target: LinearGaussian, num_images: int) -> Tensor:
    return target.release(target.sample(num_images).x.float() / 255)


def test_with_the_client_for_a_substitute_it_comes_within_half_of_the_least_error_and_not_below_it():
    torch.manual_seed(0)
    target = LinearGaussian(sigma=0.07, side=8)
    attack = Told(**SMALL).hearing(releases(target, 200))
    fit = attack.fit(target, target.sample(800), target.sample(100))
    per_image = errors(attack, target, 500)
    assert per_image.mean() <= 1.5 * target.least_error()  # the mean image has 2.9 times as much
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    assert fit.details["trust"] > 0.9


def test_it_never_meets_the_client():
    torch.manual_seed(0)
    target, z = Unmet(sigma=0.07, side=8), torch.randn(20, 8, 2, 2)
    attack = Fora(**SMALL | {"decoder_steps": 5}).hearing(z)
    fit = attack.fit(target, target.sample(32), target.sample(8))
    assert attack.reconstruct(z[:2]).shape == (2, 3, 8, 8)
    # what it trusts is what is left of the deviations from the mean image
    attack.trust = 1.0
    whole = attack.reconstruct(z) - attack.mean
    attack.trust = fit.details["trust"]
    torch.testing.assert_close(attack.reconstruct(z), attack.mean + attack.trust * whole)


def test_it_is_not_fitted_before_anything_went_by():
    target = LinearGaussian(sigma=0.07, side=8)
    with pytest.raises(RuntimeError, match="give it releases that went by"):
        Fora(**SMALL).fit(target, target.sample(32), target.sample(8))


def test_a_substitute_is_closer_to_what_went_by_for_being_aligned():
    book = codebook()
    torch.manual_seed(0)
    aux, heard = book.sample(200), book.draw(200).z
    apart = {}
    for weight in (0.0, 1.0):
        torch.manual_seed(1)
        how = Alignment(width=8, steps=40, batch_size=32, lr=5e-3, match=3 * weight, judged=0.3 * weight)
        made = aligned(book.target, aux, heard, how).release(aux.x.float() / 255).detach()
        apart[weight] = float(discrepancy(made.flatten(1), heard.flatten(1)))
    assert apart[1.0] < 0.5 * apart[0.0]


def test_the_discrepancy_is_nought_in_expectation_for_one_law_and_grows_with_the_distance_of_two():
    torch.manual_seed(0)
    draws = torch.stack([discrepancy(torch.randn(16, 8), torch.randn(16, 8)) for _ in range(100)])
    assert float(draws.mean().abs()) < 4 * float(draws.std()) / 10
    near, far = (float(discrepancy(torch.randn(64, 8), shift + torch.randn(64, 8))) for shift in (0.5, 2.0))
    assert 4 * float(draws.std()) < far <= 2
    assert near < far
    assert float(discrepancy(torch.zeros(4, 2), torch.zeros(4, 2))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 1}, "fora: batch_size must be >= 2, not 1"),
        ({"match": -1.0}, "fora: match must be >= 0, not -1.0"),
        ({"decoder_lr": 0.0}, "fora: decoder_lr must be > 0, not 0.0"),
    ],
)
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Fora(**(SMALL | changes))
