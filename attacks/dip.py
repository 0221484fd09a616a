"""White-box inversion under the deep image prior: an untrained network draws each image, and its weights are fitted.

References:
    Ulyanov, Vedaldi, Lempitsky, Deep image prior, 2018.
    Singh, Chopra, Garza, Zhang, Vepakomma, Sharma, Raskar, DISCO: dynamic and invariant sensitive channel obfuscation
    for deep neural networks, 2021.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from attacks.base import Attack, Fit, Images, Knowledge, Span, Target, Tunable
from attacks.fitting import guess_error, released, unit
from attacks.guesses import mean_image
from attacks.inversion import Watch, minimise, unwatched
from attacks.skip_network import SkipNetwork
from attacks.verdict import verdict

WATCHED = 32
"""Images of attacker-validation that the learning curve is measured on: each costs as much as one that is scored."""

CHUNK = 64
"""Images, each with a network of its own, that are optimised at once."""

INPUTS = 16
"""Channels of the networks' input."""

SKIP = 4
"""Channels of a skip connection."""

STAGES = ((0.4, 1.0), (0.6, 0.2), (0.8, 0.05))
"""Share of the steps until which the input is perturbed, and by what part of the perturbation; then by none."""


class Dip(Attack):
    """Minimises ``surprise(z | g(u; w))`` over the weights w of a skip network, each image's own; u is fixed noise.

    An untrained network draws the mean of the attacker's images. Its input is perturbed by fresh noise in stages that
    shrink as the published ones do (10, 2, .5, 0), relative to u.

    Args:
        steps: Of Adam, >= 1.
        lr: Highest learning rate of the weights, > 0; falls as a cosine.
        widths: Channels of the network's scales, highest first, >= 1; the first ones that the image has room for.
        kernels: Sides of the kernels on the way down, odd, one for each scale.
        perturbation: Standard deviation of the input's first perturbation over that of the input, >= 0.
        images: Most images scored, >= 1.
    """

    reference = (
        "Singh et al., DISCO: dynamic and invariant sensitive channel obfuscation, 2021 (likelihood maximisation)"
    )
    threat = "The server holds the client's weights and the defense, and fits a network that draws what it was sent."
    cost = "a network fitted to each image: some hundred to thousand passes through it and the client"
    knowledge: ClassVar[Knowledge] = "gradients"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "steps": 50, "lr": 5e-2, "widths": (16, 16, 16), "kernels": (3, 3, 3), "perturbation": 0.3, "images": 32,
        },
        "standard": {
            "steps": 250, "lr": 3e-2, "widths": (16, 32, 32), "kernels": (3, 3, 3), "perturbation": 0.3, "images": 200,
        },
        "strong": {
            "steps": 10_000, "lr": 1e-2, "widths": (16, 32, 64, 128, 128), "kernels": (7, 7, 5, 5, 3),
            "perturbation": 0.3, "images": 1000,
        },
    }  # fmt: skip
    tunable: ClassVar[dict[str, Tunable]] = {
        "lr": Span(3e-3, 1e-1, log=True),
        "perturbation": Span(0.01, 10.0, log=True),
    }

    def __init__(
        self,
        steps: int,
        lr: float,
        widths: Sequence[int],
        kernels: Sequence[int],
        perturbation: float,
        images: int,
    ) -> None:
        least = {"steps": (steps, 1), "perturbation": (perturbation, 0), "images": (images, 1)}
        for name, (value, bound) in least.items():
            if not value >= bound:
                raise ValueError(f"dip: {name} must be >= {bound}, not {value}")
        if not lr > 0:
            raise ValueError(f"dip: lr must be > 0, not {lr}")
        if not widths or min(widths) < 1:
            raise ValueError(f"dip: widths must be one or more numbers >= 1, not {widths}")
        if len(kernels) != len(widths) or any(kernel < 1 or kernel % 2 == 0 for kernel in kernels):
            raise ValueError(f"dip: kernels must be {len(widths)} odd numbers, one for each width, not {kernels}")
        self.steps, self.lr, self.widths, self.kernels = steps, lr, widths, kernels
        self.perturbation, self.images = perturbation, images
        self.target: Target | None = None

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Draw first weights and input, the same for all images; invert the first ``WATCHED`` of ``val``."""
        self.target = target
        mean = mean_image(aux.x) / 255
        self.network = SkipNetwork(mean, self.widths, self.kernels, SKIP, INPUTS)
        self.weights = self.network.initial()
        self.u = torch.randn(1, INPUTS, *mean.shape[2:], device=mean.device)
        self.seed = int(torch.randint(2**31, ()))
        shown = Images(val.x[:WATCHED], val.y[:WATCHED])
        watch = Watch(unit(shown.x), self.steps)
        z = released(target, shown)
        x_hat = self._inverted(z, watch)
        with torch.no_grad():
            nats = [float(target.surprise(x, z).mean()) for x in (mean.expand_as(x_hat), x_hat)]
        details = {"start_surprise": nats[0], "end_surprise": nats[1]}
        curve = tuple(watch.points)
        return Fit(curve=curve, verdict=verdict(curve, guess_error(aux, shown)), details=details)

    def reconstruct(self, z: Tensor) -> Tensor:
        """Invert releases, in chunks."""
        if self.target is None:
            raise RuntimeError("dip: fit it before it reconstructs")
        return torch.cat([self._inverted(chunk.float()) for chunk in z.split(CHUNK)])

    def _inverted(self, z: Tensor, watch: Callable[[int, Tensor, Tensor], None] = unwatched) -> Tensor:
        target, inputs = self.target, self._inputs()
        assert target is not None
        start = [weight.expand(len(z), *weight.shape[1:]) for weight in self.weights]
        found = minimise(
            start,
            images=lambda weights: self.network.draw(weights, next(inputs)),
            objective=lambda x, weights: target.surprise(x, z),
            steps=self.steps,
            lr=self.lr,
            watch=watch,
        )
        return found.x

    def _inputs(self) -> Iterator[Tensor]:
        """Yield the input of each evaluation: the same for all images, whoever is beside them."""
        generator = torch.Generator(self.u.device).manual_seed(self.seed)
        for step in range(self.steps + 1):
            factor = next((part for share, part in STAGES if step < share * self.steps), 0.0)
            noise = torch.randn(self.u.shape, generator=generator, device=self.u.device)
            yield self.u + factor * self.perturbation * noise
