"""Which image of the scored part a release is of, as an attacker tells who knows as much of the client."""

import torch
from torch import Tensor

from attacks.base import Knowledge
from attacks.likelihood import effective_sigma
from attacks.metrics import CANDIDATES, FOUND, IDENTIFIED, Further, Scores, cosines, identified
from defenses.information import pairwise
from harness.data import Part, to_float
from harness.models import LiveTarget
from harness.records import derive
from harness.stages.ground import seed_everything
from harness.stages.measuring import CHUNK, releases

QUERIES = 64
"""Releases of each candidate that whoever may ask the client takes the mean of."""


@torch.no_grad()
def identified_by(knowledge: Knowledge, target: LiveTarget, part: Part, x_hat: Tensor, seed: int) -> Further:
    """Return what ``attacks.metrics.FOUND`` says of the releases that every attack on a trial sees.

    Args:
        knowledge: The attacker's.
        target: The network under attack.
        part: The scored part: candidates are of it.
        x_hat: Reconstructions of its first images, ``(N, 3, height, width)``.
        seed: The trial's.
    """
    if len(part.y) < CANDIDATES:
        reason = f"it takes {CANDIDATES} candidates, and there are {len(part.y)}"
        return Further(dict.fromkeys(FOUND), dict.fromkeys(FOUND, reason))
    z = releases(target, part, seed)[:IDENTIFIED]
    # what an incomplete last block is looked for among may lie beyond the images that are looked for
    x = to_float(part.x[: max(len(z), CANDIDATES)])
    seed_everything(derive(seed, "identify", part.name))
    if knowledge == "gradients":
        scores = _by_likelihood(target, z, x)
    elif knowledge == "queries":
        scores = _by_features(target, z, x)
    else:
        scores = _by_pixels(x_hat, x)
    found = identified(scores, min(len(x_hat), len(z)), len(x))
    assert found is not None
    return Further(dict(found), {})


def _by_likelihood(target: LiveTarget, z: Tensor, x: Tensor) -> Scores:
    """The most powerful test there is: by the density of the release if it were of the candidate."""
    activation = torch.cat([target.activation(chunk) for chunk in x.split(CHUNK)])
    sigma = effective_sigma(target)
    return lambda images, candidates: -pairwise(target.defense, z[images], activation[candidates], sigma)


def _by_features(target: LiveTarget, z: Tensor, x: Tensor) -> Scores:
    asked = torch.cat([target.release(chunk, QUERIES).mean(0) for chunk in x.split(CHUNK // QUERIES)])
    return lambda images, candidates: cosines(z[images], asked[candidates], asked.mean(0))


def _by_pixels(x_hat: Tensor, x: Tensor) -> Scores:
    return lambda images, candidates: cosines(x_hat[images], x[candidates], x.mean(0))
