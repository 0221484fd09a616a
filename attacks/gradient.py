"""The gradient probe: images from the gradients that split training shows the server.

References:
    Zhu, Liu, Han, Deep leakage from gradients, 2019.
    Zhao, Mopuri, Bilen, iDLG: improved deep leakage from gradients, 2020.
    Geiping, Bauermeister, Dröge, Moeller, Inverting gradients: how easy is it to break privacy in federated learning?,
    2020.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from attacks.base import Evidence, Images, Knowledge, Point, Probe, ProbeAttack, Target
from attacks.counted import counted
from attacks.gradient_matching import ExpectedNetwork, Form, Observed
from attacks.guesses import mean_image
from attacks.lbfgs import minimise
from attacks.metrics import means, score
from attacks.ranges import at_least, positive
from attacks.verdict import verdict

CURVE_POINTS = 20
"""Most points of a form's curve."""

DECAYS = (3 / 8, 5 / 8, 7 / 8)
"""Shares of the steps after which the cosine form's learning rate falls to a tenth."""


class Pixels(NamedTuple):
    """Mean and standard deviation of the attacker's pixels by channel, ``(3, 1, 1)``."""

    mean: Tensor
    std: Tensor

    def image(self, u: Tensor) -> Tensor:
        """Return the image of a standardised one."""
        return self.mean + self.std * u

    def standardised(self, x: Tensor) -> Tensor:
        """Return the standardised image."""
        return (x - self.mean) / self.std


class Reached(NamedTuple):
    """Where one form's search stands."""

    step: int
    u: Tensor
    """Standardised stand-ins, ``(R, N, 3, height, width)``."""
    loss: Tensor
    """``(R, N)``"""


class Matched(NamedTuple):
    """What one form of the attack came to."""

    x_hat: Tensor
    """``(N, 3, height, width)``"""
    scores: dict[str, float]
    """Means over images, by the score's name."""
    curve: tuple[Point, ...]


class Gradient(ProbeAttack):
    """Matches the gradient of one image's cross-entropy in all parameters of client and server, noise left out.

    Labels are read off the classifier's gradient (iDLG). Two forms: ``dlg`` minimises the squared distance by L-BFGS,
    relative to the gradient's own size; ``cosine`` one less the cosine, plus total variation, by Adam on the gradient's
    sign, within the box. Both start from noise with the mean and deviation of the attacker's pixels, several times;
    the start whose gradient fits best counts.

    Scores: ``label_accuracy``, share of labels read off rightly, [0, 1], more leaks more; ``mse_dlg`` and
    ``mse_cosine``, in [0, 1] units, less leaks more, beside ``mse_mean_image``, that of the attacker's mean image;
    ``psnr_*`` (dB, at most 100) and ``ssim_*`` ([-1, 1]), more leaks more; ``distance_dlg`` and ``distance_cosine``,
    what is left of the distance of gradients, the median over images, >= 0.

    The curve is that of the form whose images' gradients are nearer by |g' - g|^2 / |g|^2: its own distance, and the
    error on the images themselves (nothing is chosen or stopped by it). Networks with ReLU and max-pooling are hard for
    ``dlg``, as was published.

    Args:
        images: Images attacked, each by itself, at most, >= 1.
        chunk: Stand-ins differentiated at once, >= 1; each takes a few times the memory of the parameters.
        restarts: Starts for each image, >= 1.
        dlg_steps: Evaluations of the L-BFGS search, >= 1.
        cosine_steps: Steps of the search by signs, >= 1.
        lr: Its first step, in standard deviations of the attacker's pixels, > 0.
        smoothness: Weight of its total variation, of images in [0, 1], >= 0.
    """

    reference = "Zhu, Liu, Han, Deep leakage from gradients, 2019; Zhao et al., 2020; Geiping et al., 2020"
    threat = (
        "The server of split training knows the weights and sees the gradient of client and server that one private "
        "image and its label cause, computed without the channel's noise."
    )
    cost = "two optimisations an image, each step a second derivative through the whole network"
    knowledge: ClassVar[Knowledge] = "gradients"
    version = 2
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "images": 2, "chunk": 4, "restarts": 1, "dlg_steps": 20, "cosine_steps": 40, "lr": 0.1, "smoothness": 1e-2,
        },
        "standard": {
            "images": 8, "chunk": 8, "restarts": 1, "dlg_steps": 40, "cosine_steps": 600, "lr": 0.1,
            "smoothness": 1e-2,
        },
        "strong": {
            "images": 100, "chunk": 64, "restarts": 8, "dlg_steps": 6000, "cosine_steps": 4800, "lr": 0.1,
            "smoothness": 1e-2,
        },
    }  # fmt: skip

    def __init__(
        self,
        images: int,
        chunk: int,
        restarts: int,
        dlg_steps: int,
        cosine_steps: int,
        lr: float,
        smoothness: float,
    ) -> None:
        at_least("gradient", 0, smoothness=smoothness)
        at_least("gradient", 1, images=images, chunk=chunk, restarts=restarts)
        at_least("gradient", 1, dlg_steps=dlg_steps, cosine_steps=cosine_steps)
        positive("gradient", lr=lr)
        self.images, self.chunk, self.restarts = images, chunk, restarts
        self.dlg_steps, self.cosine_steps = dlg_steps, cosine_steps
        self.lr, self.smoothness = lr, smoothness

    def probe(self, target: Target, evidence: Evidence) -> Probe:
        """Attack the first ``images`` scored images under both forms."""
        x, y = evidence.scored.x[: self.images].float() / 255, evidence.scored.y[: self.images]
        pixels = _pixels(evidence.aux)
        observed = Observed(ExpectedNetwork(target), x, y, max(1, self.chunk // self.restarts))
        start = torch.randn(self.restarts, *x.shape, device=x.device)
        dlg = _outcome(self._squared(observed, start, pixels), self.dlg_steps, x, pixels)
        cosine = _outcome(self._signed(observed, start, pixels), self.cosine_steps, x, pixels)
        guess = float((mean_image(evidence.aux.x) / 255 - x).square().mean())
        accuracy = float((observed.labels == y).double().mean())
        best = min(dlg, cosine, key=lambda outcome: _left(observed, outcome.x_hat, "squared"))
        scores = {"label_accuracy": accuracy, "mse_mean_image": guess}
        scores |= {f"{name}_dlg": value for name, value in dlg.scores.items()}
        scores |= {f"{name}_cosine": value for name, value in cosine.scores.items()}
        scores["distance_dlg"] = _left(observed, dlg.x_hat, "squared")
        scores["distance_cosine"] = _left(observed, cosine.x_hat, "cosine")
        return Probe(scores=scores, verdict=verdict(best.curve, guess), images=len(x), curve=best.curve)

    def _squared(self, observed: Observed, start: Tensor, pixels: Pixels) -> Iterator[Reached]:
        """Search by L-BFGS without bounds, as published."""

        def evaluate(flat: Tensor) -> tuple[Tensor, Tensor]:
            loss, slope = observed.distance(pixels.image(flat.view_as(start)), "squared", 0.0)
            return loss.flatten(), (slope * pixels.std).reshape(flat.shape)

        for step, u, loss in minimise(evaluate, start.flatten(0, 1).flatten(1), self.dlg_steps):
            yield Reached(step, u.view_as(start), loss.view(start.shape[:2]))

    def _signed(self, observed: Observed, start: Tensor, pixels: Pixels) -> Iterator[Reached]:
        """Search by Adam on the gradient's sign, within the box: what moves one stand-in moves no other."""
        low, high = (pixels.standardised(torch.full_like(pixels.mean, edge)) for edge in (0, 1))
        u = torch.minimum(torch.maximum(start, low), high)
        optimiser = torch.optim.Adam([u], lr=self.lr)
        for step in counted(range(1, self.cosine_steps + 1)):
            decays = sum(step > share * self.cosine_steps for share in DECAYS)
            optimiser.param_groups[0]["lr"] = self.lr * 0.1**decays
            loss, slope = observed.distance(pixels.image(u), "cosine", self.smoothness)
            yield Reached(step, u, loss)
            u.grad = slope.nan_to_num().sign()
            optimiser.step()
            u.copy_(torch.minimum(torch.maximum(u, low), high))


def _pixels(aux: Images) -> Pixels:
    x = aux.x.float() / 255
    std, mean = torch.std_mean(x, dim=(0, 2, 3), keepdim=True)
    return Pixels(mean[0], std[0].clamp_min(1e-3))


def _outcome(search: Iterator[Reached], steps: int, x: Tensor, pixels: Pixels) -> Matched:
    """Follow a search to its end, and score for each image the start whose gradient fits best."""
    noted = {max(1, round(steps * (i + 1) / CURVE_POINTS)) for i in range(CURVE_POINTS)}
    curve = []
    for standing in search:
        if standing.step in noted:
            x_hat = pixels.image(_best(standing))
            found = score(x_hat, x)
            loss = standing.loss.min(0).values.mean()
            curve.append(Point(standing.step, float(loss), float(found.mse.mean())))
    return Matched(x_hat, means(found), tuple(curve))


def _left(observed: Observed, x_hat: Tensor, form: Form) -> float:
    """Return the median over images of what is left of the distance of gradients; what is not finite is the largest."""
    distances, _ = observed.distance(x_hat[None], form, 0.0)
    return float(distances.nan_to_num(nan=torch.finfo(distances.dtype).max).median())


def _best(standing: Reached) -> Tensor:
    chosen = standing.loss.argmin(0)
    return standing.u[chosen, torch.arange(len(chosen), device=chosen.device)]
