"""White-box inversion under the deep image prior: an untrained network draws each image, and its weights are fitted.

References:
    Ulyanov, Vedaldi, Lempitsky, Deep image prior, 2018.
    Singh, Chopra, Garza, Zhang, Vepakomma, Sharma, Raskar, DISCO: dynamic and invariant sensitive channel obfuscation
    for deep neural networks, 2021.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from attacks.base import Attack, Course, Fit, Images, Knowledge, Span, Target, Tunable
from attacks.fitting import guess_error, released, unit
from attacks.guesses import mean_image
from attacks.inversion import Watch, above, cosine, minimise, pulled, unwatched
from attacks.networks import SkipNetwork
from attacks.own_noise import OwnNoise
from attacks.ranges import at_least, positive
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
    """Minimises ``surprise(z | g(u; w))`` over the weights w of a skip network; u is fixed noise, each image's own.

    An untrained network draws the mean of the attacker's images. Its input is perturbed by fresh noise in stages that
    shrink as the published ones do (10, 2, .5, 0), relative to u. The search is stopped where the error on watched
    images of attacker-validation is least, and deviations from the mean image are multiplied by the factor in [0, 1]
    that serves these best: a network that is fitted for long draws the noise too.

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
    version = 4
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "steps": 50, "lr": 5e-2, "widths": (16, 16, 16), "kernels": (3, 3, 3), "perturbation": 0.3, "images": 32,
        },
        "standard": {
            "steps": 160, "lr": 3e-2, "widths": (16, 32, 32), "kernels": (3, 3, 3), "perturbation": 0.3, "images": 200,
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
        at_least("dip", 0, perturbation=perturbation)
        at_least("dip", 1, steps=steps, images=images)
        positive("dip", lr=lr)
        if not widths or not all(width >= 1 for width in widths):
            raise ValueError(f"dip: widths must be one or more numbers >= 1, not {widths}")
        if len(kernels) != len(widths) or not all(kernel % 2 == 1 for kernel in kernels):
            raise ValueError(f"dip: kernels must be {len(widths)} odd numbers, one for each width, not {kernels}")
        self.steps, self.lr, self.widths, self.kernels = steps, lr, widths, kernels
        self.perturbation, self.images = perturbation, images
        self.target: Target | None = None

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Build the network; invert the first ``WATCHED`` images of ``val``."""
        self.target = target
        mean = self.mean = mean_image(aux.x) / 255
        self.network = SkipNetwork(mean, self.widths, self.kernels, SKIP, INPUTS)
        self.seed = int(torch.randint(2**31, ()))
        shown = Images(val.x[:WATCHED], val.y[:WATCHED])
        x, z = unit(shown.x), released(target, shown)
        watch = Watch(x, self.steps, mean.expand_as(x))
        x_hat = self._inverted(z, self.steps, self.steps, watch)
        errors = [point.validation for point in watch.points]
        best = min(range(len(errors)), key=errors.__getitem__)
        self.stop, self.trust = watch.points[best].step, watch.factors[best]
        fewer = {1 / part: self.steps // part for part in (4, 2)}
        shorter = {part: pulled(self._inverted(z, steps, steps), mean, x) for part, steps in fewer.items()}
        stopped = x_hat if self.stop == self.steps else self._inverted(z, self.steps, self.stop)
        with torch.no_grad():
            found, truth = target.surprise(x_hat, z), target.surprise(x, z)
            nats = [float(target.surprise(mean.expand_as(x_hat), z).mean()), float(found.mean())]
        course = Course(
            assumes=True, errors=shorter | {1.0: pulled(stopped, mean, x)}, worse_than_truth=above(found, truth)
        )
        details = {"start_surprise": nats[0], "end_surprise": nats[1], "mse_of_half": float(shorter[0.5].mean())}
        details |= {"stop": float(self.stop), "trust": self.trust}
        least = itertools.accumulate(errors, min)
        curve = tuple(point._replace(validation=error) for point, error in zip(watch.points, least, strict=True))
        return Fit(curve=curve, verdict=verdict(curve, guess_error(aux, shown)), course=course, details=details)

    def reconstruct(self, z: Tensor) -> Tensor:
        """Invert releases, in chunks."""
        if self.target is None:
            raise RuntimeError("dip: fit it before it reconstructs")
        found = (self._inverted(chunk.float(), self.steps, self.stop) for chunk in z.split(CHUNK))
        return torch.cat([torch.lerp(self.mean.expand_as(x_hat), x_hat, self.trust) for x_hat in found])

    def _inverted(
        self, z: Tensor, steps: int, stop: int, watch: Callable[[int, Tensor, Tensor], None] = unwatched
    ) -> Tensor:
        """Take the first ``stop`` of so many steps."""
        target, own = self.target, OwnNoise(z, self.seed)
        assert target is not None
        start = self.network.initial(own)
        inputs = self._inputs(own, steps)
        found = minimise(
            start,
            images=lambda weights: self.network.draw(weights, next(inputs)),
            objective=lambda x, weights: target.surprise(x, z),
            steps=stop,
            lr=self.lr,
            schedule=lambda step, _: cosine(step, steps),
            watch=watch,
        )
        return found.x

    def _inputs(self, own: OwnNoise, steps: int) -> Iterator[Tensor]:
        """Yield the inputs of each evaluation side by side, ``(1, B INPUTS, height, width)``."""
        shape = INPUTS, *self.mean.shape[2:]
        u = own.normal(*shape).flatten(0, 1)[None]
        for step in range(steps + 1):
            factor = next((part for share, part in STAGES if step < share * steps), 0.0)
            yield u + factor * self.perturbation * own.normal(*shape).flatten(0, 1)[None] if factor else u
