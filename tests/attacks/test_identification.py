"""Telling which image a release is of, and the class that leaks most: known answers."""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from attacks.metrics.identification import CANDIDATES, IDENTIFIED, Scores, cosines, identified
from attacks.metrics.worst_class import worst_class


def by(found: torch.Tensor, known: torch.Tensor) -> Scores:
    return lambda images, candidates: -(found[images, None] - known[None, candidates]).square().flatten(2).sum(2)


def test_every_image_has_as_many_candidates_whatever_an_attack_scores_and_itself_is_one():
    asked = []

    def scores(images: slice, candidates: slice) -> torch.Tensor:
        asked.append((images, candidates))
        return torch.zeros(images.stop - images.start, candidates.stop - candidates.start)

    for count, total in ((32, 200), (200, 200), (250, 250), (1000, 2000)):
        asked.clear()
        identified(scores, count, total)
        assert all(candidates.stop - candidates.start == CANDIDATES for _, candidates in asked)
        assert all(c.start <= i.start and i.stop <= c.stop <= total for i, c in asked)
        assert sum(images.stop - images.start for images, _ in asked) == min(count, IDENTIFIED)
    assert identified(scores, 32, CANDIDATES - 1) is None


@pytest.mark.parametrize("count", [32, 250])
def test_a_perfect_reading_finds_all_and_chance_is_what_is_said(count):
    torch.manual_seed(0)
    known = torch.rand(250, 6)
    perfect = identified(by(known, known), count, 250)
    assert perfect["identified_1"] == perfect["identified_5"] == 1
    assert perfect["identified_1_se"] == 0
    blind = [identified(by(torch.rand(250, 6), known), 250, 250) for _ in range(40)]
    assert blind[0]["identified_chance"] == 1 / CANDIDATES
    for name, chance in (("identified_1", 1 / CANDIDATES), ("identified_5", 5 / CANDIDATES)):
        rate = sum(each[name] for each in blind) / 40
        assert abs(rate - chance) < 4 * (chance * (1 - chance) / 10_000) ** 0.5


def test_the_rate_of_gaussian_releases_is_that_of_the_known_integral():
    """Of codes that stand at right angles, at signal s, one is found with probability E[Phi(e + s)^(K - 1)]."""
    torch.manual_seed(0)
    signal = 3.0
    known = signal * torch.eye(CANDIDATES)
    truth = quad(lambda e: norm.pdf(e) * norm.cdf(e + signal) ** (CANDIDATES - 1), -8, 8)[0]
    rates = [identified(by(known + torch.randn_like(known), known), 100, 100) for _ in range(60)]
    rate = sum(each["identified_1"] for each in rates) / 60
    error = (truth * (1 - truth) / 6000) ** 0.5
    assert 0.2 < truth < 0.9
    assert abs(rate - truth) < 4 * error
    assert rates[0]["identified_1_se"] == pytest.approx((truth * (1 - truth) / 100) ** 0.5, rel=0.2)


def test_a_tie_and_what_is_no_number_count_against_the_attacker():
    twins = torch.rand(50, 4).repeat(2, 1)
    found = identified(by(twins, twins), 100, 100)
    assert (found["identified_1"], found["identified_5"]) == (0, 1)
    broken = identified(by(twins * torch.nan, twins), 100, 100)
    assert (broken["identified_1"], broken["identified_5"]) == (0, 0)


def test_shrinking_a_reconstruction_changes_no_cosine():
    torch.manual_seed(0)
    x = torch.rand(100, 3, 4, 4)
    mean, x_hat = x.mean(0), x + 0.3 * torch.randn_like(x)
    shrunk = mean + 0.05 * (x_hat - mean)
    torch.testing.assert_close(cosines(shrunk, x, mean), cosines(x_hat, x, mean), atol=1e-5, rtol=0)
    rates = [
        identified(scores, 100, 100)["identified_1"]
        for scores in (lambda i, c: cosines(shrunk[i], x[c], mean), by(shrunk, x))
    ]
    # the nearest by squared error to what is shrunk is whoever is nearest to the mean
    assert rates[0] > 0.9 > 0.2 > rates[1]


# the worst class


def drawn(
    between: float, within: float, classes: int = 10, images: int = 20
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    truth = 1 + between * torch.randn(classes)
    y = torch.arange(classes).repeat_interleave(images)
    return truth, truth[y] + within * torch.randn(len(y)), y


def test_the_least_of_equal_means_is_not_below_them():
    torch.manual_seed(0)
    found, raw = [], []
    for _ in range(200):
        _, values, y = drawn(0.0, 0.5)
        found.append(worst_class(values, y).mean)
        raw.append(float(values.view(10, 20).mean(1).min()))
    assert sum(raw) / 200 < 0.85
    assert sum(found) / 200 == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("between", [0.05, 0.1, 0.3])
def test_what_is_told_of_the_worst_class_is_right_of_it_on_average_and_within_its_error(between):
    torch.manual_seed(1)
    off, errors, raw = [], [], []
    for _ in range(400):
        truth, values, y = drawn(between, 0.5)
        told, means = worst_class(values, y), values.view(10, 20).mean(1)
        worst = int(means.argmin())  # of classes of one size the least mean is the least shrunk one
        off.append(told.mean - float(truth[worst]))
        errors.append(told.error)
        raw.append(float(means[worst] - truth[worst]))
    spread = float(torch.tensor(off).std())
    assert abs(sum(off) / 400) < 0.25 * abs(sum(raw) / 400)
    assert sum(errors) / 400 == pytest.approx(spread, rel=0.25)


def test_classes_far_apart_keep_their_means_and_one_class_has_its_own():
    torch.manual_seed(0)
    _, values, y = drawn(0.0, 0.01)
    values = values + y
    assert worst_class(values, y).mean == pytest.approx(float(values[:20].mean()), abs=1e-3)
    alone = worst_class(values[:20], y[:20] + 7)
    assert alone.mean == pytest.approx(float(values[:20].mean()), abs=1e-6)
    assert alone.error == pytest.approx(float(values[:20].std()) / math.sqrt(20), rel=1e-6)
    assert worst_class(torch.zeros(20), y[::10]).mean == 0
    assert worst_class(values[:3], torch.arange(3)) is None
