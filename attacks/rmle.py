"""White-box maximum likelihood: the image under which the release is least surprising, among smooth images.

References:
    He, Zhang, Lee, Model inversion attacks against collaborative inference, 2019.
    He, Zhang, Lee, Attacking and protecting data privacy in edge-cloud collaborative inference systems, 2020.
    Rudin, Osher, Fatemi, Nonlinear total variation based noise removal algorithms, 1992.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from attacks.base import Attack, Course, Fit, Images, Knowledge, Span, Target, Tunable
from attacks.decoder import UnitDecoder
from attacks.fitting import guess_error, released, unit
from attacks.guesses import mean_image
from attacks.inversion import Leaves, Watch, above, contrast, minimise, pulled, ranked, roughness, unwatched
from attacks.ranges import at_least, positive
from attacks.verdict import disagreeing, disagreement, verdict

WATCHED = 32
"""Images of attacker-validation that the learning curve is measured on: each costs as much as one that is scored."""

CHUNK = 256
"""Images, each start counted, that are optimised at once."""

MARGIN = 1e-3
"""Distance from 0 and 1 at which a start is kept: a sigmoid is flat at the ends."""

DECODER: dict[str, Any] = {
    "blocks": 1, "channels": 32, "epochs": 1000, "batch_size": 64, "lr": 4e-3, "schedule": "one-cycle",
    "weight_decay": 1e-4,
}  # fmt: skip
"""Of the decoder whose output is one of the starts."""


class Rmle(Attack):
    """Minimises, image by image, ``surprise(z | x) + lam_tv TV(x) + proximity |x - x_dec|^2 / (2 s^2)``, in nats.

    TV is the sum of absolute differences of neighbouring pixels over their mean in the attacker's images: with a
    ``lam_tv`` of 1 the negative log-density of independent Laplace variables. ``x_dec`` is the output of a decoder
    trained inside on standardised releases, and s^2 its mean squared error on attacker-validation. Images are sigmoids
    of what Adam moves. Starts are the mean image, the decoder's output, and noise, the same for all images; of each
    image the start with the least objective counts. What the search adds to ``x_dec`` (to the mean image without a
    decoder) is multiplied by one factor in [0, 1], fitted on the watched images of attacker-validation: a likelihood is
    not an error.

    Args:
        steps: Of Adam, >= 1.
        lr: Highest learning rate, in logits, > 0; falls as a cosine.
        lam_tv: Weight of the total variation, >= 0.
        starts: Number of random starts, >= 0.
        decoder_steps: Training steps of the decoder, >= 0; 0 for neither decoder nor its start.
        proximity: Weight of the distance from the decoder's output, >= 0; 0 without a decoder.
        images: Most images scored, >= 1.
    """

    reference = "He et al., Model inversion attacks against collaborative inference, 2019"
    threat = (
        "The server holds the client's weights and the defense, and searches for the image that explains a release."
    )
    cost = "a small decoder's training; then some hundred forward and backward passes through the client an image"
    knowledge: ClassVar[Knowledge] = "gradients"
    version = 3
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "steps": 40, "lr": 0.1, "lam_tv": 0.4, "starts": 0, "decoder_steps": 120, "proximity": 3.0, "images": 32,
        },
        "standard": {
            "steps": 300, "lr": 0.05, "lam_tv": 0.4, "starts": 1, "decoder_steps": 900, "proximity": 3.0, "images": 200,
        },
        "strong": {
            "steps": 5000, "lr": 0.03, "lam_tv": 0.4, "starts": 4, "decoder_steps": 5000, "proximity": 3.0,
            "images": 1000,
        },
    }  # fmt: skip
    tunable: ClassVar[dict[str, Tunable]] = {
        "lr": Span(0.01, 0.3, log=True),
        "lam_tv": Span(0.01, 10.0, log=True),
        "proximity": Span(0.1, 100.0, log=True),
    }

    def __init__(
        self, steps: int, lr: float, lam_tv: float, starts: int, decoder_steps: int, proximity: float, images: int
    ) -> None:
        at_least("rmle", 0, lam_tv=lam_tv, starts=starts, decoder_steps=decoder_steps, proximity=proximity)
        at_least("rmle", 1, steps=steps, images=images)
        positive("rmle", lr=lr)
        if proximity and not decoder_steps:
            raise ValueError(f"rmle: proximity {proximity} needs a decoder; set decoder_steps >= 1 or proximity 0")
        self.steps, self.lr, self.lam_tv = steps, lr, lam_tv
        self.starts, self.decoder_steps, self.proximity, self.images = starts, decoder_steps, proximity, images
        self.decoder: UnitDecoder | None = None
        self.trust = 1.0
        self.target: Target | None = None

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Train the decoder, then invert the first ``WATCHED`` images of ``val`` for the curve."""
        self.target = target
        self.contrast = contrast(unit(aux.x))
        mean = mean_image(aux.x) / 255
        noise = torch.randn(self.starts, *mean.shape[1:], device=mean.device).sigmoid()
        self.fixed = torch.cat([mean, noise])
        if self.decoder_steps:
            self.decoder = UnitDecoder(**DECODER, steps=self.decoder_steps)
            self.variance = self.decoder.fit(target, aux, val).curve[-1].validation
        shown = Images(val.x[:WATCHED], val.y[:WATCHED])
        return self._watched(unit(shown.x), released(target, shown), guess_error(aux, shown))

    def reconstruct(self, z: Tensor) -> Tensor:
        """Invert releases, in chunks."""
        if self.target is None:
            raise RuntimeError("rmle: fit it before it reconstructs")
        size = max(1, CHUNK // (len(self.fixed) + 1))
        return torch.cat([self._pulled(chunk.float()) for chunk in z.split(size)])

    def implausibility(self, x: Tensor) -> Tensor:
        """Return the negative log-density of images ``(B, 3, height, width)`` before any release, nats, ``(B,)``.

        The total variation; a subclass may know better.
        """
        return self.lam_tv / self.contrast * roughness(x)

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
            objective = self._objective(z, start if self.decoder else None)
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
        starts = [image.expand(len(z), *image.shape) for image in self.fixed]
        decoded = self.decoder.reconstruct(z) if self.decoder else None
        if decoded is not None:
            starts.append(decoded)
        objective = self._objective(
            z.repeat(len(starts), 1, 1, 1), None if decoded is None else decoded.repeat(len(starts), 1, 1, 1)
        )
        logits = torch.logit(torch.cat(starts), eps=MARGIN)
        found = minimise([logits], _images, objective, steps, self.lr, watch=watch)
        return ranked(found.x, found.objective.unflatten(0, (len(starts), len(z))))

    def _objective(self, z: Tensor, decoded: Tensor | None) -> Callable[[Tensor, Leaves], Tensor]:
        def objective(x: Tensor, leaves: Leaves) -> Tensor:
            assert self.target is not None
            nats = self.target.surprise(x, z) + self.implausibility(x)
            if decoded is None or not self.proximity:
                return nats
            return nats + self.proximity * (x - decoded).square().flatten(1).sum(1) / (2 * self.variance)

        return objective

    def _first(self, z: Tensor) -> Tensor:
        """Return the decoder's reconstructions, or the mean image without one, ``(B, 3, height, width)``."""
        return self.decoder.reconstruct(z) if self.decoder else self.fixed[:1].expand(len(z), -1, -1, -1)


def _images(leaves: Leaves) -> Tensor:
    return leaves[0].sigmoid()
