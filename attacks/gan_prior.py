"""Inversion within a generator's range, and then a little beyond it.

References:
    Zhang, Jia, Pei, Wang, Li, Song, The secret revealer: generative model-inversion attacks against deep neural
    networks, 2020.
    Li, Yang, Sun, Lee, Wang, et al., GAN you see me? Enhanced data reconstruction attacks against split inference,
    2023.
    Qiu et al., Revisiting the privacy risks of split inference: a GAN-based data reconstruction attack via progressive
    feature optimization, 2025.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from attacks.base import Attack, Course, Fit, Images, Knowledge, Point, Span, Target, Tunable
from attacks.fitting import guess_error, released, unit
from attacks.generator import Generator, Training, train
from attacks.guesses import class_mean
from attacks.inversion import Watch, above, pulled, trust
from attacks.latent_inversion import KEPT, LatentInversion, later, spread
from attacks.ranges import at_least, positive, share
from attacks.recent import Recent
from attacks.verdict import disagreeing, disagreement, verdict

WATCHED = 32
"""Images of attacker-validation that the inversion is tried on: each costs as much as one that is scored."""

CHUNK = 1024
"""Images, each restart counted, that are optimised at once."""

LEAST_SCALE = 1e-3
"""Deviation of a pixel from the generator's, at least."""


class GanPrior(Attack):
    """Minimises, image by image, ``surprise(z | x) + |u|^2 / 2 + |w|^2 / 2 + |v|^2 / 2``, in nats.

    The image is ``x = T(H(u, y) + feature_scale d w) + s R v``: H and T are the lower and the upper part of a generator
    trained on the attacker's images, y is the label that the server predicts, d the deviation of a feature over images,
    R a root of the covariance of the attacker's images (scaled to a mean variance of 1), and s^2 the generator's mean
    squared error on attacker-validation over ``proximity``. A priori u, w and v are standard normal, so that one
    learning rate fits all. First u alone moves, a few steps from each of ``restarts`` random vectors, an image's own;
    then the best two do, longer; then w and v with it, so that nothing is bound to the generator's range. Of each image
    the restart with the least objective counts.

    The most plausible image is not the one with the least squared error: for mse all reconstructions are drawn towards
    the mean image of the predicted class by one common factor, which attacker-validation chooses. For ssim they are
    left as they are.

    Args:
        latent: Length of u, >= 1.
        width: Channels of the generator at the image's size, >= 1; up to four times that below.
        critic_width: Channels of the discriminator after its first layer, >= 1.
        prior_steps: Training steps of the generator, >= 1.
        batch_size: Images of such a step, >= 1.
        prior_lr: Its highest learning rate, > 0.
        ema: Decay of the average of its weights, in [0, 1).
        restarts: Vectors u that the search starts from, >= 2.
        search_steps: Steps from each of them, >= 0.
        refine_steps: Steps from the best two, >= 0.
        free_steps: Steps beyond the generator's range, >= 0; 0 stays within. At least one of the three is > 0.
        lr: Highest learning rate of all three, in deviations, > 0; falls as a cosine in each.
        feature_scale: Deviation of a feature from the generator's, as a share of its deviation over images, > 0.
        components: Most principal components in R, >= 1.
        proximity: Weight of the distance from the generator's image, > 0.
        images: Most images scored, >= 1.
    """

    reference = "Zhang et al., The secret revealer, 2020; Li et al., GAN you see me?, 2023"
    threat = "The server, holding the client's weights and images of the same kind, searches a generator's range."
    cost = "one training of a generator a study; then restarts times steps passes through it and the client an image"
    knowledge: ClassVar[Knowledge] = "gradients"
    needs_server = True
    labels_alone = True
    version = 4
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "latent": 32, "width": 8, "critic_width": 16, "prior_steps": 100, "batch_size": 32, "prior_lr": 2e-3,
            "ema": 0.98, "restarts": 4, "search_steps": 6, "refine_steps": 20, "free_steps": 60, "lr": 0.3,
            "feature_scale": 0.3, "components": 128, "proximity": 1.0, "images": 32,
        },
        "standard": {
            "latent": 64, "width": 24, "critic_width": 32, "prior_steps": 1300, "batch_size": 32, "prior_lr": 1e-3,
            "ema": 0.99, "restarts": 8, "search_steps": 8, "refine_steps": 40, "free_steps": 100, "lr": 0.2,
            "feature_scale": 0.3, "components": 256, "proximity": 1.0, "images": 200,
        },
        "strong": {
            "latent": 128, "width": 128, "critic_width": 128, "prior_steps": 50_000, "batch_size": 128,
            "prior_lr": 2e-4, "ema": 0.9995, "restarts": 100, "search_steps": 100, "refine_steps": 1000,
            "free_steps": 1000, "lr": 0.03, "feature_scale": 0.3, "components": 1024, "proximity": 1.0, "images": 1000,
        },
    }  # fmt: skip
    tunable: ClassVar[dict[str, Tunable]] = {
        "lr": Span(0.01, 0.5, log=True),
        "feature_scale": Span(0.03, 3.0, log=True),
        "proximity": Span(0.1, 100.0, log=True),
    }

    def __init__(
        self,
        latent: int,
        width: int,
        critic_width: int,
        prior_steps: int,
        batch_size: int,
        prior_lr: float,
        ema: float,
        restarts: int,
        search_steps: int,
        refine_steps: int,
        free_steps: int,
        lr: float,
        feature_scale: float,
        components: int,
        proximity: float,
        images: int,
    ) -> None:
        at_least("gan_prior", 0, search_steps=search_steps, refine_steps=refine_steps, free_steps=free_steps)
        at_least("gan_prior", 1, latent=latent, width=width, critic_width=critic_width, prior_steps=prior_steps)
        at_least("gan_prior", 1, batch_size=batch_size, components=components, images=images)
        at_least("gan_prior", KEPT, restarts=restarts)
        positive("gan_prior", prior_lr=prior_lr, lr=lr, feature_scale=feature_scale, proximity=proximity)
        share("gan_prior", ema=ema)
        if search_steps == refine_steps == free_steps == 0:
            raise ValueError("gan_prior: search_steps, refine_steps or free_steps must be > 0, not all 0")
        self.latent, self.width, self.critic_width = latent, width, critic_width
        self.training = Training(prior_steps, batch_size, prior_lr, ema)
        self.restarts, self.stages = restarts, (search_steps, refine_steps, free_steps)
        self.lr, self.images = lr, images
        self.feature_scale, self.components, self.proximity = feature_scale, components, proximity
        self.inversion: LatentInversion | None = None
        self.contrast = 1.0
        self._recent = Recent[Tensor]()

    def prior_settings(self) -> dict[str, Any]:
        """Return sizes and training of the generator."""
        return {
            "latent": self.latent,
            "width": self.width,
            "critic_width": self.critic_width,
            **self.training._asdict(),
        }

    def make_prior(self, image_shape: tuple[int, int, int], num_classes: int) -> Generator:
        """Return the untrained generator."""
        return Generator(image_shape, num_classes, self.latent, self.width)

    def train_prior(self, prior: nn.Module, aux: Images, precision: torch.dtype = torch.float32) -> tuple[Point, ...]:
        """Train it; :func:`attacks.generator.train` says what its curve shows."""
        return train(_generator(prior), self.critic_width, aux, self.training, precision)

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Train the generator if nobody has; invert a few images of ``val`` for the curve, s and the common factor."""
        if self.prior is None:
            self.prior = self.make_prior(target.image_shape, target.num_classes).to(aux.x.device)
            self.train_prior(self.prior, aux, target.precision)
        prior = _generator(self.prior)
        self.means = class_mean(unit(aux.x), aux.y, target.num_classes)
        covered = spread(unit(aux.x) - self.means[aux.y], self.components)
        self.inversion = LatentInversion(target, prior.eval(), self.restarts, self.lr, self.feature_scale, covered)
        self._recent = Recent[Tensor]()
        count = min(WATCHED, max(1, CHUNK // self.restarts))
        shown = Images(val.x[:count], val.y[:count])
        return self._watched(self.inversion, unit(shown.x), released(target, shown), guess_error(aux, shown))

    def reconstruct(self, z: Tensor) -> Tensor:
        """Invert releases, in chunks, and draw the images towards the mean of the predicted class."""
        return self._drawn_in(self.reconstruct_for_ssim(z), z)

    def reconstruct_for_ssim(self, z: Tensor) -> Tensor:
        """Invert releases, in chunks; the same ones again are not inverted again."""
        if self.inversion is None:
            raise RuntimeError("gan_prior: fit it before it reconstructs")
        known = self._recent.get(z)
        return self._recent.put(z, self._inverted(self.inversion, z.float(), self.stages)) if known is None else known

    def _inverted(self, inversion: LatentInversion, z: Tensor, stages: tuple[int, int, int]) -> Tensor:
        """Return the images with the least objective, ``(B, 3, height, width)``: each stage in chunks of its own."""
        search, refine, free = stages
        few, many = max(1, CHUNK // self.restarts), CHUNK // KEPT
        u = torch.cat([inversion.search(chunk, search) for chunk in z.split(few)], dim=1)
        found = []
        for chunk, start in zip(z.split(many), u.split(many, dim=1), strict=True):
            within = inversion.refine(chunk, start, refine)
            found.append(inversion.free(chunk, within, free)[0])
        return torch.cat(found)

    def _watched(self, inversion: LatentInversion, x: Tensor, z: Tensor, guess: float) -> Fit:
        """Invert releases ``(B, C, H, W)`` of known images; set s and the common factor, and return how it went."""
        search, refine, free = self.stages
        base = self._mean(z)
        watch = Watch(x, sum(self.stages), base)
        start = inversion.search(z, search, watch)
        within = inversion.refine(z, start, refine, later(watch, search))
        errors = [_mse(inversion.images(z, u)[0], x) for u in (start, within)]
        inversion.scale = max(LEAST_SCALE, errors[1] ** 0.5) / self.proximity**0.5
        found = inversion.free(z, within, free, later(watch, search + refine))
        self.contrast = trust(found[0], base, x)
        shorter = {1.0: pulled(found[0], base, x)}
        for part in (4, 2):
            fewer = (search // part, refine // part, free // part)
            shorter[1 / part] = pulled(self._inverted(inversion, z, fewer), base, x)
        apart = disagreement(found[0], found[1], guess)
        with torch.no_grad():
            nats = [
                float(inversion.target.surprise(x_hat, z).mean()) for x_hat in (inversion.images(z, start)[0], found[0])
            ]
            worse = above(inversion.target.surprise(found[0], z), inversion.target.surprise(x, z))
        details = {
            "restarts_disagree": apart,
            "contrast": self.contrast,
            "mse_of_search": errors[0],
            "mse_within_range": errors[1],
            "mse_beyond_range": _mse(found[0], x),
            "end_mse": _mse(self._drawn_in(found[0], z), x),
            "mse_of_half": float(shorter[0.5].mean()),
            "start_surprise": nats[0],
            "end_surprise": nats[1],
        }
        course = Course(assumes=True, errors=shorter, worse_than_truth=worse, flags=disagreeing(apart))
        return Fit(curve=tuple(watch.points), verdict=verdict(watch.points, guess), course=course, details=details)

    def _drawn_in(self, x_hat: Tensor, z: Tensor) -> Tensor:
        return torch.lerp(self._mean(z), x_hat, self.contrast)

    def _mean(self, z: Tensor) -> Tensor:
        """Return the mean image of each release's predicted class, ``(B, 3, height, width)``."""
        assert self.inversion is not None
        return self.means[self.inversion.labels(z.float())]


def _mse(x_hat: Tensor, x: Tensor) -> float:
    return float((x_hat - x).square().mean())


def _generator(prior: nn.Module) -> Generator:
    if not isinstance(prior, Generator):
        raise TypeError(f"gan_prior: a prior is a Generator, not {type(prior).__name__}")
    return prior
