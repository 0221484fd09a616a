"""How far the gradients of stand-in images are from those that split training revealed.

References:
    Zhu, Liu, Han, Deep leakage from gradients, 2019.
    Zhao, Mopuri, Bilen, iDLG: improved deep leakage from gradients, 2020.
    Geiping, Bauermeister, Dröge, Moeller, Inverting gradients: how easy is it to break privacy in federated learning?,
    2020.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from attacks.base import Target
from attacks.per_image import per_image_gradients

Form = Literal["squared", "cosine"]
"""How gradients are compared."""


class ExpectedNetwork(nn.Module):
    """The whole network without noise: the client, the expectation of what the defense makes of it, the server."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.client, self.server = target.modules()
        # in a tuple, unregistered: training shows the server no gradients of the defense's own parameters
        self._defense = (target.defense,)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(B, num_classes)``, of images in [0, 1]."""
        (defense,) = self._defense
        expectation = getattr(defense, "mean", defense)
        logits: Tensor = self.server(expectation(self.client(x).float()))
        return logits


class Observed:
    """Images' gradients as the server saw them, and the labels that they betray.

    Args:
        network: Of which they are gradients.
        x: The images, in [0, 1], ``(N, 3, height, width)``: forgotten once differentiated.
        y: Their labels, ``(N,)``.
        chunk: Images differentiated at once, >= 1.
    """

    def __init__(self, network: nn.Module, x: Tensor, y: Tensor, chunk: int) -> None:
        self.network = network
        pairs = zip(x.split(chunk), y.split(chunk), strict=True)
        self.chunks = [{n: g.detach() for n, g in per_image_gradients(network, *pair).items()} for pair in pairs]
        """By chunk and parameter, ``(chunk, *shape)``."""
        self.labels = torch.cat([betrayed_labels(gradients) for gradients in self.chunks])
        """``(N,)``"""

    def distance(self, x: Tensor, form: Form, smoothness: float) -> tuple[Tensor, Tensor]:
        """Return how far stand-ins are from agreeing, ``(R, N)``, and its gradient in them; each by itself.

        Args:
            x: R stand-ins for each image, ``(R, N, 3, height, width)``.
            form: ``squared``: |g' - g|^2 / |g|^2; ``cosine``: 1 - cos(g', g).
            smoothness: Weight of the total variation, >= 0.
        """
        sizes = [len(next(iter(gradients.values()))) for gradients in self.chunks]
        parts = zip(x.split(sizes, dim=1), self.labels.split(sizes), self.chunks, strict=True)
        losses, slopes = zip(*(self._distance(*part, form, smoothness) for part in parts), strict=True)
        return torch.cat(losses, dim=1), torch.cat(slopes, dim=1)

    def _distance(
        self, x: Tensor, y: Tensor, true: Mapping[str, Tensor], form: Form, smoothness: float
    ) -> tuple[Tensor, Tensor]:
        x = x.detach().requires_grad_()
        flat = per_image_gradients(self.network, x.flatten(0, 1), y.repeat(len(x)))
        dummy = {name: gradient.unflatten(0, x.shape[:2]) for name, gradient in flat.items()}
        loss = FORMS[form](dummy, true)
        if smoothness:
            loss = loss + smoothness * total_variation(x)
        (slope,) = torch.autograd.grad(loss.sum(), x)
        return loss.detach(), slope


def betrayed_labels(gradients: Mapping[str, Tensor]) -> Tensor:
    """Return the labels of single images, ``(B,)``: of the classifier's rows only the label's own has p - 1 < 0.

    Args:
        gradients: By parameter, ``(B, *shape)``; the last is the classifier's bias, or its weight if it has none, and
            then exact only where the features below are not negative.
    """
    *_, last = gradients.values()
    rows = last if last.ndim == 2 else last.flatten(2).sum(2)
    return rows.argmin(1)


def total_variation(x: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbouring pixels, down plus across, ``(...,)`` of (..., 3, H, W)."""
    down, across = x.diff(dim=-2).abs(), x.diff(dim=-1).abs()
    return down.mean(dim=(-3, -2, -1)) + across.mean(dim=(-3, -2, -1))


def _squared(dummy: Mapping[str, Tensor], true: Mapping[str, Tensor]) -> Tensor:
    difference = torch.stack([(dummy[name] - true[name]).square().flatten(2).sum(2) for name in true]).sum(0)
    return difference / _size(true)


def _cosine(dummy: Mapping[str, Tensor], true: Mapping[str, Tensor]) -> Tensor:
    product = torch.stack([(dummy[name] * true[name]).flatten(2).sum(2) for name in true]).sum(0)
    own = torch.stack([dummy[name].square().flatten(2).sum(2) for name in true]).sum(0)
    # the floor keeps the root's derivative finite where a stand-in has no gradient at all
    return 1 - product / (own * _size(true)).clamp_min(1e-30).sqrt()


def _size(gradients: Mapping[str, Tensor]) -> Tensor:
    """Return squared norms, ``(B,)``."""
    return torch.stack([g.square().flatten(1).sum(1) for g in gradients.values()]).sum(0).clamp_min(1e-30)


FORMS = {"squared": _squared, "cosine": _cosine}
