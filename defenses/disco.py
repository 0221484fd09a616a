"""Channels are pruned image by image, by a network that plays against a decoder.

References:
    Singh, Chopra, Garza, Zhang, Vepakomma, Sharma, Raskar, DISCO: Dynamic and Invariant Sensitive Channel Obfuscation
    for Deep Neural Networks, CVPR 2021.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.likelihood import log_either, log_gaussian, log_zeroed, surprise
from attacks.networks import InverseNetwork
from defenses.base import Batch, Defense, Law, Shapes
from defenses.ranges import number, whole

TEMPERATURE = 1 / 30
"""Of the soft mask whose gradient stands for that of the hard one, at the end; as in the public code."""
CELLS = 4
"""Of each side of an activation, of which the pruner sees the means."""
MOMENTUM = 0.05
"""Share of a batch in the moments of the scores."""
LEAST_VARIANCE = 1e-8
WIDTH = 32
"""Channels inside the network that scores the channels of an activation."""
LEARNING_RATE = 1e-3


class Disco(Defense):
    """Sets the channels of an image that matter least to the task, and most to a decoder, to 0.

    A small network that sees where features are scores the C channels of an activation, and the ``ratio`` of them with
    the lowest scores is set to 0. Scores are standardised, channel by channel, by moments over images that are kept in
    buffers, as a device releases one image at a time: without that a few channels have the lowest scores in all images,
    and what is left is a narrower network. The gradient of the choice is that of ``sigmoid((score - threshold) / T)``,
    with the threshold between the channels kept and pruned; T falls from 1 to 1/30 over the training
    (straight-through). A decoder (blocks of the published inverse network) learns to reconstruct images from releases,
    noise included, by their squared error; the pruner minimises ``(1 - rho) task - rho error``; the client minimises
    the task loss alone.

    One pass serves both players: the pruner's gradient through the decoder is turned round and weighted by rho / (1 -
    rho). Adam, which trains both at a learning rate of .001, does not see the missing factor 1 - rho. Pruner: one
    convolution, means over the quarters of each side and one linear layer, without batch norm, since train and eval
    mode are to prune alike; the paper takes a ResNet. The public code indexes by the hard choice, through which no
    gradient flows, and keeps T. The channel noise comes after pruning, and blurs the zeros.

    Args:
        ratio: Share of the channels that are pruned, in [0, 1], rounded to whole channels; at least one remains.
        rho: Share of the decoder's error in what the pruner plays for, in [0, .99].
        blocks: Residual blocks of the decoder, >= 0.
        channels: Width of the decoder, >= 1.
    """

    strength = "ratio"
    strength_kind = "share"
    reference = (
        "Singh, Chopra, Garza, Zhang, Vepakomma, Sharma, Raskar, DISCO: Dynamic and Invariant Sensitive Channel "
        "Obfuscation for Deep Neural Networks, CVPR 2021"
    )
    version = 2
    faithful = "ours"
    cost = "adversarial: a step of a decoder in every step"
    masks = True
    jumps = True

    score_mean: Tensor
    """Of each channel's score over images, ``(C,)``."""
    score_variance: Tensor
    """Likewise, ``(C,)``, > 0."""
    temperature: Tensor
    """Of the soft mask, ``()``, in [1/30, 1]."""
    seen: Tensor
    """Whether there are moments, a bool, ``()``."""

    def __init__(self, ratio: float = 0.5, rho: float = 0.9, blocks: int = 4, channels: int = 32) -> None:
        super().__init__()
        self.ratio = number("ratio", ratio, most=1.0)
        self.rho = number("rho", rho, most=0.99)
        self.blocks = whole("blocks", blocks)
        self.channels = whole("channels", channels, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        num_channels = shapes.activation[0]
        cells = (min(CELLS, shapes.activation[1]), min(CELLS, shapes.activation[2]))
        self.num_channels = num_channels
        self.steer(self.ratio)
        self.pruner = nn.Sequential(
            nn.Conv2d(num_channels, WIDTH, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(cells),
            nn.Flatten(),
            nn.Linear(WIDTH * math.prod(cells), num_channels),
        )
        self.register_buffer("score_mean", torch.zeros(num_channels))
        self.register_buffer("score_variance", torch.ones(num_channels))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("seen", torch.tensor(False))
        self.decoder = InverseNetwork(shapes.activation, shapes.image, self.blocks, self.channels)

    def steer(self, strength: float) -> None:
        super().steer(strength)
        self.num_pruned = min(int(strength * self.num_channels + 0.5), self.num_channels - 1)

    def forward(self, z: Tensor) -> Tensor:
        return z if self.num_pruned == 0 else z * self._mask(z)[..., None, None]

    def law(self, sigma: float) -> Law:
        return "gaussian"

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        """Return the negative log-likelihood of a mixture for every channel: kept, or pruned.

        The pruner says how likely, by the soft mask that it is trained with: the attacker holds it too, and learns of
        the image from which channels are gone.
        """
        if self.num_pruned == 0:
            return super().surprise(z, activation, sigma)
        odds, _ = self._odds(activation)
        kept = log_gaussian(z, activation, sigma).flatten(2).sum(2)
        return surprise(log_either(odds, kept, log_zeroed(z.flatten(2), sigma)))

    def penalty(self, batch: Batch) -> Tensor:
        """Return the decoder's mean squared error, in [0, 1], with the pruner's gradient turned round."""
        if self.num_pruned == 0:
            return super().penalty(batch)
        if self.training:
            self._follow(batch.z_clean, batch.progress)
        pruned = self.forward(batch.z_clean.detach())
        weight = self.rho / (1 - self.rho)
        # the release itself, whose gradient on the pruner is -weight times that of the error
        release = batch.z.detach() + weight * (pruned.detach() - pruned)
        return F.mse_loss(self.decoder(release), batch.x)

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "optimiser": "adam", "lr": LEARNING_RATE}]

    @torch.no_grad()
    def _follow(self, z: Tensor, progress: float) -> None:
        """Move the moments of the scores and the temperature by a batch ``(B, C, H, W)`` of at least one image."""
        variance, mean = torch.var_mean(self.pruner(z), dim=0, correction=0)
        share = torch.where(self.seen, MOMENTUM, 1.0)
        # not in place: the step's release has a graph through them
        self.score_mean = self.score_mean.lerp(mean, share)
        self.score_variance = self.score_variance.lerp(variance, share).clamp(min=LEAST_VARIANCE)
        self.temperature = torch.full_like(self.temperature, TEMPERATURE**progress)
        self.seen.fill_(True)

    def _mask(self, z: Tensor) -> Tensor:
        """Return 0 for the channels that are pruned and 1 for the others, ``(B, C)``."""
        odds, order = self._odds(z)
        hard = torch.ones_like(odds).scatter(1, order[:, : self.num_pruned], 0.0)
        soft = torch.sigmoid(odds)
        return hard + (soft - soft.detach())

    def _odds(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-odds by which the soft mask keeps a channel, and channels from the least score, ``(B, C)``."""
        scores = (self.pruner(z) - self.score_mean) * self.score_variance.rsqrt()
        ordered, order = scores.detach().sort(dim=1)
        threshold = ordered[:, self.num_pruned - 1 : self.num_pruned + 1].mean(1, keepdim=True)
        return (scores - threshold) / self.temperature, order
