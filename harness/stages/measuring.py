"""What is measured on a trained network: its accuracy, its releases, and the guesses beside every attack."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from attacks import guesses, metrics
from attacks.base import Point
from attacks.metrics import PerImage, score
from defenses.information import MISSING, information
from harness.data import AttackSplit, Data, Part, to_float
from harness.models import LiveTarget, client_cost
from harness.records import CurvePoint, Guess, Scores, derive
from harness.stages.fisher import fisher
from harness.stages.ground import seed_everything
from harness.stages.robustness import robustness

DRAWS = 5
"""Noise draws over which an accuracy is averaged."""

CHUNK = 512
"""Images measured at once."""

SUBSETS = (16, 32, 64, 100, 200, 500, 1000)
"""Numbers of a part's first images at which attacks are compared that score different numbers of them."""


def mean_scores(per_image: PerImage) -> Scores:
    """Return the means of scores over images."""
    return Scores(**metrics.means(per_image))


def subsets(per_image: PerImage) -> dict[str, Scores]:
    """Return mean scores of the first so many images, by their number: of each size in ``SUBSETS``, and of all."""
    count = len(per_image.mse)
    sizes = dict.fromkeys([*(size for size in SUBSETS if size < count), count])
    return {str(size): Scores(**metrics.means(PerImage(*(column[:size] for column in per_image)))) for size in sizes}


def standard_errors(per_image: PerImage) -> dict[str, float]:
    """Return the standard errors of the means over images of mse and ssim; empty for a single image.

    Of scores that are means over an image's releases they are of images and releases both: the image is the cluster,
    and clusters are independent.
    """
    count = len(per_image.mse)
    columns = {"mse": per_image.mse, "ssim": per_image.ssim}
    return {name: float(column.double().std()) / count**0.5 for name, column in columns.items()} if count > 1 else {}


def release_errors(by_release: PerImage) -> dict[str, float]:
    """Return what of the standard errors of mse and ssim the releases are to blame for, the images given.

    Args:
        by_release: Scores of each release of each image, ``(R, N)``; of a single one there is nothing to tell.
    """
    count, images = by_release.mse.shape
    columns = {"mse": by_release.mse, "ssim": by_release.ssim}
    if count == 1:
        return {}
    variances = {name: float(column.double().var(0).mean()) for name, column in columns.items()}
    return {name: (variance / (count * images)) ** 0.5 for name, variance in variances.items()}


def recorded(curve: Iterable[Point]) -> tuple[CurvePoint, ...]:
    """Return an attack's learning curve as a record has it: what is not finite is null."""
    return tuple(
        CurvePoint(step=point.step, name=name, value=value if math.isfinite(value) else None)
        for point in curve
        for name, value in (("train", point.train), ("validation", point.validation))
    )


@torch.no_grad()
def activations(target: LiveTarget, part: Part) -> Tensor:
    """Return what the device makes of each image before the defense, ``(N, C, H, W)``."""
    return torch.cat([target.sent(to_float(x)) for x in part.x.split(CHUNK)])


@torch.no_grad()
def releases(
    target: LiveTarget, part: Part, seed: int, m: int = 1, number: int = 0, sent: Tensor | None = None
) -> Tensor:
    """Return one release of each image, ``(N, C, H, W)``: every attack on a trial sees the same ones.

    Args:
        target: The network as it is deployed.
        part: The images.
        seed: The trial's.
        m: For m > 1, m independent releases of each, ``(m, N, C, H, W)``.
        number: Counts further independent ones from 0.
        sent: What ``activations`` gives of the part, where it is at hand; without it the client runs.
    """
    several = (m,) if m > 1 else ()
    further = ("number", number) if number else ()
    seed_everything(derive(seed, "release", part.name, *several, *further))
    chunks = (target.sent(to_float(x)) for x in part.x.split(CHUNK)) if sent is None else sent.split(CHUNK)
    return torch.cat([target.released(z, m) for z in chunks], dim=len(several))


def accuracy(target: LiveTarget, part: Part) -> float:
    """Return the top-1 accuracy in [0, 1] of the network as deployed, noise on, averaged over ``DRAWS`` draws."""
    right = torch.zeros((), device=part.x.device, dtype=torch.int64)
    for x, y in zip(part.x.split(CHUNK), part.y.split(CHUNK), strict=True):
        with torch.inference_mode():
            z = target.sent(to_float(x))
            for _ in range(DRAWS):
                right += (predicted(target, target.released(z)) == y).sum()
    return int(right) / (DRAWS * len(part.y))


def predicted(target: LiveTarget, z: Tensor) -> Tensor:
    """Return the labels ``(B,)`` that the server reads off releases."""
    with torch.inference_mode():
        return torch.cat([target.server(chunk).argmax(1) for chunk in z.split(CHUNK)])


COST = ("client_multiplications", "client_parameters")
"""What the client costs a device, for each image and to store."""


class Diagnostics(NamedTuple):
    """What a release tells of the image, how easily the network is misled, and what its client costs."""

    values: dict[str, float | None]
    reasons: dict[str, str]
    """Why a value is null, by its name."""


def diagnostics(target: LiveTarget, part: Part, prior: Part, seed: int) -> Diagnostics:
    """Return the common diagnostics of a part's images.

    They are what :func:`defenses.information.information` and :func:`harness.stages.fisher.fisher` tell, which takes
    how images vary from ``prior``, what :func:`harness.stages.robustness.robustness` does, and ``COST``.
    """
    seed_everything(derive(seed, "diagnostics", part.name))
    with torch.no_grad():
        values = information(target.defense, activations(target, part), part.y, target.sigma)
    missing = [name for name, value in values.items() if value is None]
    reason = MISSING[target.defense.law(target.sigma)]
    if len(missing) < len(values):
        reason = f"no two of the {len(part.y)} images of {part.name} share a class"
    seed_everything(derive(seed, "fisher", part.name))
    told = fisher(target, part, prior)
    seed_everything(derive(seed, "robust", part.name))
    robust = robustness(target, part)
    costs = client_cost(target.model.client, target.image_shape)
    values |= told.values | robust.values | {name: float(cost) for name, cost in zip(COST, costs, strict=True)}
    return Diagnostics(values, dict.fromkeys(missing, reason) | told.reasons | robust.reasons)


class Floors(NamedTuple):
    """Guesses without z (``mean_image``, ``class_mean``) and two yardsticks, by name."""

    guesses: dict[str, Guess]
    per_image: dict[str, PerImage]
    """Scores of every scored image."""


def floors(target: LiveTarget, data: Data, split: AttackSplit, seed: int) -> Floors:
    """Return the scores of guesses without z and of two yardsticks."""
    fit_z = releases(target, split.fit, seed)
    fit_x = to_float(split.fit.x)
    mean = guesses.mean_image(fit_x)
    by_class = guesses.class_mean(fit_x, split.fit.y, data.num_classes)

    def guessed(part: Part) -> dict[str, PerImage]:
        z, x = releases(target, part, seed), to_float(part.x)
        return {
            "mean_image": score(mean.expand_as(x), x),
            "class_mean": score(by_class[predicted(target, z)], x),
            "mean_colour": score(guesses.mean_colour(x), x),
            "nearest": score(guesses.nearest(z, fit_z, fit_x), x),
        }

    scored, selection = guessed(split.scored), guessed(split.selection)
    means = {
        name: Guess(
            scores=mean_scores(scored[name]), selection=mean_scores(selection[name]), subsets=subsets(selection[name])
        )
        for name in scored
    }
    return Floors(means, scored)
