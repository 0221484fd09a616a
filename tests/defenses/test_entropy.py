"""The conditional-entropy family: one contract, what sets the published forms apart, and the diagnostics of a trial."""

import math

import pytest
import torch
from torch import Tensor, nn

import defenses
from defenses import contract
from defenses.base import Batch, Defense, Shapes
from defenses.contract.bench import optimisers
from defenses.diagnostics import NAMES, diagnose
from defenses.fusion_parallel import smaller
from defenses.fusion_shortcut import FusionShortcut, drawn
from defenses.gated_adversarial import GatedAdversarial, worst_attention
from defenses.gated_attention import GatedAttention
from defenses.gated_closed import GatedClosed
from defenses.gates import normalised, over_members
from defenses.mixtures import Mixture, charged, class_means, log_ratio, moments, shrunk
from defenses.rows import Bank, by_class
from defenses.slot_attention import SlotAttention

ACTIVE = {
    "class_gaussian": {"lam": 0.5},
    "gated_attention": {"lam": 16.0},
    "gated_closed": {"lam": 0.5, "hidden": 16, "bank": 16},
    "gated_heads": {"lam": 0.5, "hidden": 16, "bank": 16},
    "gated_random": {"lam": 0.5, "hidden": 16, "bank": 16},
    "gated_adversarial": {"lam": 0.5, "bank": 16},
    "slot_attention": {"lam": 16.0, "shut_off": False},
    "slot_corrected": {"lam": 0.5, "slots": 4, "dim": 16, "bank": 16},
    "slot_random": {"lam": 0.5, "slots": 4, "dim": 16, "bank": 16},
    "kmeans": {"lam": 0.5, "clusters": 3, "bank": 48},
    "fusion_shortcut": {"lam": 0.5, "slots": 4, "dim": 16, "bank": 16},
    "fusion_parallel": {"lam": 0.5, "slots": 4, "dim": 16, "hidden": 16, "bank": 16},
    "fusion_mixture": {"lam": 0.5, "slots": 4, "dim": 16, "bank": 16},
}
PUBLISHED = ("gated_attention", "slot_attention")
OURS = tuple(name for name in ACTIVE if name not in PUBLISHED)
SHAPES = Shapes(image=(3, 8, 8), activation=(4, 4, 4), num_classes=3)


AGAIN = (
    "falls_as_features_shrink",
    "rises_as_the_noise_falls",
    "follows_the_client",
    "bounds_what_a_base_releases",
)
"""Laws of a bound that every run asks of what a fusion is made of, and of the fusions themselves the slow tests."""


@pytest.mark.parametrize(
    ("name", "law"),
    [
        pytest.param(
            name, law, id=f"{name}-{law}", marks=[pytest.mark.slow] * (name.startswith("fusion_") and law in AGAIN)
        )
        for name in ACTIVE
        for law in contract.LAWS
    ],
)
def test_every_defense_keeps(name, law):
    contract.LAWS[law](contract.Case(defenses.DEFENSES[name], ACTIVE[name]))


@pytest.mark.parametrize("name", OURS)
def test_the_penalty_is_lam_times_nats_per_feature(name):
    z, y = _features(240)
    values = []
    for lam in (0.5, 1.0):
        defense = _attached(name, lam=lam)
        torch.manual_seed(1)
        values.append(_penalty(defense, _batch(z, y)))
    assert values[1] == pytest.approx(2 * values[0], rel=1e-4)
    assert values[1] == pytest.approx(_nats(defense, z, y), rel=0.35)


@pytest.mark.parametrize("name", ACTIVE)
def test_without_noise_the_penalty_is_refused(name):
    with pytest.raises(ValueError, match=r"needs channel noise: model/sigma is 0\.0, set it above 0"):
        _attached(name).penalty(_batch(*_features(24), sigma=0.0, progress=0.5))


@pytest.mark.parametrize("name", ACTIVE)
@pytest.mark.parametrize("sigma", [0.01, 0.5])
def test_gradients_are_finite_at_the_extremes(name, sigma):
    defense = _attached(name)
    constant = torch.zeros(12, *SHAPES.activation)
    y = torch.tensor([0] * 11 + [2])  # class 1 is missing, class 2 has one image
    for z in (constant, constant + 1, 1e3 * torch.randn_like(constant), torch.rand_like(constant).round()):
        z.requires_grad_()
        penalty = defense.penalty(_batch(z, y, sigma=sigma, progress=0.5))
        penalty.backward()
        assert penalty.isfinite()
        assert z.grad.isfinite().all()
        assert all(p.grad is None or p.grad.isfinite().all() for p in defense.parameters())


@pytest.mark.parametrize("name", OURS)
def test_descending_the_penalty_lowers_what_a_release_tells(name):
    z, y = _features(96)
    defense = _attached(name)
    before = diagnose(z, y, 0.1)["class_gaussian_nats"]
    z = z.clone().requires_grad_()
    optimiser = torch.optim.SGD([z], lr=20.0)
    for _ in range(15):
        optimiser.zero_grad()
        defense.penalty(_batch(z, y)).backward()
        optimiser.step()
    assert diagnose(z.detach(), y, 0.1)["class_gaussian_nats"] < 0.9 * before


# ---- the mixture beneath


def test_with_one_component_the_charge_is_the_class_gaussian_bound():
    z, y = _features(300)
    variances = torch.stack([z[y == label].flatten(1).var(0, correction=0) for label in range(3)])
    expected = (torch.log1p(variances / 0.01).mean(1) / 2 * y.bincount() / 300).sum()
    assert _nats(_attached("class_gaussian"), z, y) == pytest.approx(float(expected), rel=1e-4)


def test_the_charge_with_its_own_moments_is_entropy_and_information_of_the_component():
    z, y = _features(300)
    flat = z.flatten(1)
    log_share = torch.randn(300, 4).log_softmax(1)
    mixture = moments(by_class(flat, y, 3), by_class(log_share.exp(), y, 3).points)
    expected = 0.0
    for label in range(3):
        share, points = log_share.exp()[y == label], flat[y == label]
        pi = share.mean(0)
        means = share.T @ points / share.sum(0)[:, None]
        variances = torch.stack([(share[:, k, None] * (points - means[k]).square()).sum(0) for k in range(4)])
        variances = variances / share.sum(0)[:, None]
        gaussian = pi @ torch.log1p(variances / 0.01).sum(1) / 2
        information = -(pi * pi.log()).sum() + (share * share.log()).sum(1).mean()
        expected += float(gaussian + information) * len(points) / 300
    assert float(charged(flat, y, log_share, mixture, 0.01).mean()) == pytest.approx(expected, rel=1e-4)


def test_the_log_ratio_of_the_true_law_is_the_information():
    torch.manual_seed(0)
    z, y = 0.3 * torch.randn(50_000, 2), torch.zeros(50_000, dtype=torch.int64)
    truth = Mixture(torch.ones(1, 1), torch.zeros(1, 1, 2), torch.full((1, 1, 2), 0.09), torch.ones(1, 1))
    measured = log_ratio(z, 0.1 * torch.randn_like(z), y, truth, 0.01).mean()
    assert float(measured) == pytest.approx(math.log(1 + 9), rel=0.01)


def test_the_charge_without_information_would_fall_below_the_truth():
    # a slot for every image: variances are 0, and only the information charge is left
    z, y = _features(30)
    flat, log_share = z.flatten(1), (1000 * torch.eye(30)).log_softmax(1)
    mixture = moments(by_class(flat, y, 3), by_class(log_share.exp(), y, 3).points)
    each = charged(flat, y, log_share, mixture, 0.01)
    torch.testing.assert_close(each, y.bincount()[y].float().log())


def test_shrinkage_draws_a_slot_to_the_tied_variance_and_not_to_the_class_s():
    mixture = Mixture(
        torch.tensor([[0.75, 0.25]]),
        torch.tensor([[[0.0], [9.0]]]),
        torch.tensor([[[1.0], [5.0]]]),
        torch.tensor([[12.0, 4.0]]),
    )
    assert shrunk(mixture, 0.0).variances.flatten().tolist() == [1, 5]
    assert shrunk(mixture, 4.0).variances.flatten().tolist() == pytest.approx([(12 + 8) / 16, (20 + 8) / 8])
    assert shrunk(mixture, 1e9).variances.flatten().tolist() == pytest.approx([2, 2])


def test_a_bank_keeps_the_last_features_of_every_class():
    bank = Bank(2, 3, 1)
    y = torch.tensor([0, 0, 1, 0, 0, 0])
    bank.push(torch.arange(6.0)[:, None], y)
    assert sorted(bank.points[0, :, 0].tolist()) == [3, 4, 5]
    assert bank.rows().member.tolist() == [[1, 1, 1], [1, 0, 0]]
    bank.push(torch.tensor([[6.0], [7.0]]), torch.tensor([1, 0]))
    assert sorted(bank.points[0, :, 0].tolist()) == [4, 5, 7]
    assert bank.points[1, :2, 0].tolist() == [2, 6]


# ---- class_gaussian


def test_merged_batches_have_the_moments_of_their_union():
    z, y = _features(200)
    whole, parts = _attached("class_gaussian"), _attached("class_gaussian")
    whole.penalty(_batch(z, y))
    for chosen in torch.arange(200).split(33):
        parts.penalty(_batch(z[chosen], y[chosen]))
    for name in ("counts", "means", "variances"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name), rtol=1e-4, atol=1e-6)


def test_old_images_fade_from_a_window():
    z, y = _features(90)
    defense = _attached("class_gaussian", window=30)
    for _ in range(20):
        defense.penalty(_batch(z, y))
    for _ in range(12):
        defense.penalty(_batch(0 * z, y))
    assert defense.counts.tolist() == [30, 30, 30]
    assert defense.variances.max() < 0.05 * z.var()


# ---- gated attention as published: the named exception


def test_shrinking_the_features_leaves_the_published_gate_s_loss_alone_and_not_the_truth():
    z, y = _features(240)
    published, bound = _attached("gated_attention"), _attached("class_gaussian")
    assert _nats(published, 0.1 * z, y) > 0.95 * _nats(published, z, y)
    assert _nats(bound, 0.1 * z, y) < 0.1 * _nats(bound, z, y)


def test_training_the_published_gate_alone_takes_its_loss_below_the_truth_by_attending_to_few_images():
    z, y = _features(39)
    published = _attached("gated_attention")
    truth = _nats(_attached("class_gaussian"), z, y)
    assert _nats(published, z, y) > truth
    optimiser = torch.optim.Adam(published.parameters(), lr=1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        published.estimate(z, y, 0.1).backward()
        optimiser.step()
    assert _nats(published, z, y) < 0.5 * truth
    rows = by_class(published.norm(z.flatten(1)).detach(), y, 3)
    attention = over_members(published.gate(rows.points)[..., 0], rows)
    assert (1 / attention.square().sum(1)).max() < 2


def test_the_published_gate_fails_the_law_of_a_bound():
    class Claims(GatedAttention):
        bound = "upper"

    with pytest.raises(AssertionError, match="at half the size the truth falls by"):
        contract.LAWS["falls_as_features_shrink"](contract.Case(Claims))


def test_the_published_gate_waits_for_its_warm_up_and_has_the_public_code_s_weight():
    z, y = _features(60)
    defense = _attached("gated_attention")
    assert _penalty(defense, _batch(z, y, progress=4.9 / 240)) == 0
    hinge = _nats(defense, z, y)
    assert _penalty(defense, _batch(z, y, progress=5.1 / 240)) == pytest.approx(16 * 0.1 * 0.001 / 0.05 * hinge)


# ---- gates that bound


@pytest.mark.parametrize("name", ["gated_random", "slot_random", "kmeans"])
def test_a_control_has_nothing_that_learns(name):
    assert _attached(name).parameter_groups(0.1) == []


def test_k_means_follows_clusters_that_move_as_one_step_of_lloyd_s_a_step():
    defense = _attached("kmeans", bank=64)
    for drift in (0.0, 0.3, 0.6):
        for _ in range(5):
            z, y = three_clusters(96)
            defense.penalty(_batch(z + drift, y))
    z, y = three_clusters(1200)
    assert 0.97 * CLUSTERED < _nats(defense, z + 0.6, y) < 4 * CLUSTERED


def test_any_attention_gives_a_bound_and_uniform_attention_the_class_gaussian_one():
    z, y = _features(240)
    reference = _nats(_attached("class_gaussian"), z, y)
    gated = _attached("gated_closed")
    assert isinstance(gated, GatedClosed)
    # v is the unbiased variance, which costs a little of the n that the other divides by
    assert reference <= _nats(gated, z, y) < 1.001 * reference
    for scale in (0.3, 3.0, 100.0):
        nn.init.normal_(gated.gate.score.weight, std=scale)
        assert _nats(gated, z, y) > reference


def test_heads_find_components_that_one_gaussian_does_not():
    torch.manual_seed(0)
    y = torch.arange(600) % 3
    z = (0.1 * torch.randn(600, 64) + torch.randn(4, 64)[torch.randint(4, (600,))]).view(-1, *SHAPES.activation)
    heads = _attached("gated_heads")
    optimiser = torch.optim.Adam(heads.parameters(), lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        heads.estimate(z, y, 0.1).backward()
        optimiser.step()
    assert _nats(heads, z, y) < 0.7 * _nats(_attached("class_gaussian"), z, y)


@pytest.mark.parametrize("rho", [0.0, 0.2, 0.5, 9.0])
def test_adversarial_attention_leaves_the_uniform_one_by_rho(rho):
    torch.manual_seed(0)
    member = (torch.arange(20) < torch.tensor([[20], [6], [0]])).float()
    attention = worst_attention(torch.randn(3, 20), member, rho)
    size = member.sum(1)
    divergence = torch.xlogy(attention, attention * size[:, None]).sum(1)
    most = torch.minimum(torch.tensor(rho), size.clamp(min=1).log())
    torch.testing.assert_close(divergence, most, rtol=0.02, atol=1e-3)
    torch.testing.assert_close(attention.sum(1), (size > 0).float())


def test_the_adversarial_bound_grows_with_rho_from_the_class_gaussian_one():
    z, y = _features(240)
    values = []
    for rho in (0.0, 0.2, 0.5):
        defense = GatedAdversarial(rho=rho)
        defense.attach(nn.Identity(), SHAPES)
        values.append(_nats(defense, z, y))
    assert values[0] == pytest.approx(_nats(_attached("class_gaussian"), z, y), rel=1e-3)
    assert values[0] < values[1] < values[2]


def test_what_a_gate_looks_at_does_not_depend_on_the_features_scale():
    z, _ = _features(8)
    torch.testing.assert_close(normalised(z.flatten(1)), normalised(7 * z.flatten(1) + 3), rtol=1e-3, atol=1e-3)


# ---- slots and fusions


def test_under_its_rule_the_published_slot_loss_is_zero_and_without_it_is_not():
    z, y = _features(60)
    penalties = {}
    for shut_off in (True, False):
        defense = _attached("slot_attention", shut_off=shut_off)
        assert isinstance(defense, SlotAttention)
        defense.calls.fill_(1000)
        batch = _batch(z.clone().requires_grad_(), y, sigma=0.025, progress=0.5)
        penalty = defense.penalty(batch)
        gradient = torch.autograd.grad(penalty, batch.z_clean)[0]
        penalties[shut_off] = (float(penalty.detach()), float(gradient.norm()))
    assert penalties[True] == (0, 0)
    assert min(penalties[False]) > 0


def test_the_rule_lets_the_slot_loss_through_only_where_the_signal_is_below_the_noise_after_100_steps():
    z, y = _features(60)
    defense = _attached("slot_attention", shut_off=True)
    losses = [_penalty(defense, _batch(0.01 * z, y, sigma=0.1, progress=0.5)) for _ in range(101)]
    assert losses[:100] == [0] * 100
    assert losses[100] > 0
    assert _penalty(defense, _batch(z, y, sigma=0.1, progress=0.5)) == 0


def test_the_published_rule_is_a_row_of_its_own():
    assert defenses.make("slot_shut_off").shut_off
    assert not defenses.make("slot_attention").shut_off
    assert "shut_off" not in defenses.settings(defenses.DEFENSES["slot_shut_off"])


def three_clusters(count: int) -> tuple[Tensor, Tensor]:
    """Features in three clear clusters of every class: a component tells log 3, and each 1/2 log(1 + 1) a feature."""
    y = torch.arange(count) % 3
    centres = torch.randn(3, 3, 64, generator=torch.Generator().manual_seed(1))
    z = centres[y, torch.randint(3, (count,))] + 0.1 * torch.randn(count, 64)
    return z.view(-1, *SHAPES.activation), y


CLUSTERED = math.log(2) / 2 + math.log(3) / 64
"""Nats per feature that they tell at sigma .1."""


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        pytest.param("fusion_shortcut", 120, marks=pytest.mark.slow),
        *(pytest.param(name, 400, marks=pytest.mark.slow) for name in ACTIVE if name.startswith("fusion_")),
    ],
)
def test_fused_bounds_come_to_three_clear_clusters_as_their_gates_open(name, steps):
    torch.manual_seed(0)
    defense = _attached(name, slots=8, dim=64)
    z, y = three_clusters(1200)
    assert _nats(_attached("class_gaussian"), z, y) > 3 * CLUSTERED
    trained = optimisers(defense)
    for _ in range(steps):
        chosen = torch.randint(len(y), (96,))
        for optimiser in trained:
            optimiser.zero_grad()
        defense.penalty(_batch(z[chosen], y[chosen])).backward()
        for optimiser in trained:
            optimiser.step()
    assert 0.98 * CLUSTERED < _nats(defense, z, y) < 1.05 * CLUSTERED
    if name == "fusion_shortcut":
        assert torch.tanh(defense.alpha) > 0.9


def test_a_shut_shortcut_is_the_class_gaussian_bound():
    z, y = _features(240)
    defense = _attached("fusion_shortcut")
    assert isinstance(defense, FusionShortcut)
    nn.init.zeros_(defense.alpha)
    expected = _nats(_attached("class_gaussian"), z, y)
    assert _nats(defense, z, y) == pytest.approx(expected, rel=1e-5)


def test_variances_of_a_half_open_shortcut_are_about_its_own_centroids():
    z, y = _features(120)
    rows = by_class(z.flatten(1), y, 3)
    share = torch.randn(*rows.member.shape, 4).softmax(-1)
    half = drawn(moments(rows, share), class_means(rows), torch.tensor(0.5))
    distance = (rows.points[:, :, None] - half.means[:, None]).square()
    expected = (share[..., None] * distance).sum(1) / share.sum(1)[..., None]
    torch.testing.assert_close(half.variances, expected, rtol=1e-3, atol=1e-5)


def test_the_smaller_of_two_bounds_counts_in_every_class():
    y = torch.tensor([0, 0, 2])
    nats = torch.tensor([[4.0, 50.0], [6.0, 70.0], [90.0, 3.0]])
    assert float(smaller(nats, y, 3)) == pytest.approx((2 * 5 + 3) / 3 + math.log(2), rel=1e-5)
    equal = torch.tensor([[5.0, 5.0]])
    assert float(smaller(equal, torch.tensor([1]), 3)) == pytest.approx(5)


def test_the_parallel_fusion_is_never_above_its_gate_by_more_than_log_2():
    z, y = _features(240)
    parallel, gated = _attached("fusion_parallel"), _attached("gated_closed")
    ceiling = _nats(gated, z, y) + math.log(2) / 64
    assert _nats(parallel, z, y) <= ceiling


def test_the_mixture_is_charged_on_images_that_it_has_not_seen():
    z, y = _features(48)
    defense = _attached("fusion_mixture", lam=1.0, slots=8)
    fresh, seen = [], []
    for seed in range(8):
        torch.manual_seed(seed)
        fresh.append(_penalty(defense, _batch(torch.randn_like(z), y)))
        seen.append(_nats(defense, torch.randn_like(z), y))
    truth = math.log(101) / 2
    assert sum(fresh) / 8 > truth > 0.98 * sum(seen) / 8


# ---- diagnostics


def test_diagnostics_of_gaussians_are_the_known_information():
    torch.manual_seed(0)
    y = torch.arange(2000) % 4
    z = (0.2 * torch.randn(2000, 64) + torch.randn(4, 64)[y]).view(-1, 4, 4, 4)
    found = diagnose(z, y, 0.1)
    truth = 64 * math.log(5) / 2
    assert tuple(found) == NAMES
    assert found["class_gaussian_nats"] == pytest.approx(truth, rel=0.02)
    assert found["mixture_nats"] == pytest.approx(truth, rel=0.04)
    assert found["mixture_nats"] > 0.99 * truth
    assert found["snr"] == pytest.approx(4, rel=0.02)
    assert found["class_gaussian_nats_per_feature"] == pytest.approx(found["class_gaussian_nats"] / 64)


def test_the_mixture_sees_clusters_that_the_class_gaussian_bound_charges_for():
    torch.manual_seed(0)
    y = torch.arange(1000) % 2
    z = (0.1 * torch.randn(1000, 64) + torch.randn(3, 64)[torch.randint(3, (1000,))]).view(-1, 4, 4, 4)
    found, truth = diagnose(z, y, 0.1), 64 * math.log(2) / 2 + math.log(3)
    assert truth < found["mixture_nats"] < 1.1 * truth
    assert found["class_gaussian_nats"] > 2 * truth


def test_few_images_of_a_class_loosen_the_mixture_and_never_take_it_below_the_truth():
    torch.manual_seed(0)
    y = torch.arange(80) % 10
    z = (0.1 * torch.randn(80, 64)).view(-1, 4, 4, 4)
    truth = 64 * math.log(2) / 2
    assert truth < diagnose(z, y, 0.1)["mixture_nats"] < 1.5 * truth


def test_diagnostics_without_noise_are_null():
    z, y = _features(24)
    assert diagnose(z, y, 0.0) == dict.fromkeys(NAMES)
    assert diagnose(z, y, 0.0, noise_std=0.1)["snr"] == pytest.approx(diagnose(z, y, 0.1)["snr"])


def test_noise_of_a_defense_counts_with_the_channel_s():
    z, y = _features(240)
    own = torch.full(SHAPES.activation, 0.08)
    torch.manual_seed(0)
    together = diagnose(z, y, 0.06, noise_std=own)
    torch.manual_seed(0)
    assert together == pytest.approx(diagnose(z, y, 0.1), rel=1e-4)


def test_noise_that_depends_on_the_image_is_charged_for_the_entropy_it_lacks():
    torch.manual_seed(0)
    y = torch.zeros(4000, dtype=torch.int64)
    z = torch.zeros(4000, 1, 1, 2)
    std = torch.tensor([0.1, 0.3]).repeat(2000).view(-1, 1, 1, 1)
    expected = math.log(0.05) - math.log(0.01 * 0.09) / 2
    assert diagnose(z, y, 0.0, noise_std=std)["class_gaussian_nats"] == pytest.approx(expected, rel=1e-3)


def test_where_no_class_has_two_images_nothing_is_held_out():
    torch.manual_seed(0)
    z = torch.rand(3, 1, 2, 2)
    apart, shared = diagnose(z, torch.arange(3), 0.1), diagnose(z, torch.tensor([0, 1, 1]), 0.1)
    held_out = [f"{name}_nats{per}" for name in ("mixture", "covariance") for per in ("", "_per_feature")]
    assert [name for name, value in apart.items() if value is None] == held_out
    assert apart["class_gaussian_nats"] == 0
    assert None not in shared.values()


def _features(count: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(count)
    y = torch.arange(count) % 3
    return torch.sigmoid(torch.randn(count, *SHAPES.activation) + y.view(-1, 1, 1, 1)), y


def _attached(name: str, **changed: object) -> Defense:
    torch.manual_seed(0)
    defense = defenses.make(name, **{**ACTIVE[name], **changed})
    defense.attach(nn.Identity(), SHAPES)
    return defense


def _batch(z: Tensor, y: Tensor, sigma: float = 0.1, progress: float = 0.1) -> Batch:
    x = torch.zeros(len(z), *SHAPES.image)
    return Batch(x=x, client=nn.Identity(), z_clean=z, z=z, y=y, sigma=sigma, progress=progress, lr=0.05, epoch=1)


def _nats(defense: Defense, z: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return float(defense.estimate(z, y, 0.1))


def _penalty(defense: Defense, batch: Batch) -> float:
    return float(defense.penalty(batch).detach())
