"""What the derivative of a release leaves to any attack: the closed form where there is one, and never more than it."""

import pytest
import torch
from torch import Tensor, nn

import defenses
from attacks.testproblems import KINDS, PATCH, LinearGaussian, LinearMixture
from harness.data import Part
from harness.models import LiveTarget
from harness.models.split import SplitModel
from harness.stages import fisher
from harness.stages.fisher import JUMPS, NAMES, derivatives, least, within_classes

SIDE = 4
LEVELS = (0.02, 0.07, 0.25)


def part(x: Tensor, y: Tensor | None = None) -> Part:
    labels = torch.zeros(len(x), dtype=torch.int64) if y is None else y
    return Part(name="validation", x=x, y=labels, digest="")


def target_of(problem: LinearGaussian, name: str = "none", **settings: object) -> LiveTarget:
    """Return the problem's client behind a defense."""
    conv = nn.Conv2d(48, 8, 1, bias=False)
    conv.weight.data = problem.weight.float()[:, :, None, None]
    client = nn.Sequential(nn.PixelUnshuffle(PATCH), conv)
    defense = defenses.make(name, **settings)
    model = SplitModel(client=client, server=nn.Flatten(), defense=defense, sigma=problem.sigma)
    return LiveTarget(model, problem.image_shape, 1, torch.float32)


@pytest.mark.parametrize("sigma", LEVELS)
def test_it_is_the_closed_form_of_a_linear_client_on_gaussian_images(sigma):
    torch.manual_seed(0)
    problem = LinearGaussian(sigma, side=SIDE)
    scored, prior = (part(problem.sample(count).x) for count in (400, 4000))
    root = within_classes(prior.x / 255, prior.y)
    found = least(derivatives(target_of(problem), scored.x / 255, 8, root).along, root.square().sum(1), 48)
    assert found.mse == pytest.approx(problem.least_error(), rel=0.02)
    told = fisher.fisher(target_of(problem), scored, prior)
    assert told.reasons == {}
    assert told.values["spectrum_bound"] == pytest.approx(problem.least_error(), rel=0.06)  # of 1,000 images for C
    trace = float(problem.weight.square().sum()) / sigma**2
    assert told.values["fisher_per_pixel"] == pytest.approx(trace / 48, rel=0.05)


@pytest.mark.parametrize("samples", [60, 600])
def test_it_is_a_bound_however_few_the_samples_which_what_one_would_write_first_is_not(samples):
    """Derivatives of a known F, in coordinates in which S = I: the best bound is the sum of 1 / (F + 1)."""
    information, one = torch.linspace(1, 30, 48, dtype=torch.float64), torch.eye(48, dtype=torch.float64)
    truth, found, naive = float((1 / (information + 1)).mean()), [], []
    for seed in range(30):
        torch.manual_seed(seed)
        p = torch.randn(samples, 48, dtype=torch.float64) * information.sqrt()
        found.append(least(p[:, None], torch.ones(48), 48).mse)
        naive.append(float(torch.linalg.inv(p.T @ p / samples + one).diagonal().mean()))
    below, above = (torch.tensor(told) / truth - 1 for told in (found, naive))
    assert float(below.mean()) < 3 * float(below.std()) / 30**0.5
    assert float(above.mean()) > 3 * float(above.std()) / 30**0.5


@pytest.mark.parametrize("sigma", LEVELS)
def test_the_best_attack_there_is_does_no_better(sigma):
    """Images of four kinds, a Gaussian each and no Gaussian together; the attacker is not told which."""
    torch.manual_seed(1)
    problem = LinearMixture(sigma, side=SIDE)
    rows = problem.sample(6000)
    kinds = _kinds(problem, rows.x)
    target = target_of(problem)
    told = fisher.fisher(target, part(rows.x[:1000], kinds[:1000]), part(rows.x[1000:2000], kinds[1000:2000]))
    x = rows.x / 255
    errors = (problem.posterior_mean(target.release(x)) - x).square().flatten(1).mean(1)
    assert told.values["spectrum_bound"] <= float(errors.mean()) + 3 * float(errors.std()) / 6000**0.5


def _kinds(problem: LinearMixture, x: Tensor) -> Tensor:
    """Return of which kind each image, of one patch, is likeliest."""
    flat = nn.functional.pixel_unshuffle(x / 255 - 0.5, PATCH).flatten(1).double()
    laws = [
        torch.distributions.MultivariateNormal(problem.means[k], problem.covariances[k]).log_prob(flat)
        for k in range(KINDS)
    ]
    return torch.stack(laws).argmax(0)


def test_the_noise_is_the_defenses_own_law():
    """Laplace noise of scale b has Fisher information 1 / b^2 a feature, twice that of a Gaussian as strong."""
    torch.manual_seed(0)
    problem = LinearGaussian(0.0, side=SIDE)
    rows = part(problem.sample(500).x)
    told = fisher.fisher(target_of(problem, "laplace", scale=0.1), rows, rows).values["fisher_per_pixel"]
    assert told == pytest.approx(float(problem.weight.square().sum()) / 0.1**2 / 48, rel=0.05)


@pytest.mark.parametrize(
    ("sigma", "name", "reason"),
    [(0.0, "none", "without noise"), (0.1, "topk", JUMPS), (0.1, "rounding", JUMPS), (0.0, "dropout", "without noise")],
)
def test_where_there_is_none_it_says_why(sigma, name, reason):
    problem = LinearGaussian(sigma, side=SIDE)
    rows = part(problem.sample(8).x)
    told = fisher.fisher(target_of(problem, name), rows, rows)
    assert told.values == dict.fromkeys(NAMES)
    assert all(reason in why for why in told.reasons.values())


def test_of_large_images_fewer_are_held_and_it_is_a_bound_all_the_same(monkeypatch):
    torch.manual_seed(0)
    problem = LinearGaussian(0.07, side=SIDE)
    rows = part(problem.sample(1200).x)
    whole = fisher.fisher(target_of(problem), rows, rows).values["spectrum_bound"]
    monkeypatch.setattr(fisher, "NUMBERS", 48 * 100)
    fewer = fisher.fisher(target_of(problem), rows, rows).values["spectrum_bound"]
    assert 0.8 * whole < fewer < 1.05 * whole


def test_images_that_are_all_the_same_or_one_alone_tell_nothing():
    problem = LinearGaussian(0.1, side=SIDE)
    rows, same = problem.sample(8).x, torch.full((8, 3, SIDE, SIDE), 7, dtype=torch.uint8)
    for scored, prior in ((rows[:1], rows), (rows, same), (rows, rows[:1])):
        told = fisher.fisher(target_of(problem), part(scored), part(prior))
        assert told.reasons == dict.fromkeys(NAMES, fisher.FEW)
