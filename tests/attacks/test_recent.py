"""What an attack remembers of the releases that it inverted lately."""

import torch

from attacks.contract_bench import SmallTarget, pictures
from attacks.diffusion import Diffusion
from attacks.recent import MOST, Recent

TINY = {"steps": 2, "samples": 1, "channels": 4, "components": 8, "prior_steps": 2, "iterations": 1, "images": 4}


def test_the_same_releases_are_remembered_and_no_others():
    recent, z = Recent[str](), torch.rand(2, 3)
    assert recent.put(z, "made") == "made"
    assert recent.get(z.clone()) == "made"
    assert recent.get(z + 1) is None
    assert recent.get(z[:1]) is None


def test_what_is_changed_after_it_was_remembered_is_not_taken_for_it():
    recent, z = Recent[str](), torch.rand(2, 3)
    recent.put(z, "made")
    assert recent.get(z.add_(1)) is None


def test_the_oldest_is_forgotten_first():
    recent = Recent[int]()
    for number in range(MOST + 1):
        recent.put(torch.full((2,), float(number)), number)
    assert recent.get(torch.zeros(2)) is None
    assert recent.get(torch.ones(2)) == 1
    recent.clear()
    assert recent.get(torch.ones(2)) is None


def test_a_random_attack_that_is_asked_again_gives_the_same():
    torch.manual_seed(0)
    target, attack = SmallTarget(), Diffusion(**(Diffusion.budgets["quick"] | TINY))
    attack.fit(target, pictures(20), pictures(8))
    z = target.release(pictures(4).x / 255)
    first = attack.reconstruct(z)
    assert torch.equal(first, attack.reconstruct(z))
    assert not torch.equal(first, attack.reconstruct(z + 1e-6))
