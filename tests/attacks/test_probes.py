"""Probes of other leakages: predicted probabilities, class representatives, gradients, membership."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Evidence, Images, ProbeAttack
from attacks.confidence import Confidence
from attacks.gradient import Gradient
from attacks.gradient_matching import ExpectedNetwork, Observed, total_variation
from attacks.lbfgs import minimise
from attacks.membership import Membership, found_at_few_false_positives, told
from attacks.metrics import roc
from attacks.networks import VectorNetwork
from attacks.per_image import per_image_gradients
from attacks.representative import Classes, Known, Representative
from attacks.testproblems import PureNoise

PROBES = (Confidence, Representative, Gradient, Membership)
CLASSES = 4
SIDE = 16


class Network:
    """A small split network as its adversary meets it."""

    precision = torch.float32

    def __init__(self, client: nn.Module, server: nn.Module, sigma: float = 0.0, defense: nn.Module | None = None):
        self.client, self.server, self.sigma = client.eval(), server.eval(), sigma
        self.defense = defense or nn.Identity()
        self.image_shape = (3, SIDE, SIDE)
        with torch.no_grad():
            z = self.mean(torch.zeros(1, 3, SIDE, SIDE))
            self.num_classes = self.server(z).shape[1]
        self.activation_shape = tuple(z.shape[1:])

    def mean(self, x: Tensor) -> Tensor:
        return self.defense(self.client(x))

    @torch.no_grad()
    def release(self, x: Tensor, m: int = 1) -> Tensor:
        assert m == 1
        z = self.mean(x)
        return z + self.sigma * torch.randn_like(z)

    def noise_std(self, z: Tensor) -> float:
        return 0.0

    def modules(self) -> tuple[nn.Module, nn.Module]:
        return self.client, self.server

    def parameters(self) -> list[nn.Parameter]:
        return [*self.client.parameters(), *self.server.parameters()]


class Nothing(nn.Module):
    """Hides everything."""

    def forward(self, z: Tensor) -> Tensor:
        return z * 0


def small(defense: nn.Module | None = None, num_classes: int = CLASSES) -> Network:
    """An untrained network with ReLU, max-pooling and batch norm."""
    torch.manual_seed(0)
    client = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2))
    server = nn.Sequential(nn.Conv2d(4, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(72, num_classes))
    return Network(client, server, sigma=0.05, defense=defense)


def sigmoid_lenet(side: int) -> Network:
    """The network of the published attack, its first convolution the client's."""
    width = 12
    client = nn.Sequential(nn.Conv2d(3, width, 5, padding=2, stride=2), nn.Sigmoid())
    features = width * (side // 4) ** 2
    server = nn.Sequential(
        nn.Conv2d(width, width, 5, padding=2, stride=2),
        nn.Sigmoid(),
        nn.Conv2d(width, width, 5, padding=2),
        nn.Sigmoid(),
        nn.Flatten(),
        nn.Linear(features, 10),
    )
    for parameter in [*client.parameters(), *server.parameters()]:
        nn.init.uniform_(parameter, -0.5, 0.5)
    target = Network.__new__(Network)
    target.client, target.server, target.defense = client, server, nn.Identity()
    target.sigma, target.num_classes, target.image_shape = 0.0, 10, (3, side, side)
    return target


def pictures(num_images: int, side: int = SIDE, num_classes: int = CLASSES) -> Images:
    """Smooth random images with labels that have nothing to do with them."""
    x = F.interpolate(torch.rand(num_images, 3, 4, 4), side, mode="bilinear")
    return Images((x * 255).to(torch.uint8), torch.randint(num_classes, (num_images,)))


def evidence(aux: int = 60, val: int = 20, members: int = 60, scored: int = 20) -> Evidence:
    return Evidence(*(pictures(count) for count in (aux, val, members, scored)))


PATTERNS = F.interpolate(
    torch.rand(CLASSES, 3, 4, 4, generator=torch.Generator().manual_seed(3)) - 0.5, SIDE, mode="bilinear"
)
"""Smooth, as images are."""


def patterned(num_images: int) -> Images:
    """Images of four classes, each with a pattern of its own under noise."""
    y = torch.randint(CLASSES, (num_images,))
    x = 0.5 + 0.4 * PATTERNS[y] + 0.05 * torch.randn(num_images, 3, SIDE, SIDE)
    return Images((x.clamp(0, 1) * 255).to(torch.uint8), y)


def matched_filter(gain: float = 1.0) -> Network:
    """A network that compares an image with the classes' patterns."""
    classify = nn.Linear(3 * SIDE**2, CLASSES)
    with torch.no_grad():
        classify.weight.copy_(gain * PATTERNS.flatten(1))
        classify.bias.copy_(-0.5 * gain * PATTERNS.flatten(1).sum(1))
    return Network(nn.Identity(), nn.Sequential(nn.Flatten(), classify), sigma=0.01)


def probe(kind: type[ProbeAttack], target: Network, around: Evidence, **changes):
    torch.manual_seed(1)
    return kind(**(kind.budgets["quick"] | changes)).probe(target, around)


BRIEF = {
    Confidence: {"channels": 8, "steps": 8},
    Representative: {"channels": 4, "steps": 6, "draws": 4, "batch_size": 8},
    Gradient: {"dlg_steps": 6, "cosine_steps": 6},
    Membership: {"images": 20, "steps": 20},
}


# every probe


@pytest.mark.parametrize("kind", PROBES)
def test_a_probe_says_what_it_is_and_takes_its_budgets(kind):
    assert kind.kind == "probe"
    assert kind.reference
    assert kind.threat
    assert kind.cost
    assert sorted(kind.budgets) == ["quick", "standard", "strong"]
    for settings in kind.budgets.values():
        kind(**settings)


@pytest.mark.parametrize("kind", PROBES)
def test_a_probe_gives_finite_scores_and_leaves_the_network_as_it_was(kind):
    target = small()
    before = [parameter.detach().clone() for parameter in target.parameters()]
    found = probe(kind, target, evidence(), **BRIEF[kind])
    assert all(math.isfinite(value) for value in found.scores.values())
    assert found.images > 0
    assert all(torch.equal(*pair) for pair in zip(before, target.parameters(), strict=True))
    assert all(parameter.grad is None and parameter.requires_grad for parameter in target.parameters())
    assert not any(module.training for half in target.modules() for module in half.modules())


@pytest.mark.parametrize("kind", PROBES)
def test_a_probe_gives_the_same_scores_for_the_same_seed(kind):
    target, around = small(), evidence()
    assert probe(kind, target, around, **BRIEF[kind]) == probe(kind, target, around, **BRIEF[kind])


@pytest.mark.parametrize("kind", PROBES)
def test_a_probe_has_a_curve_of_at_most_20_rising_steps(kind):
    curve = probe(kind, small(), evidence(), **BRIEF[kind]).curve
    assert 1 <= len(curve) <= 20
    assert [point.step for point in curve] == sorted({point.step for point in curve})


@pytest.mark.parametrize(
    ("kind", "setting", "message"),
    [
        (Confidence, {"draws": 0}, "confidence: draws must be >= 1, not 0"),
        (Confidence, {"lr": 0}, "confidence: lr must be > 0, not 0"),
        (Representative, {"steps": 0}, "representative: steps must be >= 1, not 0"),
        (Representative, {"critic": -1.0}, "representative: critic must be >= 0, not -1.0"),
        (Gradient, {"restarts": 0}, "gradient: restarts must be >= 1, not 0"),
        (Gradient, {"smoothness": float("nan")}, "gradient: smoothness must be >= 0, not nan"),
        (Membership, {"images": 3}, "membership: images must be >= 4, not 3"),
        (Membership, {"lr": -1.0}, "membership: lr must be > 0, not -1.0"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(kind, setting, message):
    with pytest.raises(ValueError, match=message):
        kind(**(kind.budgets["quick"] | setting))


# predicted probabilities


def one_dimensional(num_images: int) -> Images:
    """Images that differ in the strength of one pattern, and in noise of .05 that no answer tells of."""
    strength = torch.rand(num_images, 1, 1, 1) * 2 - 1
    x = 0.5 + 0.4 * strength * PATTERNS[0] + 0.05 * torch.randn(num_images, 3, SIDE, SIDE)
    return Images((x.clamp(0, 1) * 255).round().to(torch.uint8), (strength.flatten() > 0).long())


def strength_meter() -> Network:
    """A network whose logits are plus and minus twice the pattern's strength, up to little."""
    classify = nn.Linear(3 * SIDE**2, 2)
    with torch.no_grad():
        direction = 5 * PATTERNS[0].flatten() / PATTERNS[0].square().sum()
        classify.weight.copy_(torch.stack([-direction, direction]))
        classify.bias.copy_(-0.5 * classify.weight.sum(1))
    return Network(nn.Identity(), nn.Sequential(nn.Flatten(), classify))


def test_probabilities_that_tell_all_but_noise_give_all_but_noise_and_rounded_ones_less():
    torch.manual_seed(0)
    around = Evidence(*(one_dimensional(count) for count in (600, 50, 10, 200)))
    scores = probe(Confidence, strength_meter(), around, steps=150).scores
    least = 0.05**2
    assert 0.98 * least <= scores["mse"] <= 1.15 * least
    assert scores["mse"] < scores["mse_rounded_0.1"] < scores["mse_class_mean"] < scores["mse_mean_image"]


def test_an_answer_that_says_nothing_leaves_the_mean_image():
    torch.manual_seed(0)
    target = PureNoise(sigma=0.07, side=SIDE)
    around = Evidence(*(target.sample(count) for count in (600, 100, 10, 400)))
    found = probe(Confidence, target, around, steps=20)
    assert 0.97 * target.least_error() <= found.scores["mse"] <= 1.03 * found.scores["mse_mean_image"]
    assert found.scores["mse_class_mean"] == pytest.approx(found.scores["mse_mean_image"])
    assert found.verdict == "floor"


def test_a_reader_that_blows_up_is_called_diverged():
    found = probe(Confidence, small(), evidence(), channels=8, steps=20, lr=1e6)
    assert found.verdict == "diverged"
    assert all(math.isfinite(value) for value in found.scores.values())


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (50, 33)])
def test_an_untrained_vector_network_draws_the_mean_image_of_any_size(size):
    mean = torch.rand(1, 3, *size) * 0.9 + 0.05
    drawn = VectorNetwork(5, mean, channels=4)(torch.randn(2, 5))
    assert torch.allclose(drawn, mean.expand_as(drawn), atol=1e-6)


# class representatives


def test_representatives_of_a_matched_filter_look_like_their_classes():
    torch.manual_seed(0)
    around = Evidence(*(patterned(count) for count in (200, 60, 200, 10)))
    scores = probe(Representative, matched_filter(), around, steps=40, channels=8).scores
    assert scores["identification"] == 1.0
    assert scores["accuracy"] > 0.9
    assert scores["mse_to_class_mean"] < 0.95 * scores["mse_mean_image"]


def test_a_network_that_knows_no_class_yields_no_representative():
    torch.manual_seed(0)
    around = Evidence(*(patterned(count) for count in (200, 60, 200, 10)))
    found = probe(Representative, matched_filter(gain=0.0), around, steps=20, channels=8)
    assert found.scores["mse_to_class_mean"] > 0.95 * found.scores["mse_mean_image"]
    assert found.scores["identification"] <= 0.5
    assert found.verdict == "floor"


def test_the_contrast_is_that_of_least_error_and_never_worse_than_the_guess():
    torch.manual_seed(0)
    around = Evidence(*(patterned(count) for count in (100, 100, 100, 10)))
    scores = probe(Representative, matched_filter(), around, **BRIEF[Representative]).scores
    assert scores["mse_to_class_mean"] <= 1.05 * min(scores["mse_as_drawn"], scores["mse_mean_image"])


@pytest.mark.parametrize("drawn", [0.4, 2.0, -1.0])
def test_a_contrast_is_the_best_of_all_from_none_to_the_whole(drawn):
    torch.manual_seed(0)
    guess, mean = torch.full((1, 3, 4, 4), 0.5), torch.rand(2, 3, 4, 4)
    known = Known(guess, Classes(mean, torch.arange(2)))
    found = guess + drawn * (mean - guess) + 0.02 * torch.randn_like(mean)
    errors = {step / 200: known.error(found, step / 200) for step in range(201)}
    assert known.contrast(found) == pytest.approx(min(errors, key=errors.__getitem__), abs=0.003)
    assert errors[0.0] == pytest.approx(float((guess - mean).square().mean()))


# gradients


@pytest.mark.parametrize("target", [small(), small(defense=Nothing())])
def test_gradients_of_a_batch_are_those_of_each_image_alone(target):
    torch.manual_seed(0)
    network = ExpectedNetwork(target)
    x, y = torch.rand(5, 3, SIDE, SIDE), torch.randint(CLASSES, (5,))
    batched = per_image_gradients(network, x, y)
    for number, (one, label) in enumerate(zip(x.split(1), y.split(1), strict=True)):
        alone = torch.autograd.grad(F.cross_entropy(target.server(target.mean(one)), label), target.parameters())
        assert all(torch.allclose(b[number], a, atol=1e-6) for b, a in zip(batched.values(), alone, strict=True))


@pytest.mark.parametrize("form", ["squared", "cosine"])
def test_the_distance_of_gradients_is_nought_at_the_image_and_knows_no_neighbour(form):
    torch.manual_seed(0)
    network = ExpectedNetwork(small())
    x, y = torch.rand(5, 3, SIDE, SIDE), torch.randint(CLASSES, (5,))
    observed = Observed(network, x, y, chunk=2)
    assert observed.distance(x[None], form, 0.0)[0].abs().max() < 1e-5
    others = torch.rand(2, 5, 3, SIDE, SIDE)
    loss, slope = observed.distance(others, form, 0.1)
    assert loss.shape == (2, 5)
    assert loss.min() > 1e-3
    alone = Observed(network, x[3:4], y[3:4], chunk=1).distance(others[1:, 3:4], form, 0.1)
    assert torch.allclose(alone[0], loss[1:, 3:4], atol=1e-6)
    assert torch.allclose(alone[1], slope[1:, 3:4], atol=1e-6)


@pytest.mark.parametrize("target", [small(), small(num_classes=30), sigmoid_lenet(SIDE)])
def test_a_single_image_s_gradient_betrays_its_label(target):
    torch.manual_seed(0)
    x, y = torch.rand(40, 3, SIDE, SIDE), torch.randint(target.num_classes, (40,))
    assert torch.equal(Observed(ExpectedNetwork(target), x, y, chunk=16).labels, y)


@pytest.mark.slow
def test_dlg_recovers_an_image_of_a_small_network_to_a_thousandth():
    torch.manual_seed(1)
    around = Evidence(*(pictures(count, num_classes=10) for count in (100, 1, 1, 2)))
    found = probe(Gradient, sigmoid_lenet(SIDE), around, dlg_steps=300, cosine_steps=1)
    assert found.scores["mse_dlg"] < 1e-3
    assert found.scores["ssim_dlg"] > 0.99
    assert found.scores["label_accuracy"] == 1.0


def test_the_cosine_form_beats_the_guess_on_a_small_network():
    torch.manual_seed(1)
    around = Evidence(*(pictures(count, num_classes=10) for count in (100, 1, 1, 2)))
    scores = probe(Gradient, sigmoid_lenet(SIDE), around, dlg_steps=1, cosine_steps=100).scores
    assert scores["mse_cosine"] < 0.5 * scores["mse_mean_image"]


def test_the_answers_reader_is_the_one_with_the_least_error_on_validation():
    torch.manual_seed(0)
    target, val = matched_filter(), patterned(40)
    target.sigma = 0.0
    around = Evidence(patterned(4), val, patterned(4), val)
    found = probe(Confidence, target, around, steps=100, lr=0.03, batch_size=4)
    assert found.scores["mse"] == pytest.approx(found.curve[-1].validation, rel=1e-4)
    assert found.curve[-1].validation == min(point.validation for point in found.curve)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_dlg_recovers_images_of_full_size_to_a_thousandth_on_average():
    torch.manual_seed(1)
    around = Evidence(*(pictures(count, side=32, num_classes=10) for count in (100, 1, 1, 8)))
    found = probe(Gradient, sigmoid_lenet(32), around, images=8, dlg_steps=1600, cosine_steps=1)
    assert found.scores["mse_dlg"] < 1e-3


def test_gradients_behind_a_release_of_nothing_give_no_image():
    torch.manual_seed(0)
    found = probe(Gradient, small(defense=Nothing()), evidence(), images=20, chunk=20, **BRIEF[Gradient])
    assert found.scores["mse_dlg"] > found.scores["mse_mean_image"]
    assert found.scores["mse_cosine"] > 0.98 * found.scores["mse_mean_image"]
    assert found.verdict == "diverged"


def test_of_several_starts_the_one_that_fits_best_counts():
    torch.manual_seed(0)
    target, around, scores = sigmoid_lenet(SIDE), evidence(), []
    for restarts in (1, 4):
        torch.manual_seed(1)  # so that the first of four starts is the only one
        found = probe(Gradient, target, around, images=1, restarts=restarts, dlg_steps=10, cosine_steps=1)
        scores.append(found.scores["distance_dlg"])
    assert scores[1] < scores[0]


def test_the_total_variation_of_a_ramp_is_its_slopes():
    down, across = torch.arange(4.0)[:, None], torch.arange(5.0)
    x = (0.3 * down + 0.1 * across).expand(2, 3, 4, 5)
    assert torch.allclose(total_variation(x), torch.tensor([0.4, 0.4]))


# the optimiser


def rosenbrock(x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    loss = (100 * (x[:, 1:] - x[:, :-1].square()).square() + (1 - x[:, :-1]).square()).sum(1)
    (slope,) = torch.autograd.grad(loss.sum(), x)
    return loss.detach(), slope


def test_the_optimiser_finds_the_minimum_of_a_curved_valley_and_never_rises():
    torch.manual_seed(0)
    losses = []
    for iterate in minimise(rosenbrock, torch.randn(6, 4, dtype=torch.float64), evaluations=120):
        losses.append(iterate.loss)
    assert torch.stack(losses).diff(dim=0).max() <= 0
    # 4 dimensions have a second, local minimum near (-1, 1, 1, 1)
    assert sum(float(loss) < 1e-8 for loss in iterate.loss) >= 3
    assert torch.equal(rosenbrock(iterate.x)[0], iterate.loss)


def test_the_optimiser_treats_every_problem_by_itself():
    torch.manual_seed(0)
    start = torch.randn(5, 3, dtype=torch.float64)
    *_, together = minimise(rosenbrock, start, evaluations=60)
    *_, alone = minimise(rosenbrock, start[2:3], evaluations=60)
    assert torch.allclose(together.x[2:3], alone.x, atol=1e-9)


# membership


def memoriser(members: Images) -> Network:
    """A network trained on members until it knows them by heart."""
    client = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU())
    server = nn.Sequential(nn.Flatten(), nn.Linear(8 * 64, 32), nn.ReLU(), nn.Linear(32, CLASSES))
    network = nn.Sequential(client, server)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(60):
        loss = F.cross_entropy(network(members.x.float() / 255), members.y)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return Network(client, server, sigma=0.01)


def test_members_of_an_overfitted_network_are_found():
    torch.manual_seed(0)
    around = evidence(aux=100, val=40, members=200, scored=100)
    found = probe(Membership, memoriser(around.members), around)
    assert found.scores["auc"] > 0.7
    assert found.scores["auc_loss"] > 0.7
    assert 0.5 < found.scores["auc_low"] < found.scores["auc"] < found.scores["auc_high"] <= 1
    assert found.verdict == "open"


def test_nobody_is_a_member_of_a_network_that_never_trained():
    target, num_draws = small(), 6
    found = []
    for seed in range(num_draws):
        torch.manual_seed(seed)
        found.append(probe(Membership, target, evidence(aux=100, val=40, members=200, scored=100), steps=40))
    error = sum(each.scores["auc_se"] for each in found) / num_draws
    assert 0.03 < error < 0.05
    for name in ("auc", "auc_loss"):
        mean = sum(each.scores[name] for each in found) / num_draws
        assert abs(mean - 0.5) <= 3 * error / math.sqrt(num_draws)
    # in about 2 of 100 such networks the interval lies above a half
    assert sum(each.scores["auc_low"] <= 0.5 <= each.scores["auc_high"] for each in found) >= num_draws - 1
    # 100 members cannot tell an area of .5 from one of .55, and say so
    assert {each.verdict for each in found if each.scores["auc_high"] > 0.55} <= {"open"}
    reason = "1% of 100 non-members are fewer than 10, too few to set a threshold by"
    names = [f"tpr_at_1_percent_fpr{end}" for end in ("", "_low", "_high")]
    assert found[0].null_reasons == dict.fromkeys(names, reason)
    assert not found[0].scores.keys() & set(names)


@pytest.mark.parametrize(
    ("auc", "members", "expected"),
    [(0.54, 300, "open"), (0.5, 300, "floor"), (0.5, 100, "open"), (0.54, 1200, "open"), (0.9, 300, "diverged")],
)
def test_an_area_near_a_half_is_at_the_floor_only_if_its_interval_leaves_no_room_for_more(auc, members, expected):
    own = "diverged" if expected == "diverged" else "open"
    assert told(own, roc.area_interval(auc, members, members)) == expected


def test_of_enough_non_members_the_rate_at_1_percent_has_an_interval():
    torch.manual_seed(0)
    held = 0
    for _ in range(10):
        scores, reasons = found_at_few_false_positives(torch.randn(300) + 1, torch.randn(1000))
        assert reasons == {}
        low, rate, high = (scores[f"tpr_at_1_percent_fpr{end}"] for end in ("_low", "", "_high"))
        assert low <= rate <= high
        held += low < 0.0924 < high  # of unit normals one apart: 1 - Phi(z_.99 - 1)
    assert held >= 8


def test_too_few_images_to_tell_members_by_are_refused():
    with pytest.raises(ValueError, match="take at least 4 members and as many others each, not 8, 2 and 10"):
        probe(Membership, small(), evidence(members=20))


# areas


def test_an_area_is_the_share_of_pairs_in_order_ties_counted_half():
    torch.manual_seed(0)
    positive, negative = torch.randint(6, (31,)).float() + 1, torch.randint(6, (17,)).float()
    pairs = positive[:, None] - negative[None]
    expected = float((pairs > 0).double().mean() + (pairs == 0).double().mean() / 2)
    assert roc.area(positive, negative) == pytest.approx(expected)
    assert roc.area(negative, positive) == pytest.approx(1 - expected)
    assert roc.area(positive.exp(), negative.exp()) == pytest.approx(expected)


@pytest.mark.parametrize(("left", "right"), [(10, 10), (200, 50)])
def test_the_error_of_an_area_is_mann_and_whitney_s_under_chance(left, right):
    assert roc.area_error(0.5, left, right) == pytest.approx(math.sqrt((left + right + 1) / (12 * left * right)))


def test_the_error_of_an_area_is_that_of_repeated_draws():
    torch.manual_seed(0)
    areas = torch.tensor([roc.area(torch.randn(60) + 1, torch.randn(60)) for _ in range(400)])
    assert float(areas.std()) == pytest.approx(roc.area_error(float(areas.mean()), 60, 60), rel=0.15)


def test_19_in_20_intervals_of_an_area_hold_it():
    torch.manual_seed(1)
    true = 0.5 * (1 + math.erf(0.5))  # of unit normals one apart, Phi(1 / sqrt 2)
    areas = [roc.area(torch.randn(60) + 1, torch.randn(60)) for _ in range(400)]
    held = [low <= true <= high for low, high in (roc.area_interval(each, 60, 60) for each in areas)]
    assert 0.91 <= sum(held) / len(held) <= 0.99


def test_19_in_20_intervals_of_a_true_positive_rate_hold_it():
    torch.manual_seed(0)
    true = 0.5 * (1 - math.erf((1.2816 - 1) / math.sqrt(2)))  # at a tenth of false positives
    intervals = [roc.rate_interval(torch.randn(150) + 1, torch.randn(200), 0.1) for _ in range(100)]
    assert 0.86 <= sum(low <= true <= high for low, high in intervals) / len(intervals) <= 1
    assert 0.1 < sum(high - low for low, high in intervals) / len(intervals) < 0.4


def test_the_true_positive_rate_takes_no_more_negatives_than_it_may():
    negative = torch.arange(100.0)
    positive = torch.tensor([98.0, 98.5, 99.0, 100.0])
    assert roc.true_positive_rate(positive, negative, 0.01) == 0.75
    assert roc.true_positive_rate(positive, negative, 0.0) == 0.25
    assert roc.true_positive_rate(positive, torch.full((100,), 100.0), 0.01) == 0.0
