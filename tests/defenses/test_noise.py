"""Noise that is fitted in closed form: to what the task needs, and to the volume that a client makes of an image."""

import copy
import functools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses import contract
from defenses.base import Batch, Defense, Epoch, Shapes
from defenses.calibration import Calibration
from defenses.fsinfo import FSInfo
from defenses.infodecom import InfoDecom, without_lowest
from defenses.learned_noise import LearnedNoise
from defenses.rotated_noise import RotatedNoise, moments
from defenses.sensitivity import log_volumes
from defenses.waterfilling import nats, optimal_noise

SHAPES = Shapes(image=(3, 8, 8), activation=(4, 2, 2), num_classes=5)
D = 16


class Turned(RotatedNoise):
    """With noise from the start, in directions of no single feature, as training would have it."""

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        super().attach(client, shapes)
        with torch.random.fork_rng(devices=[]):
            self.axes = torch.linalg.qr(torch.randn(self.axes.shape)).Q
        self.powers = torch.linspace(0.0, 0.04, len(self.powers))


class Measured(FSInfo):
    """With noise from the start."""

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        self.calibration.epoch.fill_(0)


CASES = {
    "rotated_noise": contract.Case(RotatedNoise),
    "fsinfo": contract.Case(FSInfo),
    "fsinfo-measured": contract.Case(Measured, {"scale": 0.4}),
    "infodecom": contract.Case(InfoDecom),
}


@pytest.mark.parametrize("law", contract.LAWS.values(), ids=contract.LAWS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_noise_keeps(law, case):
    law(case)


@pytest.mark.parametrize(
    "law", ["has_one_law", "releases_each_image_by_itself", "releases_by_its_law", "survives_saving", "repeats_itself"]
)
def test_noise_that_features_share_keeps(law):
    contract.LAWS[law](contract.Case(Turned))


# ---- water-filling


def needs() -> tuple[Tensor, Tensor]:
    """A covariance within classes and slopes of a task, of different bases."""
    torch.manual_seed(0)
    spread, task = torch.randn(2, D, D, dtype=torch.float64) * torch.logspace(-2, 0, D, dtype=torch.float64)
    return spread @ spread.mT / D, task @ task.mT / D + 1e-4 * torch.eye(D, dtype=torch.float64)


def as_telling(within: Tensor, wanted: float, noise_of) -> Tensor:
    """Return the noise of a family that leaves so many nats, louder as its number rises."""
    low, high = -20.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if nats(within, noise_of(math.exp(middle))) > wanted else (low, middle)
    return noise_of(math.exp(low))


@pytest.mark.parametrize("price", [1e-4, 1e-2, 1.0])
def test_the_optimal_noise_costs_the_task_less_than_isotropic_noise_of_equal_information(price):
    within, slopes = needs()
    best = optimal_noise(within, slopes, price)
    told = float(nats(within, best))
    identity = torch.eye(D, dtype=torch.float64)
    isotropic = as_telling(within, told, lambda power: power * identity)
    diagonal = as_telling(
        within, told, lambda price: optimal_noise(within.diagonal().diag(), slopes.diagonal().diag(), price)
    )
    cost, plain, by_feature = (float((slopes * noise).sum()) for noise in (best, isotropic, diagonal))
    assert nats(within, isotropic) == pytest.approx(told, rel=1e-6)
    assert nats(within, diagonal) == pytest.approx(told, rel=1e-6)
    assert cost < 0.9 * by_feature
    assert cost < 0.7 * plain


def test_no_noise_near_the_optimal_one_is_better():
    within, slopes = needs()
    best = optimal_noise(within, slopes, 0.01)

    def loss(noise: Tensor) -> float:
        return float((slopes * noise).sum() / 2 + 0.01 * nats(within, noise))

    torch.manual_seed(1)
    root = torch.linalg.cholesky(best)
    for _ in range(20):
        change = torch.randn(D, D, dtype=torch.float64)
        for sign in (-1, 1):
            moved = root + 0.01 * sign * root @ change / D
            assert loss(moved @ moved.mT) > loss(best)


def test_where_both_are_diagonal_it_is_the_formula_feature_by_feature():
    v, g, mu = torch.tensor([0.0, 0.01, 1.0]).double(), torch.tensor([1.0, 2.0, 0.1]).double(), 0.05
    expected = ((v.square() + 4 * mu * v / g).sqrt() - v) / 2
    torch.testing.assert_close(optimal_noise(v.diag(), g.diag(), mu), expected.diag())


# ---- rotated noise


def trained(lam: float, steps: int = 12, **settings: object) -> tuple[RotatedNoise, Tensor, Tensor]:
    """A defense after an epoch in which a task needed the first feature alone, and its activations."""
    torch.manual_seed(0)
    defense = RotatedNoise(lam=lam, **settings)
    defense.attach(nn.Identity(), SHAPES)
    y = torch.arange(600) % 5
    mixing = 0.1 * torch.randn(D, D)
    z = (torch.randn(600, D) @ mixing + y[:, None]).view(-1, 4, 2, 2)
    for step in range(steps):
        chosen = slice(50 * step, 50 * step + 50)
        clean = z[chosen].clone().requires_grad_()
        released = defense(clean) + 0.05 * torch.randn_like(clean)
        penalty = defense.penalty(_batch(clean, released, y[chosen]))
        (released[:, 0, 0, 0].square().mean() + penalty).backward()
    defense.end_epoch(_epoch(z, y))
    return defense, z, y


def test_noise_goes_where_the_task_needs_nothing():
    defense, z, _ = trained(lam=1e-3)
    powers = torch.as_tensor(defense.noise_std(z[:1]))[0].flatten().square()
    assert powers[0] < powers[1:].min() / 3


def test_what_is_charged_is_the_bound_of_what_it_was_fitted_to():
    defense, z, y = trained(lam=0.2)
    defense.eval()
    penalty = float(defense.penalty(_batch(z, z, y)))
    # estimate and charge differ by the degrees of freedom that the means cost
    assert penalty == pytest.approx(0.2 * float(defense.estimate(z, y, 0.05)), rel=0.01)
    _, within = moments(z.flatten(1).double(), y, 5)
    noise = (defense.axes * defense.powers) @ defense.axes.mT + 0.05**2 * torch.eye(D)
    assert float(defense.estimate(z, y, 0.05)) == pytest.approx(float(nats(within, noise.double())) / D, rel=1e-3)


def test_a_higher_price_makes_louder_noise_that_tells_less_and_none_is_louder_than_the_most():
    told, loud = [], []
    for lam in (0.01, 0.1, 1.0):
        defense, z, y = trained(lam=lam, most=0.4)
        told.append(float(defense.estimate(z, y, 0.05)))
        loud.append(float(defense.powers.max()))
    assert told == sorted(told, reverse=True)
    assert loud == sorted(loud)
    assert loud[-1] <= 0.16


def test_another_strength_acts_at_once_as_if_it_had_been_fitted_with_it():
    steered, fitted = trained(lam=0.02, trained=False)[0], trained(lam=0.5, trained=False)[0]
    quiet = float(steered.powers.max())
    steered.steer(0.5)
    assert float(steered.powers.max()) > 2 * quiet
    for name in ("powers", "spread"):
        ours, theirs = getattr(steered, name), getattr(fitted, name)
        ours, theirs = (
            (defense.axes @ (value if value.ndim == 2 else value.diag()) @ defense.axes.mT)
            for defense, value in ((steered, ours), (fitted, theirs))
        )
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_what_is_loaded_and_steered_to_the_strength_that_it_had_keeps_its_noise_to_the_bit():
    saved, _, _ = trained(lam=0.02, trained=False)
    saved.steer(0.5)
    loaded = RotatedNoise(lam=0.02, trained=False)
    loaded.attach(nn.Identity(), SHAPES)
    loaded.load_state_dict(saved.state_dict())
    loaded.steer(0.5)
    assert loaded.lam == 0.5
    assert all(value.equal(loaded.state_dict()[name]) for name, value in saved.state_dict().items())


def test_a_state_of_before_strengths_were_solved_for_anew_is_loaded_and_keeps_its_noise():
    saved, _, _ = trained(lam=0.02)
    state = {name: value for name, value in saved.state_dict().items() if name not in ("steepness", "solved")}
    loaded = nn.ModuleDict({"defense": RotatedNoise(lam=0.02)})
    loaded["defense"].attach(nn.Identity(), SHAPES)
    loaded = copy.deepcopy(loaded)
    loaded.load_state_dict({f"defense.{name}": value for name, value in state.items()})
    loaded["defense"].steer(0.5)
    assert loaded["defense"].powers.equal(saved.powers)


def test_the_channel_s_noise_counts_towards_what_is_wanted():
    wanted, _, _ = trained(lam=0.1, trained=False)
    assert float(wanted.powers.max()) > 0
    loud = RotatedNoise(lam=0.1)
    loud.attach(nn.Identity(), SHAPES)
    loud.load_state_dict(wanted.state_dict())
    loud.channel.fill_(4.0)
    loud.slopes.copy_(torch.eye(D))
    loud.seen.fill_(1.0)
    _, z, y = trained(lam=0.1)
    loud.end_epoch(_epoch(z, y))
    assert float(loud.powers.max()) == 0


def test_its_surprise_is_the_density_of_noise_that_features_share():
    torch.manual_seed(0)
    defense = Turned(lam=0.1)
    defense.attach(nn.Identity(), SHAPES)
    noise = (defense.axes * (defense.powers + 0.01)) @ defense.axes.mT
    z, activation = torch.randn(2, 7, 4, 2, 2)
    told = defense.exact_surprise(z, activation, 0.1) + defense.normaliser(D)
    truth = torch.distributions.MultivariateNormal(torch.zeros(D).double(), noise.double())
    torch.testing.assert_close(
        told.double(), -truth.log_prob((z - activation).flatten(1).double()), rtol=1e-3, atol=1e-2
    )
    draws = defense(torch.zeros(40_000, 4, 2, 2)).flatten(1)
    torch.testing.assert_close(draws.mT.cov(), noise - 0.01 * torch.eye(D), rtol=0, atol=2e-3)


def test_not_trained_it_pays_nothing_and_has_its_noise_all_the_same():
    defense, z, y = trained(lam=0.1, trained=False)
    assert float(defense.powers.max()) > 0
    assert not defense.penalty(_batch(z.requires_grad_(), z, y)).requires_grad


def test_beside_the_diagonal_noise_it_takes_correlated_features_for_one():
    defense, z, y = trained(lam=0.1)
    diagonal = LearnedNoise(lam=0.1, least=1e-4)
    diagonal.attach(nn.Identity(), SHAPES)
    assert float(defense.estimate(z, y, 0.05)) < float(diagonal.estimate(z, y, 0.05).detach())


# ---- calibrated noise


def linear_client() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, D), nn.Unflatten(1, (4, 2, 2)))


def test_the_log_volume_of_a_linear_client_is_that_of_its_matrix():
    client, x = linear_client(), torch.rand(3, 3, 8, 8)
    weight = client[1].weight.double()
    expected = torch.linalg.slogdet(weight @ weight.mT).logabsdet / (2 * D)
    torch.testing.assert_close(log_volumes(client, x), expected.float().expand(3), rtol=1e-3, atol=1e-3)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(192, 1), nn.Linear(1, D), nn.Unflatten(1, (4, 2, 2)))
    assert log_volumes(flat, x).isfinite().all()


def test_the_noise_leaves_the_information_that_its_scale_says():
    client, x = linear_client(), torch.rand(4, 3, 8, 8)
    defense = FSInfo(scale=2.0)
    z = client(x)
    assert float(defense.noise_std(z)) == 0
    defense.penalty(_batch(z, z, torch.zeros(4, dtype=torch.int64), x=x, client=client))
    s = float(defense.noise_std(z))
    weight = client[1].weight.double()
    told = torch.linalg.slogdet(weight @ weight.mT).logabsdet / (2 * D) - math.log(2 * math.pi * math.e * s**2) / 2
    assert float(told) == pytest.approx(-math.log(2.0), abs=1e-3)


def test_a_calibration_is_made_once_an_epoch_and_averaged_by_halves():
    client, x = linear_client(), torch.rand(2, 3, 8, 8)
    calibration, seen = Calibration(), []
    for epoch in (0, 0, 1):
        z = client(x)
        calibration.see(_batch(z, z, torch.zeros(2, dtype=torch.int64), x=x, client=client, epoch=epoch), 1)
        seen.append(float(calibration.log_volume))
        with torch.no_grad():
            client[1].weight *= math.e
    assert seen[1] == seen[0]
    # twice e-fold by then, and half of the first
    assert seen[2] == pytest.approx(seen[0] + 1, abs=1e-3)


# ---- infodecom


def test_the_lowest_frequencies_of_blocks_are_taken_off_and_no_other():
    torch.manual_seed(0)
    x = torch.rand(2, 3, 16, 24)
    left = without_lowest(x, 1)
    means = F.avg_pool2d(x, 8)
    torch.testing.assert_close(left, x - F.interpolate(means, scale_factor=8.0), rtol=0, atol=1e-5)
    torch.testing.assert_close(without_lowest(x, 0), x, rtol=0, atol=1e-5)
    once = without_lowest(x, 10)
    torch.testing.assert_close(without_lowest(once, 10), once, rtol=0, atol=1e-5)
    assert torch.linalg.matrix_rank(without_lowest(torch.eye(64).view(64, 1, 8, 8), 10).flatten(1)) == 54
    assert without_lowest(torch.rand(1, 3, 13, 11), 10).shape == (1, 3, 13, 11)


def test_the_client_itself_no_longer_sees_what_is_dropped_and_at_strength_0_it_does():
    for lam, same in ((10.0, True), (0.0, False)):
        client = linear_client()
        InfoDecom(lam=lam).attach(client, SHAPES)
        x = torch.rand(2, 3, 8, 8)
        moved = x + torch.rand(2, 3, 1, 1)
        assert torch.allclose(client(x), client(moved), atol=1e-5) is same


def test_releases_are_drawn_together_by_the_mean_distance_of_pairs():
    torch.manual_seed(0)
    z = torch.rand(6, 4, 2, 2)
    defense = InfoDecom(lam=3.0, scale=0.0)
    pairs = [(z[i] - z[j]).square().mean() for i in range(6) for j in range(6) if i != j]
    penalty = defense.penalty(_batch(z, z, torch.arange(6) % 5))
    assert penalty.item() == pytest.approx(3 * float(torch.stack(pairs).mean()), rel=1e-4)


def _given(z: Tensor, augment: bool = False) -> Tensor:
    return z


def _epoch(z: Tensor, y: Tensor) -> Epoch:
    return Epoch(
        features=functools.partial(_given, z.detach()), y=y, model=nn.Identity(), batch_size=50, progress=0.1, lr=0.05,
        epoch=0,
    )  # fmt: skip


def _batch(
    z_clean: Tensor,
    z: Tensor,
    y: Tensor,
    *,
    x: Tensor | None = None,
    client: nn.Module | None = None,
    epoch: int = 1,
    defense: Defense | None = None,
) -> Batch:
    return Batch(
        x=z if x is None else x,
        client=client or nn.Identity(),
        z_clean=z_clean,
        z=z,
        y=y,
        sigma=0.05,
        progress=0.1,
        lr=0.05,
        epoch=epoch,
        defense=defense,
    )
