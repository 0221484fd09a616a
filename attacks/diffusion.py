"""Images drawn from a diffusion prior that is led by the likelihood of the release.

References:
    Carlini, Hayes, Nasr, Jagielski, Sehwag, Tramèr, Balle, Ippolito, Wallace, Extracting training data from diffusion
    models, 2023.
    Chung, Kim, McCann, Klasky, Ye, Diffusion posterior sampling for general noisy inverse problems, 2023.
    Lei et al., DRAG: data reconstruction attack using guided diffusion, 2025.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from attacks import metrics
from attacks.base import Attack, Course, Fit, Images, Knowledge, Point, Span, Target, Tunable
from attacks.denoiser import Denoiser, ImagePrior, Training, train
from attacks.guesses import mean_image
from attacks.guidance import GUIDANCES, Guidance, Settings, sample
from attacks.inversion import above
from attacks.networks import Sizes
from attacks.own_noise import OwnNoise
from attacks.ranges import at_least, positive, share
from attacks.recent import Recent
from attacks.verdict import verdict

CHUNK = 256
"""Samples drawn at once, over all images."""

VALIDATED = 32
"""Images of attacker-validation that the sampler runs on, at most."""

WATCHED = 20
"""Steps, at most, among which the expectation that reconstructs best is chosen."""


class Drawn(NamedTuple):
    """What a run of the sampler made of releases, in [0, 1]."""

    means: Tensor
    """Mean over samples of what the image was expected to be after each watched step, ``(K, B, 3, height, width)``."""
    one: Tensor
    """A single sample, ``(B, 3, height, width)``."""
    left: Tensor
    """Squared error of each mean that so few samples leave, ``(K, B)``, as their spread tells; NaN of a single one."""


class Diffusion(Attack):
    """Samples images from p(x | z): a denoising network as p(x), the client's own likelihood as p(z | x).

    For mse it returns the mean over samples of ``E[x | x_t, z]`` at one step t. By the tower rule all steps have the
    same expectation, the posterior mean; the early ones lack most of the samples' own variance (the mean of S samples
    pays 1 + 1 / S), the late ones the error of guiding very noisy images. Attacker-validation chooses the step. For
    ssim it returns that or a single sample, whichever was better on attacker-validation.

    The network reads images only, so that no release is standardised; the sampler runs in float32.

    The curve is of whole runs: a quarter, half and all of the steps. ``prior unfinished`` flags a prior whose own
    training was still improving when it ended.

    Args:
        images: Most images scored, >= 1.
        samples: Drawn of each image, >= 1.
        steps: Denoising steps, >= 1.
        recurrences: Times that each step is taken, with new noise in between, >= 1.
        guidance: ``dps``: by the mean of the image given its noisy version; ``moment``: by mean and covariance, exact
            for linear clients; ``spherical``: DRAG's, by the direction alone.
        step_size: Of ``dps``, in units of the exact likelihood, > 0.
        weight: Share of the direction in a step of ``spherical``, in [0, 1].
        iterations: Of conjugate gradients in ``moment``, >= 1.
        channels: Width of the prior at its highest resolution, a multiple of 4, >= 4.
        mult: Width of each of its resolutions over ``channels``, >= 1.
        blocks: Its residual blocks per resolution and direction, >= 1.
        patch: Side of the square of pixels that it treats as one, >= 1.
        components: Most principal components in its Gaussian part, >= 1.
        prior_steps: Steps of its training, >= 1.
        batch_size: Images of such a step, >= 1.
        lr: Highest learning rate of its AdamW, > 0.
        ema: Decay of its average of weights, in [0, 1).
    """

    reference = "Carlini et al., Extracting training data from diffusion models, 2023; guided as in Lei et al., 2025"
    threat = "The server, holding the client's weights and images of the same kind, explains single releases."
    cost = "one training of a denoising network a study; then steps times samples passes through it and the client"
    knowledge: ClassVar[Knowledge] = "gradients"
    version = 4
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "images": 32, "samples": 2, "steps": 10, "recurrences": 1, "guidance": "dps", "step_size": 1.0,
            "weight": 0.2, "iterations": 3, "channels": 16, "mult": (1, 2, 2), "blocks": 1, "patch": 2,
            "components": 128, "prior_steps": 60, "batch_size": 32, "lr": 3e-3, "ema": 0.99,
        },
        "standard": {
            "images": 200, "samples": 4, "steps": 12, "recurrences": 4, "guidance": "dps", "step_size": 1.0,
            "weight": 0.2, "iterations": 3, "channels": 32, "mult": (1, 2, 2), "blocks": 1, "patch": 2,
            "components": 512, "prior_steps": 1100, "batch_size": 64, "lr": 1e-3, "ema": 0.995,
        },
        "strong": {
            "images": 1000, "samples": 16, "steps": 250, "recurrences": 4, "guidance": "dps", "step_size": 1.0,
            "weight": 0.2, "iterations": 3, "channels": 128, "mult": (1, 2, 2, 2), "blocks": 2, "patch": 1,
            "components": 1024, "prior_steps": 100_000, "batch_size": 128, "lr": 2e-4, "ema": 0.9999,
        },
    }  # fmt: skip
    tunable: ClassVar[dict[str, Tunable]] = {
        "guidance": GUIDANCES,
        "step_size": Span(0.03, 3.0, log=True),
        "iterations": Span(1, 10),
    }

    def __init__(
        self,
        images: int,
        samples: int,
        steps: int,
        recurrences: int,
        guidance: Guidance,
        step_size: float,
        weight: float,
        iterations: int,
        channels: int,
        mult: tuple[int, ...],
        blocks: int,
        patch: int,
        components: int,
        prior_steps: int,
        batch_size: int,
        lr: float,
        ema: float,
    ) -> None:
        if guidance not in GUIDANCES:
            raise ValueError(f"diffusion: guidance must be one of {', '.join(GUIDANCES)}, not {guidance!r}")
        at_least("diffusion", 1, images=images, samples=samples, steps=steps, recurrences=recurrences)
        at_least("diffusion", 1, iterations=iterations, mult=min(mult, default=0), blocks=blocks, patch=patch)
        at_least("diffusion", 1, components=components, prior_steps=prior_steps, batch_size=batch_size)
        if not (channels >= 4 and channels % 4 == 0):
            raise ValueError(f"diffusion: channels must be a multiple of 4, not {channels}")
        positive("diffusion", step_size=step_size, lr=lr)
        share("diffusion", ema=ema)
        if not 0 <= weight <= 1:
            raise ValueError(f"diffusion: weight must be in [0, 1], not {weight}")
        self.images = images
        self.how = Settings(guidance, steps, samples, step_size, weight, recurrences, iterations)
        self.sizes, self.components = Sizes(channels, tuple(mult), blocks, patch), components
        self.training = Training(prior_steps, batch_size, lr, ema)
        self.target: Target | None = None
        self.best_step, self.one_for_ssim = 0, False
        self._recent = Recent[Drawn]()

    def prior_settings(self) -> dict[str, Any]:
        """Return sizes and training of the network."""
        return self.sizes._asdict() | {"components": self.components} | self.training._asdict()

    def make_prior(self, image_shape: tuple[int, int, int], num_classes: int) -> Denoiser:
        """Return the untrained network; it is not told classes."""
        return Denoiser(image_shape, self.sizes, self.components)

    def train_prior(self, prior: nn.Module, aux: Images, precision: torch.dtype = torch.float32) -> tuple[Point, ...]:
        """Train it; validation is on a few of the attacker's images, held out."""
        assert isinstance(prior, Denoiser)
        return train(prior, aux, self.training, precision)

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Train the prior if nobody has; run the sampler on the first images of ``val`` to choose what to return."""
        self.target = target
        self._recent = Recent[Drawn]()
        if self.prior is None:
            self.prior = self.make_prior(target.image_shape, target.num_classes).to(aux.x.device)
            self.train_prior(self.prior, aux, target.precision)
        x = val.x[:VALIDATED].float() / 255
        z, seed = target.release(x), int(torch.randint(2**62, (1,)))
        budgets = sorted({max(1, self.how.steps // 4), max(1, self.how.steps // 2), self.how.steps})
        runs = [self._run(z, self.how._replace(steps=steps), _watched(steps), seed) for steps in budgets]
        curve = tuple(self._point(run, x, z, steps) for run, steps in zip(runs, budgets, strict=True))
        details = self._choose(runs[-1], x)
        guess = float((x - mean_image(aux.x) / 255).square().mean())
        return Fit(curve=curve, verdict=verdict(curve, guess), course=self._course(runs, x, z), details=details)

    def reconstruct(self, z: Tensor) -> Tensor:
        """Return the mean over samples of what the image was expected to be at the chosen step."""
        return self._drawn(z).means[0]

    def reconstruct_for_ssim(self, z: Tensor) -> Tensor:
        """Return a single sample or the reconstruction for mse, as chosen on attacker-validation; from the same run."""
        drawn = self._drawn(z)
        return drawn.one if self.one_for_ssim else drawn.means[0]

    def _drawn(self, z: Tensor) -> Drawn:
        """Return what the settings make of releases ``(B, C, H, W)``, from memory if they were asked for lately."""
        known = self._recent.get(z)
        if known is not None:
            return known
        return self._recent.put(z, self._run(z, self.how, (self.best_step,), int(torch.randint(2**62, (1,)))))

    def _run(self, z: Tensor, how: Settings, watch: tuple[int, ...], seed: int) -> Drawn:
        """Run the sampler, some images at a time: each meets noise of its own."""
        prior, target = self._fitted()
        num_chunk = max(1, CHUNK // how.samples)
        means, ones, left = list[Tensor](), list[Tensor](), list[Tensor]()
        for part in z.split(num_chunk):
            releases = part.float().repeat(how.samples, 1, 1, 1)

            def surprise(u: Tensor, releases: Tensor = releases) -> Tensor:
                return target.surprise(prior.to_images(u), releases)

            drawn = sample(prior, surprise, OwnNoise(part, seed), how, watch)
            means.append(prior.to_images(drawn.means.flatten(0, 1)).unflatten(0, (len(watch), len(part))))
            ones.append(prior.to_images(drawn.u[0]))
            left.append((drawn.spread * prior.deviation.square()).mean(dim=(2, 3, 4)) / how.samples)
        few = torch.cat(left, dim=1) if how.samples > 1 else torch.full((len(watch), len(z)), math.nan, device=z.device)
        return Drawn(torch.cat(means, dim=1).clamp(0, 1), torch.cat(ones).clamp(0, 1), few)

    @torch.no_grad()
    def _course(self, runs: Sequence[Drawn], x: Tensor, z: Tensor) -> Course:
        """Return what fewer steps came to, each run at its best step, and what so few samples leave."""
        prior, target = self._fitted()
        best = [int(_errors(run, x).nan_to_num(math.inf).argmin()) for run in runs]
        errors = [(run.means[step] - x).square().mean(dim=(1, 2, 3)) for run, step in zip(runs, best, strict=True)]
        left = runs[-1].left[best[-1]]
        return Course(
            errors={0.5 ** (len(runs) - 1 - number): each for number, each in enumerate(errors)},
            drawn=None if left.isnan().any() else left,
            worse_than_truth=above(target.surprise(runs[-1].one, z), target.surprise(x, z)),
            flags=("prior unfinished",) if float(prior.unfinished) > 0 else (),
        )

    def _point(self, run: Drawn, x: Tensor, z: Tensor, steps: int) -> Point:
        """Return a run's surprise by its single samples, nats a feature, and its error at its best step."""
        _, target = self._fitted()
        with torch.no_grad():
            surprise = target.surprise(run.one, z).mean() / z[0].numel()
        return Point(steps, float(surprise), float(_errors(run, x).min()))

    def _choose(self, run: Drawn, x: Tensor) -> dict[str, float]:
        """Choose the step that serves mse and the image that serves ssim; return what the choice was between."""
        prior, _ = self._fitted()
        errors = _errors(run, x)
        best = int(errors.nan_to_num(math.inf).argmin())
        self.best_step = _watched(self.how.steps)[best]
        mean, one = metrics.score(run.means[best], x), metrics.score(run.one, x)
        mean_ssim, one_ssim = float(mean.ssim.mean()), float(one.ssim.mean())
        self.one_for_ssim = one_ssim > mean_ssim
        found = {"best_step": float(self.best_step), "prior_unfinished": float(prior.unfinished)}
        found |= {"mse_of_chosen_step": float(errors[best]), "mse_of_last_step": float(errors[-1])}
        found |= {"mse_of_one_sample": float(one.mse.mean()), "ssim_of_one_sample": one_ssim}
        found["ssim_of_chosen_step"] = mean_ssim
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _fitted(self) -> tuple[ImagePrior, Target]:
        if self.target is None or self.prior is None:
            raise RuntimeError("diffusion: fit it before it reconstructs")
        assert isinstance(self.prior, ImagePrior)
        return self.prior, self.target


def _watched(steps: int) -> tuple[int, ...]:
    """Return at most ``WATCHED`` steps, counted from 0, evenly spread, the last included."""
    count = min(steps, WATCHED)
    return tuple(round((i + 1) * steps / count) - 1 for i in range(count))


def _errors(run: Drawn, x: Tensor) -> Tensor:
    """Return the mean squared error of each watched step, ``(K,)``."""
    return (run.means - x).square().flatten(1).mean(dim=1)
