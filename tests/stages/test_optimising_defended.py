"""Training of defended networks: what a defense may ask of it, on digits and a small network."""

import math

import pytest
import torch

from defenses import DEFENSES
from harness.ledger import open_attempt
from harness.records import Place
from harness.stages.assignment import Assignment
from harness.stages.building import build
from harness.stages.loading import images_of
from harness.stages.optimising import train
from tests.holding import SLIGHT
from tests.values import asked

FEW = SLIGHT | {"train/epochs": 2, "train/images": 128, "train/batch_size": 32, "model/sigma": 0.1}


def trained(folder, **settings):
    """The network after each epoch, and how the training went."""
    chosen = asked(settings=FEW | settings)
    data = images_of(chosen.settings, Place(), torch.device("cpu"))
    torch.manual_seed(0)
    model = build(chosen, data)
    epochs, steps = [], train(model, data, Assignment(chosen, Place(), open_attempt(folder)))
    try:
        while True:
            next(steps)
            epochs.append({key: value.clone() for key, value in model.state_dict().items()})
    except StopIteration as end:
        return epochs[1:], end.value


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [{}, {"train/ramp": 0.125, "train/label_smoothing": 0.0}], ids=["its own", "a ramp"])
@pytest.mark.parametrize("name", DEFENSES)
def test_every_defense_trains_and_refits(name, recipe, tmp_path):
    (first, second), said = trained(tmp_path, **{"defense/name": name}, **recipe)
    assert all(math.isfinite(point.value) for point in said.curve)
    assert all(bool(value.isfinite().all()) for value in second.values())
    assert not torch.equal(first["client.1.0.weight"], second["client.1.0.weight"])


def test_a_frozen_network_stays_and_the_noise_is_learned_on_it(tmp_path):
    (first, second), _ = trained(tmp_path, **{"defense/name": "shredder", "defense/shredder/published": True})
    moved = {key for key in first if not torch.equal(first[key], second[key])}
    learned = {"defense.location", "defense.log_scale"}
    assert learned <= moved
    assert all("running" in key or "num_batches" in key for key in moved - learned)


def test_a_term_clusters_and_charges_what_is_released_and_says_where_it_bounds_nothing(tmp_path):
    term = {"term/name": "cem_paper", "term/cem_paper/lam": 0.1}
    (_, alone), said = trained(tmp_path / "none", **term)
    assert said.notes == ()
    loud = {"defense/name": "learned_noise", "defense/learned_noise/least": 0.3, "defense/learned_noise/most": 0.3}
    (_, beside), said = trained(tmp_path / "noise", **term, **loud)
    assert said.notes == ()
    # in units in which all noise has the channel's deviation: .1 / sqrt(.1 ** 2 + .3 ** 2) of the activation
    shrunk = beside["term.variances"].mean() / alone["term.variances"].mean()
    assert 0.02 < shrunk < 0.4
    laplace = {"defense/name": "laplace", "defense/laplace/scale": 0.1}
    _, said = trained(tmp_path / "laplace", **term, **laplace)
    assert said.notes == (
        "term cem_paper bounds nothing beside laplace, whose noise is not Gaussian, or not the same for all images",
    )


@pytest.mark.parametrize("base", ["vib", "learned_noise"])
def test_an_adversary_learns_beside_noise_that_is_learned(base, tmp_path):
    small = {"term/name": "arl", "term/arl/blocks": 0, "term/arl/channels": 4, "term/arl/threshold": 0.0}
    (first, second), said = trained(tmp_path, **small, **{"defense/name": base, f"defense/{base}/lam": 0.1})
    moved = [key for key in first if not torch.equal(first[key], second[key])]
    assert any(key.startswith("term.adversary") for key in moved)
    assert any(key.startswith("defense.") for key in moved)
    assert said.notes == ()
