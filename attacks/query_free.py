"""Query-free inversion: a shadow client is trained against the frozen server, and inverted in the client's place.

References:
    He, Zhang, Lee, Model inversion attacks against collaborative inference, 2019.
    He, Zhang, Lee, Attacking and protecting data privacy in edge-cloud collaborative inference systems, 2020.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Attack, Course, Fit, Images, Knowledge, Span, Target, Tunable
from attacks.counted import counted
from attacks.fitting import guess_error, one_cycle, unit
from attacks.guesses import mean_image
from attacks.inversion import Watch, contrast, minimise, pulled, roughness, trust, unwatched
from attacks.likelihood import effective_sigma, gaussian_surprise
from attacks.precision import autocast
from attacks.ranges import at_least, positive
from attacks.verdict import verdict

WATCHED = 32
"""Images that the learning curve, and those that the trust, is measured on: each costs as much as one scored."""

CHUNK = 256
"""Images that are optimised at once."""

MARGIN = 1e-3
"""Distance from 0 and 1 at which a start is kept: a sigmoid is flat at the ends."""


class ShadowClient(nn.Module):
    """A plain stand-in for an unknown client: convolutions with batch norm, halving the size, and a sigmoid.

    Args:
        image: ``(3, height, width)`` of an image.
        activation: ``(C, H, W)`` of a release, H <= height, W <= width.
        width: Channels of the first convolution, >= 1; doubled at each halving, up to fourfold.
        extent: The sigmoid's ends, least and greatest activation.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        activation: tuple[int, int, int],
        width: int,
        extent: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        super().__init__()
        self.low, self.reach = extent[0], extent[1] - extent[0]
        self.size = activation[1:]
        halvings = max(0, int(math.log2(min(image[1] / activation[1], image[2] / activation[2]))))
        widths = [min(4, 2**stage) * width for stage in range(halvings + 1)]
        stages = [_stage(*pair, pool=stage > 0) for stage, pair in enumerate(pairwise([image[0], *widths]))]
        self.body = nn.Sequential(*stages, nn.Conv2d(widths[-1], activation[0], 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return activations within the extent, ``(B, C, H, W)`` float32, of images ``(B, 3, height, width)``."""
        h = self.body(x.contiguous(memory_format=torch.channels_last)).float()
        if h.shape[2:] != self.size:
            h = F.adaptive_avg_pool2d(h, self.size)
        return self.low + self.reach * torch.sigmoid(h)


def _stage(num_in: int, num_out: int, pool: bool) -> nn.Module:
    halved: list[nn.Module] = [nn.MaxPool2d(2)] if pool else []
    return nn.Sequential(*halved, nn.Conv2d(num_in, num_out, 3, padding=1), nn.BatchNorm2d(num_out), nn.ReLU())


class QueryFree(Attack):
    """Trains two clients of its own so that the server classifies the attacker's images; inverts releases by the first.

    The image minimises ``surprise(z | g(x)) + lam_tv TV(x)`` in nats, g the shadow behind the defense and TV as in
    :class:`attacks.rmle.Rmle`, from the mean image. Nothing ties a shadow to the client but the server, so the second
    shadow stands in for the unknown client: its releases say how far a reconstruction by the first may be trusted, one
    factor by which deviations from the mean image are multiplied, fitted on ``aux``; and its releases of ``val`` make
    the curve and the verdict, for the attacker sees none of the true client's. The true error may well be larger.

    Args:
        width: Channels of a shadow's first convolution, >= 1.
        shadow_steps: Training steps of each shadow, >= 1.
        batch_size: Images of a training step, >= 1.
        shadow_lr: Highest learning rate of Adam in training, > 0; one cycle.
        steps: Of Adam in inversion, >= 1.
        lr: Its highest learning rate, in logits, > 0; falls as a cosine.
        lam_tv: Weight of the total variation, >= 0.
        images: Most images scored, >= 1.
    """

    reference = "He et al., Model inversion attacks against collaborative inference, 2019 (query-free)"
    threat = "The server knows its own half, the defense and the noise, and has images; it never asks the client."
    cost = "two trainings of a shadow client through the server; then some hundred passes through it an image"
    knowledge: ClassVar[Knowledge] = "none"
    needs_server: ClassVar[bool] = True
    version = 3
    width_setting = "width"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "width": 16, "shadow_steps": 40, "batch_size": 32, "shadow_lr": 5e-3, "steps": 60, "lr": 0.1,
            "lam_tv": 1.0, "images": 32,
        },
        "standard": {
            "width": 32, "shadow_steps": 300, "batch_size": 64, "shadow_lr": 3e-3, "steps": 100, "lr": 0.1,
            "lam_tv": 1.0, "images": 200,
        },
        "strong": {
            "width": 64, "shadow_steps": 15_000, "batch_size": 128, "shadow_lr": 1e-3, "steps": 2000, "lr": 0.05,
            "lam_tv": 1.0, "images": 1000,
        },
    }  # fmt: skip
    tunable: ClassVar[dict[str, Tunable]] = {
        "shadow_lr": Span(3e-4, 1e-2, log=True),
        "lam_tv": Span(0.1, 100.0, log=True),
    }

    def __init__(
        self,
        width: int,
        shadow_steps: int,
        batch_size: int,
        shadow_lr: float,
        steps: int,
        lr: float,
        lam_tv: float,
        images: int,
    ) -> None:
        at_least("query_free", 0, lam_tv=lam_tv)
        at_least(
            "query_free", 1, width=width, shadow_steps=shadow_steps, batch_size=batch_size, steps=steps, images=images
        )
        positive("query_free", shadow_lr=shadow_lr, lr=lr)
        self.width, self.shadow_steps, self.batch_size, self.shadow_lr = width, shadow_steps, batch_size, shadow_lr
        self.steps, self.lr, self.lam_tv, self.images = steps, lr, lam_tv, images
        self.target: Target | None = None

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Train both shadows, then invert the second's releases through the first."""
        self.target, self.mean = target, mean_image(aux.x) / 255
        self.contrast, self.trust = contrast(unit(aux.x)), 1.0
        self.shadow, stand_in = self._trained(aux), self._trained(aux)
        known, shown = unit(aux.x[:WATCHED]), unit(val.x[:WATCHED])
        self.trust = trust(self._inverted(self._released(stand_in, known), self.steps), self.mean, known)
        watch, z = Watch(shown, self.steps, self.mean.expand_as(shown)), self._released(stand_in, shown)
        errors = {1.0: pulled(self._inverted(z, self.steps, watch), self.mean, shown)}
        errors |= {1 / part: pulled(self._inverted(z, self.steps // part), self.mean, shown) for part in (4, 2)}
        with torch.no_grad():
            labels = target.server(self._released(self.shadow, shown)).argmax(1)
        accuracy = float((labels == val.y[:WATCHED]).float().mean())
        guess = guess_error(aux, Images(val.x[:WATCHED], val.y[:WATCHED]))
        details = {"shadow_accuracy": accuracy, "trust": self.trust, "mse_of_half": float(errors[0.5].mean())}
        own, course = verdict(watch.points, guess), Course(assumes=True, errors=errors)
        return Fit(curve=tuple(watch.points), verdict=own, course=course, details=details)

    def reconstruct(self, z: Tensor) -> Tensor:
        """Invert releases through the shadow, in chunks."""
        if self.target is None:
            raise RuntimeError("query_free: fit it before it reconstructs")
        return torch.cat([self._pulled(chunk.float()) for chunk in z.split(CHUNK)])

    def _trained(self, aux: Images) -> ShadowClient:
        """Return a shadow, in eval mode, whose releases the frozen server classifies."""
        assert self.target is not None
        shadow = ShadowClient(self.target.image_shape, self.target.activation_shape, self.width, self.target.extent)
        shadow = shadow.to(aux.x.device).to(memory_format=torch.channels_last)
        optimiser = torch.optim.Adam(shadow.parameters(), fused=True)
        for step in counted(range(self.shadow_steps)):
            for group in optimiser.param_groups:
                group["lr"] = self.shadow_lr * one_cycle(step, self.shadow_steps, 1)
            chosen = torch.randint(len(aux.x), (self.batch_size,), device=aux.x.device)
            self._step(shadow, unit(aux.x[chosen]), aux.y[chosen], optimiser)
        return shadow.eval()

    def _step(self, shadow: ShadowClient, x: Tensor, y: Tensor, optimiser: torch.optim.Optimizer) -> None:
        assert self.target is not None
        with autocast(x.device, self.target.precision):
            z = shadow(x)
        z = self.target.defense(z) + self.target.sigma * torch.randn_like(z)
        # the second term is nought: a server that ignores z has no gradient at all
        loss = F.cross_entropy(self.target.server(z), y) + 0 * z.sum()
        parameters = list(shadow.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimiser.step()

    @torch.no_grad()
    def _released(self, shadow: ShadowClient, x: Tensor) -> Tensor:
        assert self.target is not None
        z: Tensor = self.target.defense(shadow(x))
        return z + self.target.sigma * torch.randn_like(z)

    def _inverted(self, z: Tensor, steps: int, watch: Callable[[int, Tensor, Tensor], None] = unwatched) -> Tensor:
        found = minimise(
            [torch.logit(self.mean, eps=MARGIN).expand(len(z), -1, -1, -1)],
            images=lambda leaves: leaves[0].sigmoid(),
            objective=lambda x, leaves: self._surprise(x, z) + self.lam_tv / self.contrast * roughness(x),
            steps=steps,
            lr=self.lr,
            watch=watch,
        )
        return found.x

    def _surprise(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the negative log-likelihood of releases if the shadow were the client, ``(B,)``."""
        assert self.target is not None
        surprise: Callable[[Tensor, Tensor, float], Tensor]
        surprise = getattr(self.target.defense, "surprise", gaussian_surprise)
        return surprise(z, self.shadow(x), effective_sigma(self.target))

    def _pulled(self, z: Tensor) -> Tensor:
        x_hat = self._inverted(z, self.steps)
        return torch.lerp(self.mean.expand_as(x_hat), x_hat, self.trust)
