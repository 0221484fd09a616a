"""Attacks read a release without the member of a known collection of noise that it carries."""

import pytest
import torch

from attacks.linear import Linear
from attacks.members import Collection, Members
from attacks.reading import Reader
from attacks.testproblems import LinearGaussian
from defenses.shredder import Shredder
from tests.attacks.test_repeated import Noisy

K, FEATURES = 5, (2, 3, 4)


@pytest.fixture(scope="module")
def collection():
    torch.manual_seed(0)
    return Collection(0.15 * torch.randn(K, *FEATURES), torch.full((K, *FEATURES), 0.09))


def test_probabilities_are_bayes_rule_where_activations_and_noise_are_gaussian(collection):
    torch.manual_seed(1)
    root, mean = torch.randn(24, 24, dtype=torch.double) / 5, torch.randn(24, dtype=torch.double)

    def drawn(a, member):
        noise = (collection.variances[member] + 0.2**2).sqrt() * torch.randn(len(a), *FEATURES)
        return a + collection.offsets[member] + noise

    a = (torch.randn(10_000, 24, dtype=torch.double) @ root.T + mean).float().view(-1, *FEATURES)
    member = torch.randint(K, (2, len(a)))
    members = Members(collection, 0.2, drawn(a, member[0]), drawn(a, member[1]))
    z = drawn(a[:500], member[0, :500])
    cov = root @ root.T + (0.09 + 0.04) * torch.eye(24, dtype=torch.double)
    laws = [torch.distributions.MultivariateNormal(mean + mu.flatten(), cov) for mu in collection.offsets.double()]
    exact = torch.stack([law.log_prob(z.flatten(1).double()) for law in laws], dim=1).softmax(1)
    assert (members.probabilities(z) - exact).abs().mean() < 0.015
    # and they say something
    right = (exact.argmax(1) == member[0, :500]).float().mean()
    assert 0.5 < right < 0.95


def shredded(apart: float) -> Noisy:
    """A linear client behind eight members, so far apart as they are drawn times a factor."""
    torch.manual_seed(0)
    target = Noisy(Shredder(lam=0.03, members=8, scale=0.02), sigma=0.05)
    target.defense.location.data *= apart
    return target


def error(attack, target) -> float:
    """Mean squared error on fresh images of an attack fitted on 1,500."""
    torch.manual_seed(2)
    attack.fit(target, target.sample(1500), target.sample(300))
    x = target.sample(500).x.float() / 255
    return float((attack.reconstruct(target.release(x)) - x).square().mean())


def test_members_that_lie_far_apart_cost_the_linear_attack_nothing():
    errors = {}
    for apart in (0.0, 10.0):
        target = shredded(apart)
        errors[apart] = error(Linear(**Linear.budgets["quick"]), target)
    assert errors[10.0] == pytest.approx(errors[0.0], rel=0.02)


def test_a_network_reads_a_release_as_if_all_members_were_one():
    missing = {}
    for apart in (0.0, 10.0):
        target = shredded(apart)
        x = target.sample(800).x.float() / 255
        reader = Reader(target, target.release(x), lambda target=target, x=x: target.release(x))
        first, again = (reader(target.release(x)).z[:, :8] for _ in range(2))
        missing[apart] = float((first - again).square().mean() / first.square().mean())
    assert missing[10.0] == pytest.approx(missing[0.0], rel=0.03)


def test_a_single_member_and_other_defenses_are_read_as_they_were():
    target = Noisy(Shredder(lam=0.03, members=1), sigma=0.05)
    x = target.sample(10).x.float() / 255
    assert Members.of(target, target.release(x), lambda: target.release(x)) is None
    assert Members.of(LinearGaussian(0.1), target.release(x), lambda: target.release(x)) is None
