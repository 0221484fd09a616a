"""White-box inversion by likelihood: the image that explains a release best, among images like the attacker's own.

References:
    He, Zhang, Lee, Model inversion attacks against collaborative inference, 2019.
    He, Zhang, Lee, Attacking and protecting data privacy in edge-cloud collaborative inference systems, 2020.
    Tipping, Bishop, Probabilistic principal component analysis, 1999.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from attacks.base import Attack, Course, Fit, Images, Knowledge, Span, Target, Tunable
from attacks.components import Components, components
from attacks.decoder import UnitDecoder
from attacks.fitting import guess_error, released, unit
from attacks.guesses import mean_image
from attacks.inversion import Leaves, Watch, above, minimise, pulled, ranked, unwatched
from attacks.ranges import at_least, positive
from attacks.verdict import disagreeing, disagreement, verdict

WATCHED = 32
"""Images of attacker-validation that the learning curve is measured on: each costs as much as one that is scored."""

CHUNK = 256
"""Images, each start counted, that are optimised at once."""

LEAST_VARIANCE = 1e-5
"""Of a direction over images, at least: pixels are rounded to 1/255, and few images must not make any impossible."""

DECODER: dict[str, Any] = {
    "blocks": 1, "channels": 32, "epochs": 1000, "batch_size": 64, "lr": 4e-3, "schedule": "one-cycle",
    "weight_decay": 1e-4,
}  # fmt: skip
"""Of the decoder whose output is one of the starts."""


class Rmle(Attack):
    """Minimises, image by image, ``surprise(z | x) + lam (x - m)' C^-1 (x - m) / 2``, in nats.

    m and C are the mean of the attacker's images and their covariance: principal components, as many as
    attacker-validation confirms, and white noise beside them (:mod:`attacks.components`). With a ``lam`` of 1 the image
    found is the most plausible one given z, and of Gaussian images behind a linear client the posterior mean.

    Adam moves an image's coordinates along the components and beside them, each in deviations of images, so that one
    learning rate fits all. Starts are the mean image, draws from the prior, the same for all images, and the output of
    a decoder that is trained inside on standardised releases; of each image the start with the least objective counts.
    The decoder is no more than a start: its output is made of z, which the likelihood counts already. What the search
    adds to it (to the mean image without a decoder) is multiplied by one factor in [0, 1], fitted on the watched images
    of attacker-validation: a likelihood is not an error.

    Args:
        steps: Of Adam, >= 1.
        lr: Highest learning rate, in deviations of images, > 0; falls as a cosine.
        lam: Weight of the Gaussian prior, >= 0; 1 is the exact one.
        components: Principal components of the prior, at most, >= 0.
        starts: Number of random starts, >= 0.
        decoder_steps: Training steps of the decoder, >= 0; 0 for neither decoder nor its start.
        images: Most images scored, >= 1.
    """

    reference = "He et al., Model inversion attacks against collaborative inference, 2019"
    threat = (
        "The server holds the client's weights and the defense, and searches for the image that explains a release."
    )
    cost = "a small decoder's training; then some hundred forward and backward passes through the client an image"
    knowledge: ClassVar[Knowledge] = "gradients"
    version = 4
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "steps": 60, "lr": 0.2, "lam": 1.0, "components": 512, "starts": 0, "decoder_steps": 120,
            "images": 32,
        },
        "standard": {
            "steps": 200, "lr": 0.2, "lam": 1.0, "components": 1024, "starts": 1, "decoder_steps": 900,
            "images": 200,
        },
        "strong": {
            "steps": 2000, "lr": 0.1, "lam": 1.0, "components": 3072, "starts": 4,
            "decoder_steps": 5000, "images": 1000,
        },
    }  # fmt: skip
    tunable: ClassVar[dict[str, Tunable]] = {
        "lr": Span(0.03, 0.3, log=True),
        "lam": Span(0.1, 10.0, log=True),
    }

    def __init__(
        self,
        steps: int,
        lr: float,
        lam: float,
        components: int,
        starts: int,
        decoder_steps: int,
        images: int,
    ) -> None:
        at_least("rmle", 0, lam=lam, components=components, starts=starts, decoder_steps=decoder_steps)
        at_least("rmle", 1, steps=steps, images=images)
        positive("rmle", lr=lr)
        self.steps, self.lr, self.lam, self.components = steps, lr, lam, components
        self.starts, self.decoder_steps, self.images = starts, decoder_steps, images
        self.decoder: UnitDecoder | None = None
        self.trust, self.variance = 1.0, 0.0
        self.target: Target | None = None

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Measure the prior, train the decoder, then invert the first ``WATCHED`` images of ``val`` for the curve."""
        self.target = target
        self.mean = mean_image(aux.x) / 255
        deviations, held = ((unit(images.x) - self.mean).flatten(1) for images in (aux, val))
        self.covariance = self.prior_of(deviations, held)
        drawn = torch.randn(self.starts, *self.mean.shape[1:], device=self.mean.device)
        drawn = self.covariance.through(drawn.flatten(1), torch.sqrt).view_as(drawn)
        self.fixed = torch.cat([torch.zeros_like(self.mean), drawn])
        """Deviations from the mean image that the search starts from."""
        if self.decoder_steps:
            self.decoder = UnitDecoder(**DECODER, steps=self.decoder_steps)
            self.variance = self.decoder.fit(target, aux, val).curve[-1].validation
        shown = Images(val.x[:WATCHED], val.y[:WATCHED])
        return self._watched(unit(shown.x), released(target, shown), guess_error(aux, shown))

    def prior_of(self, deviations: Tensor, held: Tensor) -> Components:
        """Return the covariance of images, by deviations ``(N, D)`` from their mean and those of others, ``(M, D)``.

        A subclass may know the true one.
        """
        return components(deviations, held, self.components, LEAST_VARIANCE)

    def reconstruct(self, z: Tensor) -> Tensor:
        """Invert releases, in chunks."""
        if self.target is None:
            raise RuntimeError("rmle: fit it before it reconstructs")
        size = max(1, CHUNK // (len(self.fixed) + 1))
        return torch.cat([self._pulled(chunk.float()) for chunk in z.split(size)])

    def implausibility(self, x: Tensor) -> Tensor:
        """Return the negative log-density of images ``(B, 3, height, width)`` before any release, nats, ``(B,)``."""
        return self.lam * self.covariance.through((x - self.mean).flatten(1), torch.rsqrt).square().sum(1) / 2

    def _watched(self, x: Tensor, z: Tensor, guess: float) -> Fit:
        """Invert releases ``(B, C, H, W)`` of known images and say how it went."""
        assert self.target is not None
        start = self._first(z)
        watch = Watch(x, self.steps, start)
        found = self._inverted(z, self.steps, watch)
        self.trust = watch.factors[-1]
        errors = {1 / part: pulled(self._inverted(z, self.steps // part)[0], start, x) for part in (4, 2)}
        errors[1.0] = pulled(found[0], start, x)
        apart = disagreement(found[0], found[1], guess) if len(found) > 1 else 0.0
        with torch.no_grad():
            nats = [float(self.target.surprise(images, z).mean()) for images in (start, found[0])]
            objective = self._objective(z)
            worse = above(objective(found[0], ()), objective(x, ()))
        details = {
            "restarts_disagree": apart,
            "start_mse": float((start - x).square().mean()),
            "end_mse": watch.points[-1].validation,
            "mse_of_half": float(errors[0.5].mean()),
            "trust": self.trust,
            "start_surprise": nats[0],
            "end_surprise": nats[1],
        }
        course = Course(assumes=True, errors=errors, worse_than_truth=worse, flags=disagreeing(apart))
        return Fit(curve=tuple(watch.points), verdict=verdict(watch.points, guess), course=course, details=details)

    def _pulled(self, z: Tensor) -> Tensor:
        return torch.lerp(self._first(z), self._inverted(z, self.steps)[0], self.trust)

    def _inverted(self, z: Tensor, steps: int, watch: Callable[[int, Tensor, Tensor], None] = unwatched) -> Tensor:
        """Return the images that each start led to, ``(S, B, 3, height, width)``, the least objective first."""
        starts = [deviation.expand(len(z), *deviation.shape) for deviation in self.fixed]
        if self.decoder is not None:
            starts.append(self._begun(self.decoder.reconstruct(z)))
        found = minimise(
            self.covariance.coordinates(torch.cat(starts).flatten(1)),
            images=lambda leaves: self.mean + self.covariance.vectors(*leaves).view(-1, *self.mean.shape[1:]),
            objective=self._objective(z.repeat(len(starts), 1, 1, 1)),
            steps=steps,
            lr=self.lr,
            watch=lambda step, x, objective: watch(step, x.clamp(0, 1), objective),
        )
        return ranked(found.x.clamp(0, 1), found.objective.unflatten(0, (len(starts), len(z))))

    def _begun(self, decoded: Tensor) -> Tensor:
        """Return the deviations expected if a decoder's output is off by white noise as strong as its error."""
        off = decoded - self.mean
        return self.covariance.through(off.flatten(1), lambda v: v / (v + self.variance)).view_as(off)

    def _objective(self, z: Tensor) -> Callable[[Tensor, Leaves], Tensor]:
        def objective(x: Tensor, leaves: Leaves) -> Tensor:
            assert self.target is not None
            return self.target.surprise(x, z) + self.implausibility(x)

        return objective

    def _first(self, z: Tensor) -> Tensor:
        """Return the decoder's reconstructions, or the mean image without one, ``(B, 3, height, width)``."""
        return self.decoder.reconstruct(z) if self.decoder else self.mean.expand(len(z), -1, -1, -1)
