"""A small client trained on handwritten digits, behind any defense, and a codebook of other digits."""

import functools
from typing import Any

import sklearn.datasets
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Images
from attacks.codebook import Codebook
from defenses import DEFENSES
from defenses.base import Defense, Epoch, Shapes
from harness.models import LiveTarget, SplitModel

SHAPES = Shapes(image=(3, 16, 16), activation=(4, 4, 4), num_classes=10)
NUM_TRAINED = 400
"""Digits that the client is trained on; codebooks are of the others."""
STEPS, BATCH_SIZE, TRAINED_SIGMA = 60, 64, 0.3

EXACT: dict[str, tuple[str, dict[str, Any], float]] = {
    "none": ("none", {}, 2.0),
    "laplace": ("laplace", {"scale": 1.2}, 0.5),
    "local_dp-gaussian": ("local_dp", {"epsilon": 20.0}, 1.5),
    "local_dp-laplace": ("local_dp", {"epsilon": 10.0, "mechanism": "laplace"}, 1.5),
    "dropout": ("dropout", {"rate": 0.6}, 2.0),
    "shredder": ("shredder", {"scale": 1.0}, 1.0),
    "learned_noise": ("learned_noise", {}, 2.0),
    "vib": ("vib", {}, 2.0),
}
"""Defenses whose ``surprise`` is the law of what they do: settings, and the channel noise in units of the features'
spread, with which they hide something and not everything."""

HARD: dict[str, tuple[str, dict[str, Any], float]] = {
    "topk": ("topk", {"ratio": 0.8}, 1.0),
    "disco": ("disco", {"ratio": 0.75, "channels": 4, "blocks": 0}, 1.5),
    "rounding": ("rounding", {"step": 4.0}, 1.0),
    "rounding-dither": ("rounding", {"step": 4.0, "dither": True}, 1.0),
}
"""The same of defenses whose hard choices ``surprise`` takes as soft: an attack all the same, though no known answer.
"""


@functools.cache
def digits() -> Images:
    """All 1,797 digits, enlarged to 3x16x16."""
    bunch = sklearn.datasets.load_digits()
    grey = torch.from_numpy(bunch.images).float()[:, None] / 16
    x = F.interpolate(grey, SHAPES.image[1:], mode="bilinear").expand(-1, 3, -1, -1)
    return Images((255 * x).round().to(torch.uint8).contiguous(), torch.from_numpy(bunch.target).long())


@functools.cache
def network(defense: str = "none", noise: float | None = None) -> LiveTarget:
    """A client of one convolution, trained with a linear server on the first digits behind a defense.

    Args:
        defense: Of ``EXACT`` or ``HARD``.
        noise: On the channel, in units of the features' spread; None for what these say.
    """
    torch.manual_seed(0)
    name, settings, usual = (EXACT | HARD)[defense]
    convolution = nn.Conv2d(3, SHAPES.activation[0], 4, stride=4)
    client = nn.Sequential(convolution, nn.BatchNorm2d(SHAPES.activation[0]), nn.Softplus())
    server = nn.Sequential(nn.Flatten(), nn.Linear(64, SHAPES.num_classes))
    attached = DEFENSES[name](**settings)
    attached.attach(client, SHAPES)
    model = SplitModel(client, server, attached, TRAINED_SIGMA)
    x, y = digits().x[:NUM_TRAINED].float() / 255, digits().y[:NUM_TRAINED]
    _begin(attached, client, x, y)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(STEPS):
        chosen = torch.randint(len(x), (BATCH_SIZE,))
        loss = F.cross_entropy(server(model.noised(client(x[chosen]))), y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval().requires_grad_(False)
    model.sigma = (usual if noise is None else noise) * LiveTarget(*_of(model), x).spread
    return LiveTarget(*_of(model), x)


@functools.cache
def codebook(defense: str = "none", noise: float | None = None, num_images: int = 32) -> Codebook:
    """Digits that the client was not trained on."""
    rest = Images(digits().x[NUM_TRAINED:], digits().y[NUM_TRAINED:])
    return Codebook(network(defense, noise), Images(rest.x[:num_images], rest.y[:num_images]))


def _begin(defense: Defense, client: nn.Module, x: Tensor, y: Tensor) -> None:
    """Fit what a defense fits at the end of an epoch, such as sensitivities."""

    def features(augment: bool = False) -> Tensor:
        with torch.no_grad():
            z: Tensor = client(x)
        return z

    defense.end_epoch(
        Epoch(features=features, y=y, model=client, batch_size=BATCH_SIZE, progress=0.1, lr=0.05, epoch=0)
    )


def _of(model: SplitModel) -> tuple[SplitModel, tuple[int, int, int], int, torch.dtype]:
    return model, SHAPES.image, SHAPES.num_classes, torch.float32
