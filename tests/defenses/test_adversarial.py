"""Defenses that simulate an adversary, and those that learn or measure what a release tells."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.networks import InverseNetwork
from defenses import adversary, contract, pruning
from defenses.arl import Arl
from defenses.base import Batch, Defense, Epoch, Shapes
from defenses.dfil import Dfil
from defenses.knife import Knife, cross_entropy
from defenses.learned_noise import LearnedNoise, variance_within
from defenses.linear_adversary import LinearAdversary, cosines
from defenses.pairwise import Pairwise, pairwise_bound
from defenses.patrol import Patrol, blocks, pruned_share
from defenses.patrol_code import PatrolCode
from defenses.prior_jacobian import PriorJacobian, partners
from defenses.renyi import Renyi, information, squared_kernel
from defenses.sensitivity import lipschitz_ratios, squared_jacobian
from harness.models import Network, Pictures, build_model
from harness.stages.optimising import follow_courses
from harness.study.recipes import RECIPES

SMALL = {"blocks": 0, "channels": 8}
CASES = {
    "arl-hinge": contract.Case(Arl, {"threshold": 0.0, **SMALL}),
    "arl-reversal": contract.Case(Arl, {"form": "reversal", **SMALL}),
    "patrol": contract.Case(Patrol, SMALL),
    "patrol_code": contract.Case(PatrolCode, {"threshold": 0.0, **SMALL}),
    "linear_adversary": contract.Case(LinearAdversary),
    "linear_adversary-waves": contract.Case(LinearAdversary, {"fourier": 32}),
    "knife": contract.Case(Knife),
    "learned_noise": contract.Case(LearnedNoise),
    "renyi": contract.Case(Renyi),
    "pairwise": contract.Case(Pairwise),
    "dfil": contract.Case(Dfil),
    "prior_jacobian": contract.Case(PriorJacobian),
}
SHAPES = Shapes(image=(3, 16, 16), activation=(4, 4, 4), num_classes=5)


@pytest.mark.parametrize("law", contract.LAWS.values(), ids=contract.LAWS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_defense_keeps(law, case):
    law(case)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [2, 2, 2, 4], [3]], ids=["alone", "missing", "one image"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_gradients_are_finite_where_activations_are_constant(case, labels):
    bench = contract.Bench(case)
    nn.init.zeros_(bench.client[0].weight)
    y = torch.tensor(labels)
    x = torch.rand(len(y), *contract.SHAPES.image)
    z_clean = bench.client(x)
    z = bench.defense(z_clean) + case.sigma * torch.randn_like(z_clean)
    penalty = bench.defense.penalty(_batch(z, y % 4, x=x, client=bench.client, z_clean=z_clean))
    assert penalty.isfinite()
    if penalty.requires_grad:
        penalty.backward()
    for parameter in [*bench.client.parameters(), *bench.defense.parameters()]:
        assert parameter.grad is None or parameter.grad.isfinite().all()


@pytest.mark.parametrize("create", [Knife, Pairwise, Dfil, PriorJacobian])
def test_a_measure_of_information_without_noise_is_refused(create):
    bench = contract.Bench(contract.Case(create, sigma=0.0))
    with pytest.raises(ValueError, match=r"needs channel noise: model/sigma is 0\.0, set it above 0"):
        bench.penalty()


# ---- the simulated adversary


def test_each_side_of_a_duel_has_its_own_gradient_and_statistics_move_once():
    torch.manual_seed(0)
    network, twin = (InverseNetwork((4, 4, 4), (3, 16, 16), 0, 8) for _ in range(2))
    twin.load_state_dict(network.state_dict())
    z = torch.rand(6, 4, 4, 4, requires_grad=True)
    against, learning = adversary.duel(network, z)
    twin(z.detach())
    torch.testing.assert_close(against, learning)
    assert torch.autograd.grad(against.sum(), z)[0].norm() > 0
    assert learning.grad_fn is not None
    assert torch.autograd.grad(learning.sum(), [z, *network.parameters()], allow_unused=True)[0] is None
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, twin.state_dict()[key])


def test_a_closed_hinge_trains_the_adversary_alone_and_an_open_one_the_client_too():
    for threshold, is_open in ((1.0, False), (0.0, True)):
        defense, z, x = _mimicked(Arl(threshold=threshold, **SMALL))
        penalty = defense.penalty(_batch(z, torch.zeros(8, dtype=torch.int64), x=x))
        penalty.backward()
        assert bool(penalty > 0) is is_open
        assert bool(z.grad.norm() > 0) is is_open
        assert sum(parameter.grad.norm() for parameter in defense.parameters()) > 0


def test_reversal_gives_the_client_the_adversary_s_gradient_times_minus_alpha():
    defense, z, x = _mimicked(Arl(alpha=2.0, form="reversal", **SMALL))
    penalty = defense.penalty(_batch(z, torch.zeros(8, dtype=torch.int64), x=x))
    loss = ((defense.adversary(z) - x).square().mean() + 1e-4).log() / 2
    reversed_gradient = torch.autograd.grad(penalty, z, retain_graph=True)[0]
    torch.testing.assert_close(reversed_gradient, -2 * torch.autograd.grad(loss, z, retain_graph=True)[0])
    parameters = list(defense.parameters())
    trained = torch.autograd.grad(penalty, parameters)
    for mine, straight in zip(trained, torch.autograd.grad(loss, parameters), strict=True):
        torch.testing.assert_close(mine, straight)


def test_the_adversary_learns_whatever_the_client_s_weight():
    learned = []
    for alpha in (0.01, 1.0):
        defense, z, _ = _mimicked(Arl(alpha=alpha, **SMALL))
        x = F.interpolate(z[:, :3].detach(), scale_factor=4.0)
        (group,) = defense.parameter_groups(0.1)
        assert group.pop("optimiser") == "adam"
        optimiser = torch.optim.Adam([group])
        seen = []
        for _ in range(15):
            seen.append(adversary.similarity(adversary.duel(defense.adversary, z).learning, x).item())
            optimiser.zero_grad()
            defense.penalty(_batch(z, torch.zeros(8, dtype=torch.int64), x=x)).backward()
            optimiser.step()
        learned.append(seen[-1] - seen[0])
    assert learned[0] > 0.02
    assert learned[0] == pytest.approx(learned[1], rel=0.05)


@pytest.mark.parametrize(("create", "sees_noise"), [(Arl, True), (Patrol, True), (PatrolCode, False)])
def test_the_adversary_sees_the_noisy_release_but_in_the_public_code(create, sees_noise):
    defense, z, x = _mimicked(create(alpha=1.0, **SMALL))
    y = torch.zeros(8, dtype=torch.int64)
    client = nn.Conv2d(3, 4, 4, stride=4)
    batch = _batch(z, y, x=x, client=client, z_clean=z.detach() + 1e-3)
    (seen,) = torch.autograd.grad(defense.penalty(batch), z, allow_unused=True)
    assert (seen is not None) is sees_noise


@pytest.mark.parametrize("form", ["hinge", "reversal"])
def test_of_two_adversaries_the_client_pays_for_the_better_one_and_both_learn(form):
    defense, z, x = _mimicked(Arl(alpha=1.0, form=form, threshold=0.0, adversaries=2, **SMALL))
    alone = Arl(alpha=1.0, form=form, threshold=0.0, **SMALL)
    alone.adversary = defense.adversary
    batch = _batch(z, torch.zeros(8, dtype=torch.int64), x=x)
    penalty = defense.penalty(batch)
    assert penalty.item() == pytest.approx(alone.penalty(batch).item(), rel=1e-5)
    penalty.backward()
    for network in (defense.adversary, defense.second):
        assert sum(parameter.grad.norm() for parameter in network.parameters()) > 0
    assert len(defense.parameter_groups(0.1)) == 2


def test_adversaries_begin_anew_in_turns():
    defense, _, _ = _mimicked(Arl(adversaries=2, reset=2, **SMALL))
    networks = (defense.adversary, defense.second)
    begun = []
    for epoch in range(4):
        before = [nn.utils.parameters_to_vector(network.parameters()) for network in networks]
        defense.end_epoch(_epoch(nn.Identity(), progress=0.2, number=epoch))
        after = [nn.utils.parameters_to_vector(network.parameters()) for network in networks]
        begun.append([not torch.equal(new, old) for new, old in zip(after, before, strict=True)])
    assert begun == [[False, False], [False, True], [False, False], [True, False]]


def test_an_adversary_s_rate_falls_to_0_on_a_cosine_and_stays_where_it_is_constant():
    for course, rates in (("cosine", [1e-3, 5e-4, 0.0]), ("constant", [1e-3] * 3)):
        defense, _, _ = _mimicked(Arl(course=course, **SMALL))
        _, adam = RECIPES["fast"].optimisers(
            [{"params": [nn.Parameter(torch.ones(1))]}, *defense.parameter_groups(0.1)]
        )
        seen = []
        for progress in (0.0, 0.5, 1.0):
            follow_courses(adam, progress)
            seen.append(adam.param_groups[0]["lr"])
        assert seen == pytest.approx(rates)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("form", "gan", "form takes hinge or reversal, not 'gan'"),
        ("course", "linear", "course takes constant or cosine, not 'linear'"),
        ("adversaries", 3, r"adversaries takes a whole number in \[1, 2\], not 3"),
    ],
)
def test_an_unknown_form_or_number_is_refused(setting, value, message):
    with pytest.raises(ValueError, match=message):
        Arl(**{setting: value})


def test_the_hinge_s_similarity_counts_windows_across_the_border_and_is_the_larger_one():
    torch.manual_seed(0)
    x = F.interpolate(torch.rand(64, 3, 8, 8), scale_factor=4.0, mode="bilinear")
    blurred = F.interpolate(F.avg_pool2d(x, 8), scale_factor=8.0, mode="bilinear")
    padded = float(adversary.published_similarity(blurred, x))
    inside = adversary.ssim_map(blurred, x)[..., 5:-5, 5:-5].mean()
    assert float(inside) == pytest.approx(float(adversary.similarity(blurred, x)), abs=1e-4)
    assert padded > float(inside) + 0.1


# ---- the linear adversary


def seen_through_noise(gain: Tensor, count: int) -> tuple[LinearAdversary, Batch]:
    """An adversary, and images whose 48 lowest frequencies, of variance .04, are released with a noise of .1."""
    torch.manual_seed(0)
    defense = LinearAdversary(lam=2.0, side=4, memory=0.0)
    shapes = Shapes((3, 8, 8), (3, 4, 4), 2)
    defense.attach(nn.Identity(), shapes)
    y = torch.arange(count) % 2
    components = 0.2 * torch.randn(count, 3, 4, 4) + y.view(-1, 1, 1, 1)
    z = gain * components
    batch = _batch(z + 0.1 * torch.randn_like(z), y, x=defense.rows.mT @ components @ defense.columns)
    return defense, batch


def test_the_best_linear_attacker_tells_half_the_log_of_one_plus_the_ratio_and_its_gradient_is_exact():
    gain = torch.tensor(0.7, requires_grad=True)
    defense, batch = seen_through_noise(gain, 20_000)
    penalty = defense.penalty(batch)
    ratio = 0.7**2 * 0.04 / 0.01
    assert penalty.item() == pytest.approx(2 * math.log(1 + ratio) / 2, rel=0.02)
    (slope,) = torch.autograd.grad(penalty, gain)
    assert slope.item() == pytest.approx(2 * (ratio / 0.7) / (1 + ratio), rel=0.03)


def test_what_a_linear_attacker_cannot_tell_costs_nothing():
    defense, batch = seen_through_noise(torch.tensor(0.0), 5000)
    assert defense.penalty(batch).item() == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(("fourier", "told"), [(0, False), (200, True)])
def test_what_only_a_curve_tells_is_told_to_waves_and_pays_with_a_gradient(fourier, told):
    torch.manual_seed(0)
    defense = LinearAdversary(lam=1.0, side=1, memory=0.0, fourier=fourier)
    defense.attach(nn.Identity(), Shapes((3, 8, 8), (3, 1, 1), 2))
    y = torch.arange(4000) % 2
    gain = torch.tensor(1.0, requires_grad=True)
    bare = 2 * torch.rand(4000, 3, 1, 1) - 1
    seen = _batch(gain * bare + 0.05 * torch.randn_like(bare), y, x=0.2 * (3 * bare).cos().expand(-1, -1, 8, 8))
    penalty = defense.penalty(seen)
    (slope,) = torch.autograd.grad(penalty, gain)
    assert (penalty.item() > 0.5) is told
    assert (slope.item() > 0.1) is told
    if not told:
        assert penalty.item() < 0.01


def test_the_components_are_orthonormal():
    waves = cosines(8, 32)
    torch.testing.assert_close(waves @ waves.mT, torch.eye(8), rtol=0, atol=1e-5)


# ---- pruning


def test_pruning_rises_from_a_tenth_to_half_of_the_training():
    shares = [pruned_share(step / 100) for step in range(101)]
    assert shares == sorted(shares)
    assert shares[:11] == [0.0] * 11
    assert 0 < shares[11] < shares[49] < 1
    assert shares[50:] == [1.0] * 51


def test_patrol_silences_the_channels_of_least_scale_and_leaves_the_release_its_shape():
    client, defense, shapes = _vgg(Patrol(prune=0.5, **SMALL))
    layers = pruning.layers(client)
    for layer in layers.values():
        nn.init.uniform_(layer.weight)
    defense.end_epoch(_epoch(client, progress=0.3))
    early = [layer.get_buffer(pruning.MASK).clone() for layer in layers.values()]
    defense.end_epoch(_epoch(client, progress=0.5))
    for layer, before in zip(layers.values(), early, strict=True):
        mask, scale = layer.get_buffer(pruning.MASK), layer.weight
        assert (mask == 0).sum() == layer.num_features // 2
        assert scale[mask == 0].max() < scale[mask > 0].min()
        assert 0 < (before == 0).sum() < (mask == 0).sum()
        assert (mask <= before).all()
        output = layer(torch.randn(2, layer.num_features, 3, 3))
        assert output[:, mask == 0].abs().max() == 0
    assert client(torch.rand(2, *shapes.image)).shape[1:] == shapes.activation


def test_a_pruned_channel_stays_pruned_whatever_its_scale():
    client, defense, _ = _vgg(Patrol(prune=0.5, **SMALL))
    defense.end_epoch(_epoch(client, progress=0.5))
    layer = next(iter(pruning.layers(client).values()))
    mask = layer.get_buffer(pruning.MASK).clone()
    nn.init.constant_(layer.weight, 1.0)
    layer.weight.data[mask == 0] = 9.0
    defense.end_epoch(_epoch(client, progress=1.0))
    assert torch.equal(layer.get_buffer(pruning.MASK), mask)


def test_patrol_s_mask_is_trained_with_the_client_and_ranks_its_channels():
    client, defense, _ = _vgg(Patrol(prune=0.5, **SMALL))
    layer = next(iter(pruning.layers(client).values()))
    soft = layer.get_parameter(pruning.SOFT)
    assert any(parameter is soft for parameter in client.parameters())
    with torch.no_grad():
        soft[::2] = 0.1
    defense.end_epoch(_epoch(client, progress=0.5))
    assert torch.equal(layer.get_buffer(pruning.MASK), torch.arange(len(soft)) % 2)


def test_masks_survive_saving():
    client, defense, _ = _vgg(Patrol(prune=0.5, **SMALL))
    defense.end_epoch(_epoch(client, progress=0.5))
    fresh, _, shapes = _vgg(Patrol(prune=0.5, **SMALL))
    fresh.load_state_dict(client.state_dict())
    x = torch.rand(2, *shapes.image)
    assert torch.equal(fresh.eval()(x), client.eval()(x))


def test_patrol_without_strength_leaves_the_client_alone():
    for create in (Patrol, PatrolCode):
        client, _, _ = _vgg(create(alpha=0, **SMALL))
        assert not pruning.layers(client)


def test_the_code_prunes_once_at_three_quarters_and_no_narrow_layer():
    client, defense, _ = _vgg(PatrolCode(prune=0.05, **SMALL), width=0.5)
    layers = pruning.layers(client)
    assert [layer.num_features for layer in layers.values()] == [64]
    mask = next(iter(layers.values())).get_buffer(pruning.MASK)
    defense.end_epoch(_epoch(client, progress=0.74))
    assert (mask == 0).sum() == 0
    defense.end_epoch(_epoch(client, progress=0.75))
    once = mask.clone()
    assert (once == 0).sum() == 64 - int(64 * 0.95)
    defense.end_epoch(_epoch(client, progress=0.8))
    assert torch.equal(mask, once)


def test_the_taylor_importance_is_the_change_of_a_linear_client_without_the_channel():
    torch.manual_seed(0)
    client = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 4, 3))
    pruning.register(client, SHAPES)
    x = torch.rand(2, 3, 16, 16)
    importance = pruning.taylor_importance(client, x)["1"]
    client.eval()
    whole, mask = client(x).sum(), client[1].get_buffer(pruning.MASK)
    for channel in range(6):
        mask.fill_(1)[channel] = 0
        assert importance[channel] == pytest.approx((client(x).sum() - whole).abs().item(), rel=1e-3, abs=1e-3)


# ---- sensitivity


def test_dfil_of_a_scaled_copy_is_its_squared_scale_over_the_noise():
    torch.manual_seed(0)
    client = Scaled(0.7)
    x = torch.rand(64, 3, 16, 16)
    y = torch.zeros(64, dtype=torch.int64)
    penalty = Dfil(lam=2.0, images=64).penalty(_batch(client(x), y, x=x, client=client, sigma=0.1))
    assert penalty.item() == pytest.approx(2 * math.log1p(0.49 / 0.01), rel=0.02)
    (slope,) = torch.autograd.grad(penalty, client.scale)
    assert slope.item() == pytest.approx(2 * (2 * 0.7 / 0.01) / (1 + 0.49 / 0.01), rel=0.03)


def test_the_prior_s_jacobian_of_a_scaled_copy_is_the_difference_of_two_images_of_a_class():
    torch.manual_seed(0)
    client, x = Scaled(0.7), torch.rand(64, 3, 16, 16)
    y = torch.arange(64) % 8
    penalty = PriorJacobian(lam=2.0, images=64).penalty(_batch(client(x), y, x=x, client=client, sigma=0.1))
    # two uniform values differ by 1 / 6 in the mean square
    assert penalty.item() == pytest.approx(2 * math.log1p(0.49 / 6 / 0.01), rel=0.02)
    alone = PriorJacobian(lam=2.0).penalty(_batch(client(x), torch.arange(64), x=x, client=client))
    assert alone == 0


def test_a_partner_is_another_image_of_the_same_class():
    torch.manual_seed(0)
    y = torch.tensor([0, 1, 0, 2, 1, 0])
    other, found = partners(y[:4], y)
    assert found.tolist() == [1, 1, 1, 0]
    assert [int(y[o]) for o in other[:3]] == [0, 1, 0]
    assert (other[:3] != torch.arange(3)).all()


def test_the_ratios_of_scaled_copies_are_their_scales_block_by_block():
    ratios = lipschitz_ratios([Scaled(0.7), Scaled(3.0)], torch.rand(16, 3, 16, 16), 0.01)
    assert [ratio.item() for ratio in ratios] == pytest.approx([0.7, 3.0], rel=1e-4)


def test_a_ratio_is_the_largest_over_images():
    x = torch.rand(8, 3, 16, 16)
    x[0] = 4.0
    (ratio,) = lipschitz_ratios([Squared()], x, 1e-3)
    assert ratio.item() == pytest.approx(8, rel=0.01)


def test_blocks_are_layers_with_weights_and_what_follows():
    client = nn.Sequential(
        nn.Identity(), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.Sigmoid()
    )
    assert [len(list(block.children())) for block in blocks(client)] == [1, 3, 2]
    assert [len(list(block.children())) for block in blocks(client[1:])] == [3, 2]
    assert blocks(client[1]) == [client[1]]


@pytest.mark.parametrize("measure", [squared_jacobian, lambda client, x: lipschitz_ratios([client], x, 0.01)[0]])
def test_weights_that_a_norm_scales_back_are_left_alone(measure):
    torch.manual_seed(0)
    client = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.BatchNorm2d(4), nn.Sigmoid())
    x, weight = torch.rand(16, 3, 16, 16), client[0].weight
    values = []
    for _ in range(2):
        torch.manual_seed(1)
        value = measure(client, x).mean()
        (slope,) = torch.autograd.grad(value, weight)
        assert F.cosine_similarity(slope.flatten(), weight.flatten(), dim=0).abs() < 1e-2
        values.append(value.item())
        weight.data *= 5
    assert values[0] == pytest.approx(values[1], rel=1e-2)


def test_measuring_a_client_leaves_its_mode_and_its_statistics_alone():
    client = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.BatchNorm2d(4), nn.Sigmoid())
    client[0].eval()
    before = {key: value.clone() for key, value in client.state_dict().items()}
    x = torch.rand(4, 3, 16, 16)
    Dfil().penalty(_batch(torch.rand(4, 4, 4, 4), torch.zeros(4, dtype=torch.int64), x=x, client=client))
    lipschitz_ratios([client], x, 0.01)
    assert [module.training for module in client] == [False, True, True]
    for key, value in client.state_dict().items():
        assert torch.equal(value, before[key])


class Scaled(nn.Module):
    """Releases a scaled copy of the image."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


class Squared(nn.Module):
    """Releases the squares."""

    def forward(self, x: Tensor) -> Tensor:
        return x.square()


# ---- knife


def test_the_cross_entropy_under_one_gaussian_is_its_closed_form():
    torch.manual_seed(0)
    z, y = torch.rand(20, 6), torch.arange(20) % 2
    mean, excess, noise = torch.rand(2, 1, 6), 0.01 + torch.rand(2, 1, 6), 0.04
    nats = cross_entropy(z, y, mean, excess.expm1().log(), torch.zeros(2, 1), noise)
    mean, excess = mean[y, 0], excess[y, 0]
    expected = torch.log1p(excess / noise) + ((z - mean).square() - excess) / (excess + noise)
    torch.testing.assert_close(nats, expected.mean(1) / 2, rtol=1e-4, atol=1e-6)


def test_integrating_the_noise_out_keeps_above_the_cross_entropy_of_noisy_draws():
    torch.manual_seed(0)
    z, y, noise = torch.rand(50, 3), torch.zeros(50, dtype=torch.int64), 0.04
    means, excess, logits = torch.rand(1, 4, 3), 0.02 * torch.rand(1, 4, 3) + 0.001, torch.randn(1, 4)
    nats = cross_entropy(z, y, means, excess.expm1().log(), logits, noise)
    component = torch.distributions.Independent(torch.distributions.Normal(means[0], (excess[0] + noise).sqrt()), 1)
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=logits[0]), component)
    noisy = z + 0.2 * torch.randn(20_000, 50, 3)
    entropy = 0.5 * math.log(2 * math.pi * math.e * noise)
    drawn = -mixture.log_prob(noisy).mean(0) / 3 - entropy
    assert (nats >= drawn - 0.01).all()
    assert nats.mean() == pytest.approx(float(drawn.mean()), rel=0.25)


def test_one_half_of_a_batch_trains_the_mixture_and_the_other_the_client():
    z, y = _features(40)
    defense = Knife(lam=3.0)
    defense.attach(nn.Identity(), SHAPES)
    defense.end_epoch(_epoch(nn.Identity(), progress=0.1, z=z, y=y))
    z = z.requires_grad_()
    penalty = defense.penalty(_batch(z, y))
    own = defense.estimate(z[::2].detach(), y[::2], 0.1)
    seen, mine = torch.autograd.grad(penalty, [z, defense.means])
    assert seen[::2].abs().max() == 0
    assert seen[1::2].norm() > 0
    torch.testing.assert_close(mine, torch.autograd.grad(own, defense.means)[0])
    assert penalty.item() == pytest.approx(3 * defense.estimate(z[1::2], y[1::2], 0.1).item(), rel=1e-4)


def test_knife_follows_a_client_whose_features_shrink_and_move():
    torch.manual_seed(0)
    y = torch.arange(1000) % 5
    wide, narrow = 0.5 * torch.randn(1000, 4, 4, 4), 0.8 + 0.05 * torch.randn(1000, 4, 4, 4)
    defense = Knife()
    defense.attach(nn.Identity(), SHAPES)
    defense.end_epoch(_epoch(nn.Identity(), progress=0.1, z=wide, y=y))
    truth = math.log(1 + 0.25) / 2
    assert defense.estimate(narrow, y, 0.1).item() > 4 * truth
    defense.end_epoch(_epoch(nn.Identity(), progress=0.2, z=narrow, y=y))
    assert defense.estimate(narrow, y, 0.1).item() == pytest.approx(truth, rel=0.15)


def test_knife_charges_nothing_before_its_mixture_has_a_start():
    z, y = _features(40)
    defense = Knife()
    defense.attach(nn.Identity(), SHAPES)
    assert defense.penalty(_batch(z, y)) == 0


# ---- learned noise


def test_the_noise_s_penalty_is_half_the_log_of_one_plus_the_signal_s_share():
    z, y = _features(200)
    defense = LearnedNoise(lam=2.0, least=0.01, most=0.09)
    defense.attach(nn.Identity(), SHAPES)
    deviations = torch.stack([z[y == label].flatten(1).var(0) * ((y == label).sum() - 1) for label in range(5)])
    expected = torch.log1p(deviations.sum(0) / 195 / (0.1**2 + 0.03**2)).mean()
    assert defense.penalty(_batch(z, y)).item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_variance_within_classes_is_unbiased_in_small_batches():
    torch.manual_seed(0)
    y = torch.arange(20) % 7
    mean = torch.stack([variance_within(0.5 * torch.randn(20, 50) + y[:, None], y, 9) for _ in range(100)]).mean()
    assert mean == pytest.approx(0.25, rel=0.02)


def test_noise_grows_where_the_task_needs_nothing():
    torch.manual_seed(0)
    defense = LearnedNoise(lam=1.0)
    defense.attach(nn.Identity(), Shapes((3, 16, 16), (2, 1, 1), 2))
    (group,) = defense.parameter_groups(0.1)
    optimiser = torch.optim.Adam(group["params"], lr=0.05)
    y = torch.arange(128) % 2
    for _ in range(100):
        z = 0.3 * torch.rand(128, 2, 1, 1)
        optimiser.zero_grad()
        needed = (defense(z) - z)[:, 0].square().mean()
        (20 * needed + defense.penalty(_batch(z, y))).backward()
        optimiser.step()
    needed, useless = defense.noise_std(z)[0].flatten().tolist()
    assert 0.01 < needed < 0.15
    assert 0.5 < useless < 1


def test_the_largest_deviation_is_no_less_than_the_least():
    with pytest.raises(ValueError, match=r"most takes a finite number >= 0\.5, not 0\.1"):
        LearnedNoise(least=0.5, most=0.1)


# ---- renyi


def test_renyi_s_information_of_two_images_is_its_closed_form():
    x, z = torch.tensor([[0.0], [0.2]]), torch.tensor([[0.0], [0.3]])
    first, second = squared_kernel(x, 0.04), squared_kernel(z, 0.09)
    torch.testing.assert_close(first[0, 1], torch.tensor(math.exp(-1)))
    alike = math.exp(-1)
    expected = math.log(2 * (1 + alike**2) / (1 + alike) ** 2)
    assert information(first, second, torch.zeros(2, dtype=torch.int64)) == pytest.approx(expected, rel=1e-4)


def test_renyi_s_information_is_that_of_entropies_of_matrices():
    z, y = _features(30)
    torch.manual_seed(0)
    first, second = squared_kernel(z + 0.3 * torch.rand_like(z), 0.04), squared_kernel(z, 0.04)
    same = (y[:, None] == y).float()
    roots = first.sqrt(), second.sqrt()

    def entropy(*kernels: Tensor) -> Tensor:
        product = torch.stack(kernels).prod(0)
        return -(product / product.trace()).square().sum().log()

    expected = entropy(roots[0], same) + entropy(roots[1], same) - entropy(same) - entropy(*roots, same)
    assert information(first, second, y) == pytest.approx(float(expected), rel=1e-3)


def test_renyi_s_penalty_falls_as_activations_shrink_and_is_0_where_they_are_one():
    z, y = _features(60)
    x = F.interpolate(z[:, :3], scale_factor=4.0)
    penalties = [float(Renyi().penalty(_batch(size * z, y, x=x))) for size in (1.0, 0.7, 0.4, 0.1, 0.0)]
    assert penalties == sorted(penalties, reverse=True)
    assert penalties[-1] == pytest.approx(0, abs=1e-5)
    assert penalties[0] < math.log(60)


# ---- pairwise


def test_two_of_a_class_tell_their_squared_distance_and_one_alone_nothing():
    z = torch.tensor([0.1, 0.5, 0.9]).view(3, 1, 1, 1).expand(3, 2, 2, 2)
    two = 0.4**2 / (2 * 0.04)
    assert pairwise_bound(z, torch.tensor([0, 0, 1]), 0.04) == pytest.approx(two, rel=1e-4)
    assert pairwise_bound(z, torch.tensor([0, 1, 2]), 0.04) == 0


def test_the_pairwise_bound_of_a_gaussian_is_its_closed_form():
    torch.manual_seed(0)
    z = 0.2 * torch.randn(1200, 6, 1, 1)
    ratio = 0.04 / 0.01
    expected = (math.log(1 + ratio) + ratio / (1 + ratio)) / 2
    assert pairwise_bound(z, torch.arange(1200) % 2, 0.01) == pytest.approx(expected, rel=0.03)


def test_the_pairwise_bound_agrees_with_a_loop_over_images():
    z, y = _features(40)
    nats = []
    for i, (mine, label) in enumerate(zip(z, y, strict=True)):
        rest = torch.cat([z[:i], z[i + 1 :]])[torch.cat([y[:i], y[i + 1 :]]) == label]
        distance = (rest - mine).flatten(2).square().sum(-1)
        nats.append(-torch.exp(-distance / 0.08).mean(0).log().sum() / 64)
    assert pairwise_bound(z, y, 0.04) == pytest.approx(float(torch.stack(nats).mean()), rel=1e-4)


def test_distant_pairs_attract_each_other_and_the_temperature_falls_to_1():
    z = torch.tensor([0.0, 9.0]).view(2, 1, 1, 1).expand(2, 4, 4, 4).clone().requires_grad_()
    y = torch.zeros(2, dtype=torch.int64)
    defense = Pairwise(lam=1.0, temperature=64.0)
    start, middle = (defense.penalty(_batch(z, y, progress=progress)) for progress in (0.0, 0.5))
    end = defense.estimate(z, y, 0.1)
    assert (end / middle).item() == pytest.approx(8, rel=1e-4)
    assert (end / start).item() == pytest.approx(64, rel=1e-4)
    (gradient,) = torch.autograd.grad(start, z)
    assert (gradient[0] < 0).all()
    assert (gradient[1] > 0).all()


def _features(count: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(count)
    y = torch.arange(count) % 5
    return torch.sigmoid(torch.randn(count, 4, 4, 4) + y.view(-1, 1, 1, 1)), y


def _batch(
    z: Tensor,
    y: Tensor,
    *,
    x: Tensor | None = None,
    client: nn.Module | None = None,
    z_clean: Tensor | None = None,
    sigma: float = 0.1,
    progress: float = 0.1,
) -> Batch:
    return Batch(
        x=z if x is None else x,
        client=client or nn.Identity(),
        z_clean=z if z_clean is None else z_clean,
        z=z,
        y=y,
        sigma=sigma,
        progress=progress,
        lr=0.05,
        epoch=1,
    )


def _epoch(
    model: nn.Module, progress: float, z: Tensor | None = None, y: Tensor | None = None, number: int = 0
) -> Epoch:
    activations = torch.zeros(0) if z is None else z.detach()

    def features(augment: bool = False) -> Tensor:
        return activations

    labels = torch.zeros(0, dtype=torch.int64) if y is None else y
    return Epoch(features=features, y=labels, model=model, batch_size=32, progress=progress, lr=0.05, epoch=number)


def _mimicked(defense: Defense) -> tuple[Defense, Tensor, Tensor]:
    """Return an attached defense, releases, and images that its adversary reconstructs fairly well."""
    torch.manual_seed(0)
    defense.attach(nn.Identity(), SHAPES)
    z = torch.rand(8, 4, 4, 4, requires_grad=True)
    with torch.no_grad():
        x = (0.9 * defense.adversary(z) + 0.1 * torch.rand(8, 3, 16, 16)).clamp(0, 1)
    return defense, z, x


def _vgg(defense: Defense, width: float = 0.25) -> tuple[nn.Module, Defense, Shapes]:
    torch.manual_seed(0)
    client, _ = build_model(
        Network(name="vgg11_bn_sgm", width=width), Pictures(num_classes=10, mean=(0.5,) * 3, std=(0.25,) * 3)
    )
    shapes = Shapes((3, 32, 32), (8, 8, 8), 10)
    defense.attach(client, shapes)
    return client, defense, shapes
