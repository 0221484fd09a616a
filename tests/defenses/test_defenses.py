"""Defenses: one contract over the whole table, and the formulas of each."""

import inspect
import math
import random
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

import defenses
from defenses import clusters, contract
from defenses.base import Batch, Defense, Epoch, Law, Shapes
from defenses.bounds import mixture_bound
from defenses.cem_code import CemCode, donors, weight_schedule
from defenses.cem_paper import CemPaper
from defenses.laplace import Laplace

ACTIVE = {
    "none": {},
    "laplace": {"scale": 0.2},
    "cem_paper": {"lam": 0.5},
    "cem_code": {"lam": 16.0},
}
SHAPES = Shapes(image=(3, 8, 8), activation=(4, 2, 2), num_classes=5)
SPACES = Path(__file__).parents[2] / "search_spaces" / "defenses"


@pytest.mark.parametrize("law", contract.LAWS.values(), ids=contract.LAWS)
@pytest.mark.parametrize("name", ACTIVE)
def test_every_defense_keeps(law, name):
    law(contract.Case(defenses.DEFENSES[name], ACTIVE[name]))


class Broken(Defense):
    """Breaks every law of the contract at once."""

    strength = "lam"
    bound = "upper"

    def __init__(self, lam: float = 1.0) -> None:
        super().__init__()
        self.lam = lam
        self.memory = torch.full((), random.random())

    def forward(self, z: Tensor) -> Tensor:
        return (z.detach() + self.memory + self.training).squeeze()

    def law(self, sigma: float) -> Law:
        return "surprise"

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        return 2 * super().surprise(z, activation, sigma)

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        return F.layer_norm(z_clean, z_clean.shape).square().mean() * (1 + y[0])


NOTICED = {
    "keeps_the_shape": r"forward maps \(1, 8, 4, 4\) to \(8, 4, 4\)",
    "strength_zero_is_the_identity": "at lam 0 forward changes the activation",
    "has_one_law": r"training=True: mean\(z\) is not the mean of forward",
    "releases_by_its_law": "law: releases are not as exact_surprise says",
    "lets_gradients_through": "the task's gradient on the client has norm 0",
    "repeats_itself": "the same seed gives another release",
    "survives_saving": "a loaded defense releases otherwise",
    "moves_between_devices": r"holds \['memory'\] as plain attributes",
    "refuses_bad_settings": "lam=nan is accepted",
    "ignores_the_order_of_a_batch": "not close",
    "falls_as_features_shrink": "at half the size the truth falls by",
}
"""Of some laws; defenses that are wrong in one way each stand in ``test_contract.py``."""


@pytest.mark.parametrize("law", NOTICED)
def test_the_contract_notices_a_defense_that_breaks(law):
    with pytest.raises(AssertionError, match=NOTICED[law]):
        contract.LAWS[law](contract.Case(Broken))


@pytest.mark.parametrize("name", ["cem_paper", "cem_code"])
def test_a_conditional_entropy_penalty_reaches_the_client_and_nothing_before_the_first_fit(name):
    case = contract.Case(defenses.DEFENSES[name], ACTIVE[name])
    for fit in (True, False):
        bench = contract.Bench(case, fit=fit)
        penalty = bench.penalty()
        gradient = torch.autograd.grad(penalty, bench.client[0].weight)[0]
        assert bool(penalty > 0) is fit
        assert bool(gradient.norm() > 0) is fit


@pytest.mark.parametrize("name", ["cem_paper", "cem_code"])
def test_a_conditional_entropy_penalty_without_noise_is_refused(name):
    bench = contract.Bench(contract.Case(defenses.DEFENSES[name], ACTIVE[name], sigma=0.0))
    with pytest.raises(ValueError, match=r"needs channel noise: model/sigma is 0\.0, set it above 0"):
        bench.penalty()


def test_laplace_noise_has_the_tails_of_its_law():
    torch.manual_seed(0)
    noise = Laplace(scale=0.5)(torch.zeros(200_000))
    assert noise.abs().mean() == pytest.approx(0.5, rel=0.02)
    assert noise.std() == pytest.approx(Laplace(scale=0.5).noise_std(noise), rel=0.02)
    assert (noise.abs() > 1.5).float().mean() == pytest.approx(math.exp(-3), rel=0.06)


# ---- cem_paper


def test_the_paper_s_gradient_is_that_of_its_bound_over_the_epoch():
    z, y = _features(400)
    defense = _fitted(CemPaper(lam=2.0, clusters=3), z, y)
    z = z.requires_grad_()
    gradient = torch.autograd.grad(defense.penalty(_batch(z, y, sigma=0.1)), z)[0].flatten(1)
    assigned = clusters.nearest_own(z.flatten(1), y, defense.centroids)
    counts, squares = clusters.totals((z.flatten(1) - defense.centroids[y, assigned]).square(), y, assigned, (5, 3))
    bound = mixture_bound(counts, squares / counts[..., None].clamp(min=1), 0.01)
    expected = torch.autograd.grad(2 * bound, z)[0].flatten(1)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-8)


def test_the_paper_s_penalty_is_equation_7_in_nats_per_feature():
    variances = torch.tensor([[[0.03, 0.08], [0.0, 0.15]], [[0.01, 0.01], [5.0, 5.0]]])
    counts = torch.tensor([[30.0, 10.0], [60.0, 0.0]])
    first = 0.75 * (-math.log(0.75) + 0.5 * (math.log(4) + math.log(9)))
    second = 0.25 * (-math.log(0.25) + 0.5 * math.log(16))
    expected = (0.4 * (first + second) + 0.6 * math.log(2)) / 2
    assert mixture_bound(counts, variances, 0.01) == pytest.approx(expected, rel=1e-5)


def test_the_paper_s_statistics_follow_equations_5_and_6_between_fits():
    z, y = _features(400)
    defense = _fitted(CemPaper(clusters=2), z, y)
    before = {key: value.clone() for key, value in defense.state_dict().items()}
    few, label = z[:1] + 0.1, y[:1]
    defense.penalty(_batch(few, label))
    j = clusters.nearest_own(few.flatten(1), label, before["centroids"])
    assert defense.counts.sum() == pytest.approx(400, rel=1e-5)
    count = before["counts"][label, j] * (1 - 1 / 400) + 1
    torch.testing.assert_close(defense.counts[label, j], count)
    moment = (few.flatten(1) - before["centroids"][label, j]).square()
    expected = (1 - 1 / count) * before["variances"][label, j] + moment / count
    torch.testing.assert_close(defense.variances[label, j], expected)
    torch.testing.assert_close(defense.centroids, before["centroids"])


def test_in_eval_mode_a_penalty_leaves_the_statistics_alone():
    z, y = _features(100)
    defense = _fitted(CemPaper(), z, y).eval()
    before = defense.counts.clone()
    defense.penalty(_batch(z[:10], y[:10]))
    torch.testing.assert_close(defense.counts, before, rtol=0, atol=0)


# ---- cem_code


def test_the_code_s_gradient_is_a_pull_to_the_nearest_centroid():
    z, y = _features(64)
    defense = _fitted(CemCode(lam=8.0, clusters=2), *_features(4000))
    z = z.requires_grad_()
    gradient = torch.autograd.grad(defense.estimate(z, y, 0.025), z)[0].flatten(1)
    flat = z.detach().flatten(1)
    assigned = clusters.nearest_own(flat, y, defense.centroids)
    away = flat - defense.centroids[y, assigned]
    members, sums = clusters.totals(away.square().mean(1, keepdim=True), y, assigned, (5, 2))
    donor, present = donors(members.sum(1).long())
    share = 10 * members / (defense.weights[donor] * defense.per_class)
    assert share.max() < 0.99
    variances = share * sums[..., 0] / members.clamp(min=1) + (1 - share) * defense.variances[donor]
    scale = 2 * 10 / (defense.per_class * flat.shape[1] * present)
    expected = scale * away / (variances[y, assigned] + 0.01)[:, None]
    assert (gradient - expected).abs().max() < 1e-6 * expected.abs().max()


def test_the_code_charges_a_class_with_the_statistics_of_a_wrong_one():
    members = torch.tensor([0, 2, 1, 0, 3])
    donor, present = donors(members)
    assert present == 3
    assert donor[members > 0].tolist() == [1, 1, 2]


@pytest.mark.parametrize(("num_classes", "lowest", "own"), [(10, 0.965, 0.10), (100, None, 0.027)])
def test_the_code_s_classes_rarely_get_their_own_statistics(num_classes, lowest, own):
    torch.manual_seed(0)
    hits = torch.zeros(2)
    for _ in range(300):
        members = torch.randint(num_classes, (128,)).bincount(minlength=num_classes)
        donor, present = donors(members)
        found = donor[members > 0]
        is_own = found == torch.arange(num_classes)[members > 0]
        hits += torch.stack([(found == found[0]).sum(), is_own.sum()]) / present / 300
    assert hits[1] == pytest.approx(own, abs=0.005)
    assert lowest is None or hits[0] == pytest.approx(lowest, abs=0.01)


def test_the_code_s_weight_follows_the_learning_rate():
    assert [16 * weight_schedule(lr) for lr in (0.05, 0.01, 0.002, 0.0004, 0.00008, 0.0)] == pytest.approx(
        [0.32, 1.6, 8, 16, 16, 16]
    )


def test_the_code_s_lists_shift_when_a_cluster_is_empty_or_has_one_member():
    z = torch.tensor([0.0, 0.1, 0.2, 9.0, 5.0, 5.1]).view(-1, 1, 1, 1).expand(-1, 4, 2, 2)
    defense = CemCode(clusters=4)
    defense.attach(nn.Identity(), Shapes((3, 8, 8), (4, 2, 2), 1))
    defense.centroids.copy_(torch.tensor([-100.0, 9.0, 0.0, 5.0]).view(1, 4, 1).expand(1, 4, 16))
    defense.fitted.fill_(True)
    defense.end_epoch(_epoch(z, torch.zeros(6, dtype=torch.int64)))
    assert defense.weights[0].tolist() == pytest.approx([3 / 6, 2 / 6, 0.01, 0.01])
    assert defense.variances[0].tolist() == pytest.approx([0, 0.02 / 3, 0.0025, 0.0025], abs=1e-6)


# ---- clusters


def test_k_means_finds_the_clusters_of_every_class_at_once():
    torch.manual_seed(0)
    centres = 10 * torch.eye(6).view(2, 3, 6)
    y = torch.randint(2, (600,))
    j = torch.randint(3, (600,))
    fit = clusters.fit(centres[y, j] + 0.5 * torch.randn(600, 6), y, 3, 3)
    error = torch.cdist(fit.centroids[:2], centres).amin(1)
    assert error.max() < 0.3
    assert fit.variances[:2].sqrt().mean() == pytest.approx(0.5, rel=0.05)
    assert fit.counts.sum(1).tolist() == [*y.bincount().tolist(), 0]


def test_k_means_agrees_with_a_loop_over_classes():
    z, y = _features(300)
    features, start = z.flatten(1), torch.randn(5, 3, 16)
    fit = clusters.fit(features, y, 5, 3, start=start, max_steps=4)
    for label in range(5):
        points, centroids = features[y == label], start[label].clone()
        for _ in range(4):
            nearest = torch.cdist(points, centroids).argmin(1)
            for j in nearest.unique():
                centroids[j] = points[nearest == j].mean(0)
        torch.testing.assert_close(fit.centroids[label], centroids, rtol=1e-4, atol=1e-5)


def test_k_means_survives_a_common_offset_a_thousand_times_the_spread():
    z, y = _features(300)
    start = torch.randn(5, 3, 16) / 4
    near, far = (clusters.fit(z.flatten(1) / 4 + shift, y, 5, 3, start=start + shift) for shift in (0.0, 256.0))
    torch.testing.assert_close(near.counts, far.counts)
    torch.testing.assert_close(near.variances, far.variances, rtol=0.01, atol=1e-5)


def test_k_means_of_the_same_seed_is_the_same():
    z, y = _features(300)
    fits = []
    for _ in range(2):
        torch.manual_seed(3)
        fits.append(clusters.fit(z.flatten(1), y, 5, 3))
    assert torch.equal(fits[0].centroids, fits[1].centroids)


# ---- names and settings


def test_settings_are_the_constructor_s_keywords():
    assert defenses.settings(Defense) == {}
    assert defenses.settings(Laplace) == {"scale": 0.1}

    class Needy(Defense):
        def __init__(self, alpha: float) -> None:
            super().__init__()

    assert defenses.settings(Needy) == {"alpha": inspect.Parameter.empty}


@pytest.mark.parametrize(
    ("name", "chosen", "message"),
    [
        ("laplace", {"lam": 1}, r"defense/laplace: takes \['scale'\], not \['lam'\]"),
        ("laplace", {"scale": -1}, r"defense/laplace: scale takes a finite number >= 0, not -1"),
        ("laplace", {"scale": True}, r"scale takes a finite number >= 0, not True"),
        ("cem_paper", {"clusters": 2.5}, r"clusters takes a whole number >= 1, not 2\.5"),
        ("cem_paper", {"lam": "big"}, r"lam takes a finite number >= 0, not 'big'"),
        ("lapalce", {}, r"no defense 'lapalce'; known: none, laplace, "),
        ("json:nothing", {}, r"defense json:nothing: .*no attribute 'nothing'"),
        ("no_such_package:Mine", {}, r"No module named 'no_such_package'; is its package installed"),
        ("json:JSONDecoder", {}, r"is not a subclass of defenses\.base\.Defense"),
        ("..evil:x", {}, r"no defense '\.\.evil:x'"),
    ],
)
def test_a_bad_name_or_setting_is_refused(name, chosen, message):
    with pytest.raises(ValueError, match=message):
        defenses.make(name, **chosen)


def test_a_class_of_one_s_own_is_named_by_its_module(tmp_path, monkeypatch):
    (tmp_path / "own_package.py").write_text(
        "from defenses.base import Defense\n\n\n"
        "class Mine(Defense):\n    def __init__(self, alpha):\n        super().__init__()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert type(defenses.make("own_package:Mine", alpha=0.3)).__name__ == "Mine"
    with pytest.raises(ValueError, match=r"defense/own_package:Mine: needs \['alpha'\]"):
        defenses.make("own_package:Mine")


def test_an_installed_package_s_entry_point_is_found(tmp_path, monkeypatch):
    (tmp_path / "installed_defense.py").write_text("from defenses.base import Defense\n\n\nclass Mine(Defense): ...\n")
    metadata = tmp_path / "installed_defense-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: installed-defense\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[invfront.defenses]\nmine = installed_defense:Mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert defenses.resolve("mine").__name__ == "Mine"


@pytest.mark.parametrize("name", defenses.DEFENSES)
def test_every_defense_has_a_search_space_whose_ends_its_constructor_takes(name):
    space = yaml.safe_load((SPACES / f"{name}.yaml").read_text())
    for low in (True, False):
        chosen = {key: _end(value, low) if isinstance(value, dict) else value for key, value in space.items()}
        defenses.make(name, **chosen)


def _end(distribution: dict, low: bool) -> object:
    return (
        distribution["choices"][0 if low else -1]
        if "choices" in distribution
        else distribution["low" if low else "high"]
    )


def _features(count: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(count)
    y = torch.randint(5, (count,))
    return torch.sigmoid(torch.randn(count, 4, 2, 2) + y.view(-1, 1, 1, 1)), y


def _epoch(z: Tensor, y: Tensor) -> Epoch:
    def features(augment: bool = False) -> Tensor:
        return z

    return Epoch(features=features, y=y, model=nn.Identity(), batch_size=32, progress=0.1, lr=0.05, epoch=0)


def _fitted(defense: Defense, z: Tensor, y: Tensor) -> Defense:
    defense.attach(nn.Identity(), SHAPES)
    defense.end_epoch(_epoch(z, y))
    return defense


def _batch(z: Tensor, y: Tensor, sigma: float = 0.1) -> Batch:
    return Batch(x=z, client=nn.Identity(), z_clean=z, z=z, y=y, sigma=sigma, progress=0.1, lr=0.05, epoch=1)
