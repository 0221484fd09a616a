"""The published obfuscations: one contract over all of them, and the formulas of each."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import defenses
from defenses import contract
from defenses.base import Batch, Defense, Epoch, Shapes
from defenses.bido import gaussian_kernel, normalised
from defenses.disco import Disco
from defenses.distance_correlation import distance_correlation, unbiased_distance_correlation
from defenses.dropout import Dropout
from defenses.local_dp import LocalDP
from defenses.rounding import Rounding
from defenses.shredder import Shredder
from defenses.topk import TopK
from defenses.vib import Vib

ACTIVE = {
    "local_dp": {"epsilon": 20.0},
    "dropout": {"rate": 0.4},
    "topk": {"ratio": 0.3},
    "rounding": {"step": 0.2},
    "nopeek": {"lam": 1.0},
    "shredder": {"lam": 0.03},
    "disco": {"ratio": 0.5, "blocks": 0, "channels": 8},
    "vib": {"lam": 0.1},
    "bido": {"lam": 0.05},
}
SHAPES = Shapes(image=(3, 16, 16), activation=(4, 4, 4), num_classes=5)


LONG = (("shredder", "releases_by_its_law"),)
"""What takes seconds, and a codebook's posterior and scores of the true image hold in every run, too."""


@pytest.mark.parametrize(
    ("name", "law"),
    [
        pytest.param(name, law, id=f"{name}-{law}", marks=[pytest.mark.slow] * ((name, law) in LONG))
        for name in ACTIVE
        for law in contract.LAWS
    ],
)
def test_every_published_defense_keeps(name, law):
    contract.LAWS[law](contract.Case(defenses.DEFENSES[name], ACTIVE[name]))


@pytest.mark.parametrize("name", ACTIVE)
@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e4])
@pytest.mark.parametrize("size", [2, 16])
def test_gradients_stay_finite_at_the_edge(name, scale, size):
    defense = _attached(defenses.make(name, **ACTIVE[name]))
    x, z = torch.rand(size, *SHAPES.image), 0.5 + scale * torch.randn(size, *SHAPES.activation)
    release = defense(z.requires_grad_())
    penalty = defense.penalty(_batch(x, z, release, torch.arange(size)))
    (release.sum() + penalty).backward()
    assert penalty.isfinite()
    assert z.grad.isfinite().all()
    assert all(own.grad.isfinite().all() for own in defense.parameters() if own.grad is not None)


# ---- noise, dropout, pruning, rounding


@pytest.mark.parametrize(("mechanism", "std"), [("gaussian", 4.344 / 8), ("laplace", math.sqrt(2) / 8)])
def test_a_private_feature_has_the_noise_of_its_mechanism(mechanism, std):
    torch.manual_seed(0)
    released = LocalDP(epsilon=8.0, mechanism=mechanism)(torch.full((200_000,), 3.0))
    assert released.std() == pytest.approx(std, rel=0.02)
    assert released.mean() == pytest.approx(1.0, abs=0.01)


def test_the_laplace_mechanism_keeps_its_promise():
    torch.manual_seed(0)
    defense = LocalDP(epsilon=1.0, mechanism="laplace")
    low, high = (torch.histc(defense(torch.full((400_000,), value)), 25, -2, 3) for value in (0.0, 1.0))
    assert (low / high).log().abs().max() < 1.0 + 0.06


def test_dropout_leaves_features_as_they_are_or_drops_them():
    torch.manual_seed(0)
    z = torch.rand(100, 4, 4, 4) + 0.1
    released = Dropout(rate=0.7)(z)
    kept = released != 0
    assert torch.equal(released[kept], z[kept])
    assert kept.float().mean() == pytest.approx(0.3, abs=0.03)


def test_pruning_keeps_an_image_s_largest_features_whatever_its_neighbours():
    z = torch.linspace(-1, 1, 64)[torch.randperm(64, generator=torch.Generator().manual_seed(0))].view(1, 4, 4, 4)
    batch = torch.cat([z, 100 * z])
    released = TopK(ratio=0.25)(batch)
    assert (released[:1] != 0).sum() == 48
    assert torch.equal(released[:1], torch.where(z.abs() > z.abs().flatten().sort().values[15], z, 0.0))
    assert torch.equal(released[1:], 100 * released[:1])


def test_rounding_gives_multiples_and_passes_the_gradient_on():
    z = torch.rand(10, 4, 4, 4, requires_grad=True)
    released = Rounding(step=0.25)(z)
    assert set(released.flatten().tolist()) <= {0.0, 0.25, 0.5, 0.75, 1.0}
    assert (released - z).abs().max() <= 0.125
    released.sum().backward()
    assert torch.equal(z.grad, torch.ones_like(z))


def test_dither_makes_rounding_right_on_average():
    torch.manual_seed(0)
    defense = Rounding(step=0.5, dither=True)
    z = torch.tensor([0.05, 0.25, 0.4, -0.3]).expand(100_000, 4)
    released = defense(z)
    assert set(released.flatten().tolist()) <= {-0.5, 0.0, 0.5}
    torch.testing.assert_close(released.mean(0), z[0], rtol=0, atol=0.006)
    torch.testing.assert_close(released.std(0), defense.noise_std(z[0]), rtol=0.02, atol=0)
    assert torch.equal(defense.mean(z), z)


# ---- distance correlation


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_distance_correlation_of_a_bivariate_normal_is_the_known_one(rho):
    torch.manual_seed(0)
    x = torch.randn(1500, 1)
    z = rho * x + math.sqrt(1 - rho**2) * torch.randn(1500, 1)
    # Székely, Rizzo, Bakirov 2007, theorem 7
    above = rho * math.asin(rho) + math.sqrt(1 - rho**2) - rho * math.asin(rho / 2) - math.sqrt(4 - rho**2) + 1
    squared = above / (1 + math.pi / 3 - math.sqrt(3))
    assert unbiased_distance_correlation(x, z) == pytest.approx(squared, abs=0.05)
    if rho > 0:
        assert distance_correlation(x, z) == pytest.approx(math.sqrt(squared), abs=0.05)


def test_distance_correlation_of_a_turned_and_scaled_copy_is_1():
    torch.manual_seed(0)
    x = torch.randn(32, 8)
    turned = 5 + 3 * x @ torch.linalg.qr(torch.randn(8, 8)).Q
    assert distance_correlation(x, turned) == pytest.approx(1, abs=1e-3)
    assert unbiased_distance_correlation(x, turned) == pytest.approx(1, abs=1e-3)


def test_in_small_batches_only_the_unbiased_distance_correlation_of_strangers_is_0():
    torch.manual_seed(0)
    pairs = [(torch.randn(16, 40), torch.randn(16, 40)) for _ in range(100)]
    assert torch.stack([distance_correlation(x, z) for x, z in pairs]).mean() > 0.7
    assert torch.stack([unbiased_distance_correlation(x, z) for x, z in pairs]).mean().abs() < 0.03
    with pytest.raises(ValueError, match="a batch of at least 4, not 3"):
        unbiased_distance_correlation(torch.randn(3, 2), torch.randn(3, 2))


def test_distance_correlation_with_a_constant_is_its_least():
    assert distance_correlation(torch.randn(8, 4), torch.ones(8, 4)) == pytest.approx(1e-3)
    assert unbiased_distance_correlation(torch.randn(8, 4), torch.ones(8, 4)) == 0


def test_nopeek_charges_strangers_nothing_and_the_published_estimate_does():
    torch.manual_seed(0)
    x, z = torch.rand(64, *SHAPES.image), torch.rand(64, *SHAPES.activation)
    unbiased, biased = (
        defenses.make("nopeek", estimator=name).penalty(_batch(x, z, z, torch.arange(64)))
        for name in ("unbiased", "biased")
    )
    assert abs(unbiased) < 0.05
    assert biased > 0.4
    few = defenses.make("nopeek").penalty(_batch(x[:3], z[:3], z[:3], torch.arange(3)))
    assert few == 0


# ---- Shredder


def test_shredder_s_noise_has_the_moments_of_its_mixture():
    torch.manual_seed(0)
    defense = _attached(Shredder(members=2, scale=0.1))
    with torch.no_grad():
        defense.location[0], defense.location[1] = 0.3, -0.1
        defense.log_scale[1] = math.log(0.2)
    assert defense.noise_std(torch.zeros(1, *SHAPES.activation)).mean().item() == pytest.approx(0.3)
    noise = defense(torch.zeros(4000, *SHAPES.activation)).detach()
    assert noise.mean() == pytest.approx(0.1, abs=0.01)
    assert noise.std() == pytest.approx(0.3, rel=0.02)


def test_shredder_s_penalty_alone_makes_the_noise_louder():
    torch.manual_seed(0)
    defense = _attached(Shredder(lam=0.05))
    penalties = _penalties_of_training(defense)
    assert penalties[0] == pytest.approx(0.05 / defense.scale / math.sqrt(2), rel=1e-4)
    assert penalties[-1] < 0.9 * penalties[0]


def test_how_far_shredder_s_members_lie_apart_hides_nothing_and_is_not_paid_for():
    torch.manual_seed(0)
    defense = _attached(Shredder(lam=0.05))
    batch = _batch(torch.rand(4, *SHAPES.image), *2 * (torch.rand(4, *SHAPES.activation),), torch.arange(4))
    paid = defense.penalty(batch)
    with torch.no_grad():
        defense.location *= 100
    torch.testing.assert_close(defense.penalty(batch), paid)
    assert torch.autograd.grad(defense.penalty(batch), defense.location, allow_unused=True) == (None,)


def test_as_published_shredder_learns_noise_on_a_frozen_network_in_the_second_half():
    torch.manual_seed(0)
    defense, z = _attached(Shredder(published=True)), torch.rand(4, *SHAPES.activation)
    for progress, begun in ((0.25, False), (0.5, True), (1.0, True)):
        defense.end_epoch(_epoch(progress))
        assert torch.equal(defense(z), z) is not begun
        assert defense.freezes_the_network() is begun
        assert (defense.noise_std(z) == 0.0) is not begun if not begun else defense.noise_std(z).min() > 0
    fresh = _attached(Shredder(published=True))
    fresh.load_state_dict(defense.state_dict())
    assert fresh.freezes_the_network()
    assert not _attached(Shredder()).freezes_the_network()


# ---- DISCO


def test_disco_prunes_whole_channels_chosen_by_image():
    torch.manual_seed(0)
    defense = _attached(Disco(ratio=0.5))
    kept = (defense(torch.rand(64, *SHAPES.activation) + 0.1).detach() != 0).flatten(2)
    assert torch.equal(kept.all(2), kept.any(2))
    assert (kept.any(2).sum(1) == 2).all()
    defense.pruner[-1].weight.data *= 100
    different = (defense(10 * torch.randn(64, *SHAPES.activation)).detach() != 0).flatten(2).any(2).unique(dim=0)
    assert len(different) > 1


def test_disco_prunes_other_channels_in_other_images_and_as_many_of_one_alone():
    torch.manual_seed(0)
    defense = Disco(ratio=0.5, blocks=0, channels=8)
    defense.attach(nn.Identity(), SHAPES._replace(activation=(8, 8, 8)))
    z = torch.sigmoid(torch.randn(1000, 8, 8, 8) + torch.randn(8, 8, 8))
    x = torch.rand(1000, *SHAPES.image)

    def masks() -> Tensor:
        return (defense(z).detach() != 0).flatten(2).any(2)

    assert len(masks().unique(dim=0)) < 10  # without moments it is nearly the same channels in all images
    defense.penalty(_batch(x[:64], z[:64], z[:64], torch.arange(64)))
    assert len(masks().unique(dim=0)) > 20
    assert torch.equal(defense(z[3:4])[0], defense(z)[3])
    assert masks().float().mean(0).sub(0.5).abs().max() < 0.2


def test_disco_s_choice_hardens_over_the_training():
    defense = _attached(Disco(ratio=0.5, blocks=0, channels=8))
    for progress, temperature in ((0.0, 1.0), (0.5, 30**-0.5), (1.0, 1 / 30)):
        x, z = torch.rand(4, *SHAPES.image), torch.rand(4, *SHAPES.activation)
        defense.penalty(replace(_batch(x, z, z, torch.arange(4)), progress=progress))
        assert defense.temperature.item() == pytest.approx(temperature)


@pytest.mark.parametrize(("ratio", "kept"), [(0.1, 4), (0.13, 3), (0.5, 2), (1.0, 1)])
def test_disco_rounds_to_whole_channels_and_leaves_one(ratio, kept):
    released = _attached(Disco(ratio=ratio))(torch.ones(1, *SHAPES.activation))
    assert (released.flatten(2).any(2)).sum() == kept


def test_disco_s_pruner_and_decoder_play_against_each_other_and_the_client_stays_out():
    torch.manual_seed(0)
    defense = _attached(Disco(ratio=0.5, rho=0.75, blocks=0, channels=8))
    x, z = torch.rand(8, *SHAPES.image), torch.rand(8, *SHAPES.activation, requires_grad=True)
    release = defense(z)
    parts = [*defense.pruner.parameters()], [*defense.decoder.parameters()]
    error = F.mse_loss(defense.decoder(release), x)
    pruner, decoder = (torch.autograd.grad(error, part, retain_graph=True) for part in parts)
    defense.training = False  # its moments stay; the decoder's batch norms are in training
    penalty = defense.penalty(_batch(x, z, release, torch.arange(8)))
    assert penalty.item() == pytest.approx(error.item())
    assert torch.autograd.grad(penalty, z, retain_graph=True, allow_unused=True) == (None,)
    for expected, found in zip(decoder, torch.autograd.grad(penalty, parts[1], retain_graph=True), strict=True):
        torch.testing.assert_close(found, expected)
    for expected, found in zip(pruner, torch.autograd.grad(penalty, parts[0]), strict=True):
        torch.testing.assert_close(found, -3 * expected, rtol=1e-4, atol=1e-8)


# ---- VIB


def test_the_rate_of_a_perfectly_shaped_release_is_the_information_in_it():
    torch.manual_seed(0)
    for own, sigma in [(0.3, 0.0), (0.3, 0.4)]:
        defense = _attached(Vib(scale=own))
        variance = own**2 + sigma**2
        z = math.sqrt(1 - variance) * torch.randn(2000, *SHAPES.activation)
        rate = defense.estimate(z, torch.zeros(2000, dtype=torch.int64), sigma)
        assert rate.item() == pytest.approx(-math.log(variance) / 2, abs=0.01)


def test_vib_s_marginal_is_that_of_the_releases():
    torch.manual_seed(0)
    z = 0.5 + 0.2 * torch.randn(4000, *SHAPES.activation)
    rate = _attached(Vib(scale=0.1)).estimate(z, torch.zeros(4000, dtype=torch.int64), 0.0)
    assert rate.item() == pytest.approx(math.log(1 + 4) / 2, rel=0.01)


def test_vib_s_rate_alone_makes_the_noise_louder():
    torch.manual_seed(0)
    defense = _attached(Vib(lam=1.0))
    rates = _penalties_of_training(defense)
    assert rates[-1] < 0.7 * rates[0]
    assert defense.noise_std(torch.full((1, *SHAPES.activation), 0.5)).mean() > 0.2


# ---- BiDO


def test_normalised_hsic_of_labels_with_themselves_counts_the_classes():
    y = torch.arange(40) % 5
    labels = normalised((y[:, None] == y).float())
    # of the centred kernel, 5 - 1 eigenvalues are the class size 8, the others 0
    assert (labels * labels).sum() == pytest.approx(4 * (8 / (8 + 40e-5)) ** 2, rel=1e-4)


def test_normalised_hsic_agrees_with_the_code_s_centring_from_one_side():
    torch.manual_seed(0)
    kernels = [gaussian_kernel(torch.rand(20, 6).double(), 0.5).double() for _ in range(2)]
    one_sided = [kernel @ (torch.eye(20).double() - 1 / 20) for kernel in kernels]
    ridge = 20e-5 * torch.eye(20).double()
    rx, ry = (kernel @ torch.linalg.inv(kernel + ridge) for kernel in one_sided)
    x, z = (normalised(kernel) for kernel in kernels)
    assert (x * z).sum().item() == pytest.approx((rx * ry.T).sum().item(), rel=1e-6)


def test_bido_s_kernel_tells_images_apart_where_the_code_s_takes_all_for_alike():
    torch.manual_seed(0)
    x = torch.rand(32, *SHAPES.image)
    apart = ~torch.eye(32, dtype=torch.bool)
    median, published = (gaussian_kernel(x, width)[apart] for width in (None, 5.0))
    assert median.median().item() == pytest.approx(math.exp(-0.5), rel=1e-3)
    assert published.min() > 0.99
    torch.testing.assert_close(gaussian_kernel(9 * x, None), gaussian_kernel(x, None), rtol=1e-4, atol=1e-5)


def test_bido_prefers_releases_of_the_label_to_releases_of_the_image():
    torch.manual_seed(0)
    defense = defenses.make("bido")
    x, y = torch.rand(32, *SHAPES.image), torch.arange(32) % 4
    of_image = x[:, :1, ::4, ::4].expand(-1, 4, -1, -1)
    of_label = (y.view(-1, 1, 1, 1) / 4).expand(-1, *SHAPES.activation)
    image, label = (defense.penalty(_batch(x, z, z, y)) for z in (of_image, of_label))
    assert label < 0
    assert label < image - 0.3


# ---- settings


@pytest.mark.parametrize(
    ("name", "chosen", "message"),
    [
        ("local_dp", {"mechanism": "cauchy"}, "mechanism takes one of gaussian, laplace, not 'cauchy'"),
        ("local_dp", {"epsilon": 0}, r"epsilon takes a finite number >= 0\.001, not 0"),
        ("dropout", {"rate": 1.5}, r"rate takes a finite number in \[0, 1\], not 1\.5"),
        ("rounding", {"dither": 1}, "dither takes true or false, not 1"),
        ("slot_attention", {"shut_off": "no"}, "shut_off takes true or false, not 'no'"),
        ("shredder", {"members": 0}, "members takes a whole number >= 1, not 0"),
        ("disco", {"rho": 1}, r"rho takes a finite number in \[0, 0\.99\], not 1"),
    ],
)
def test_a_setting_out_of_range_is_refused(name, chosen, message):
    with pytest.raises(ValueError, match=message):
        defenses.make(name, **chosen)


def _attached(defense: Defense) -> Defense:
    torch.manual_seed(0)
    defense.attach(nn.Identity(), SHAPES)
    return defense


def _batch(x: Tensor, z_clean: Tensor, z: Tensor, y: Tensor) -> Batch:
    return Batch(
        x=x, client=nn.Identity(), z_clean=z_clean, z=z, y=y, sigma=0.1, progress=0.1, lr=0.05, epoch=1
    )  # fmt: skip


def _epoch(progress: float) -> Epoch:
    return Epoch(
        features=torch.zeros, y=torch.zeros(0), model=nn.Identity(), batch_size=4, progress=progress, lr=0.1, epoch=0
    )


def _penalties_of_training(defense: Defense) -> list[float]:
    """Train a defense's parameters on its penalty alone, as the harness would, on one batch."""
    (group,) = defense.parameter_groups(0.05)
    assert group.pop("optimiser") == "adam"
    optimiser = torch.optim.Adam([group])
    x, z, y = torch.rand(16, *SHAPES.image), torch.rand(16, *SHAPES.activation), torch.arange(16)
    losses = []
    for _ in range(100):
        optimiser.zero_grad()
        value = defense.penalty(_batch(x, z, defense(z), y))
        value.backward()
        optimiser.step()
        losses.append(value.item())
    return losses
