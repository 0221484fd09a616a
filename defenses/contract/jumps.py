"""The law of the contract about releases that jump: a derivative tells nothing of one, and the defense says so."""

import torch
from torch import Tensor

from defenses.base import Defense
from defenses.contract.bench import Bench, Case, require

PATHS = 16
"""Pairs of images between whose activations a release is followed."""
PARTS, ZOOM, ZOOMS = 32, 8, 5
"""Parts of a path that are looked at first, and into how many the one that changes most is divided, so many times."""
MOST = 1e-3
"""Share of the change from image to image that a release may make over a millionth of the way from one to the other:
a thousandfold slope, and less than one step of 8 bits."""


def says_where_it_jumps(case: Case) -> None:
    """Where an activation moves a little its release does too, in mean and deviation, unless ``jumps`` says otherwise.

    What attackers and bounds take derivatives of would else have none there: a straight-through gradient, or nought.
    """
    if case.create.jumps:
        return
    bench = Bench(case)
    defense, z = bench.defense.eval(), bench.features()
    one, two = 3 * z[:PATHS] - 1, z[PATHS : 2 * PATHS]  # from beyond the activations of images to one
    with torch.no_grad():
        whole = float(_told(defense, torch.cat([one, two])).std(0).max())
        jump = float(_steepest(defense, one, two).max())
    require(
        jump <= MOST * whole + 1e-6,
        f"over a millionth of the way from one activation to another the release jumps by {jump:.3g}; images differ by "
        f"{whole:.3g}: a defense whose release jumps says so, jumps = True",
    )


def _steepest(defense: Defense, one: Tensor, two: Tensor) -> Tensor:
    """Return the most that a release changes over the steepest small part of each path, ``(PATHS,)``."""
    start, length, count = torch.zeros(len(one)), 1.0, PARTS
    for _ in range(ZOOMS + 1):
        places = start[:, None].double() + length * torch.linspace(0, 1, count + 1, dtype=torch.float64)
        along = places[..., None, None, None]
        path = (1 - along) * one[:, None].double() + along * two[:, None].double()
        told = _told(defense, path.flatten(0, 1).float()).view(len(one), count + 1, -1)
        change, part = told.diff(dim=1).abs().amax(2).max(1)
        start, length, count = places.gather(1, part[:, None])[:, 0], length / count, ZOOM
    return change


def _told(defense: Defense, z: Tensor) -> Tensor:
    """Return mean and deviation of releases, ``(N, 2 D)``."""
    std = torch.as_tensor(defense.noise_std(z), dtype=z.dtype).expand_as(z)
    return torch.cat([defense.mean(z).flatten(1), std.flatten(1)], dim=1)
