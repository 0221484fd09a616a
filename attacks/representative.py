"""The representative probe: what the classes of the training images look like, by a generator that the network teaches.

References:
    Hitaj, Ateniese, Perez-Cruz, Deep models under the GAN: information leakage from collaborative deep learning, 2017.
    Zhang, Jia, Pei, Wang, Li, Song, The secret revealer: generative model-inversion attacks against deep neural
    networks, 2020.
    Miyato, Kataoka, Koyama, Yoshida, Spectral normalization for generative adversarial networks, 2018.
"""

import itertools
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from attacks.base import Evidence, Images, Knowledge, Point, Probe, ProbeAttack, Target
from attacks.counted import counted
from attacks.gradient_matching import total_variation
from attacks.guesses import class_mean, mean_image
from attacks.networks import VectorNetwork
from attacks.precision import autocast
from attacks.ranges import at_least, positive
from attacks.verdict import verdict

CURVE_POINTS = 20

CHUNK = 512


class Classes(NamedTuple):
    """Mean images of the classes that occur."""

    mean: Tensor
    """``(K, 3, height, width)``, in [0, 1]."""
    label: Tensor
    """``(K,)``"""


class Known(NamedTuple):
    """What representatives are held against."""

    guess: Tensor
    """The attacker's mean image, ``(1, 3, height, width)``, in [0, 1]."""
    classes: Classes

    def contrast(self, found: Tensor) -> float:
        """Return the factor in [0, 1] towards the guess by which representatives of all classes err least."""
        own, truth = found[self.classes.label] - self.guess, self.classes.mean - self.guess
        return float(((own * truth).sum() / own.square().sum().clamp_min(1e-12)).clamp(0, 1))

    def error(self, found: Tensor, contrast: float) -> float:
        """Return the mean squared error of representatives of all classes under a contrast."""
        own = self.guess + contrast * (found[self.classes.label] - self.guess)
        return float((own - self.classes.mean).square().mean())


class Representative(ProbeAttack):
    """Trains a generator to draw images that the network gives the label asked for, and that look like real ones.

    Of images drawn from u and label y it minimises the cross-entropy of the network under fresh noise, plus ``critic``
    times what a critic, trained along on the attacker's unlabelled images (hinge loss), holds against them, plus
    ``smoothness`` times total variation. A class's representative is the mean of ``draws`` images. Networks like their
    classes exaggerated: for the error all representatives are drawn towards the attacker's mean image by one common
    factor, which attacker-validation chooses.

    Scores: ``mse_to_class_mean``, of representatives to the mean image of their class among the training images, in
    [0, 1] units, less leaks more, beside ``mse_mean_image``, that of the attacker's mean image, and ``mse_as_drawn``,
    that without the factor; ``contrast``, the factor, [0, 1]; ``identification``, share of representatives as drawn to
    which of all class means their own is nearest, [0, 1], more leaks more, chance is 1 over the number of classes
    (``chance``); ``accuracy``, share of the images drawn that the network gives the label asked for, [0, 1]: how well
    the generator did, not what leaks.

    The labels of attacker-validation serve the factor, the curve and the verdict alone; those of ``aux`` nothing.

    Args:
        steps: Optimiser steps, >= 1.
        batch_size: Images drawn in a step, >= 1.
        channels: Width of generator and critic, >= 1.
        latent: Length of u, >= 1.
        draws: Images drawn for each representative, >= 1.
        lr: Learning rate of Adam, > 0.
        critic: Weight of the critic, >= 0; 0 leaves it out.
        smoothness: Weight of the total variation, >= 0.
    """

    reference = "Hitaj, Ateniese, Perez-Cruz, Deep models under the GAN, 2017"
    threat = (
        "Who holds the weights of client and server, and images without labels, wants to know what the training images "
        "of a class look like."
    )
    cost = "one training of a generator and its critic, each step a gradient through the whole network"
    knowledge: ClassVar[Knowledge] = "gradients"
    needs_server = True
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "steps": 80, "batch_size": 32, "channels": 16, "latent": 16, "draws": 16, "lr": 5e-3, "critic": 1.0,
            "smoothness": 0.1,
        },
        "standard": {
            "steps": 200, "batch_size": 64, "channels": 32, "latent": 32, "draws": 32, "lr": 5e-3, "critic": 1.0,
            "smoothness": 0.1,
        },
        "strong": {
            "steps": 20000, "batch_size": 256, "channels": 128, "latent": 64, "draws": 256, "lr": 2e-4, "critic": 1.0,
            "smoothness": 0.1,
        },
    }  # fmt: skip

    def __init__(
        self,
        steps: int,
        batch_size: int,
        channels: int,
        latent: int,
        draws: int,
        lr: float,
        critic: float,
        smoothness: float,
    ) -> None:
        at_least("representative", 0, critic=critic, smoothness=smoothness)
        at_least("representative", 1, steps=steps, batch_size=batch_size, channels=channels, latent=latent, draws=draws)
        positive("representative", lr=lr)
        self.steps, self.batch_size, self.channels, self.latent = steps, batch_size, channels, latent
        self.draws, self.lr, self.critic, self.smoothness = draws, lr, critic, smoothness

    def probe(self, target: Target, evidence: Evidence) -> Probe:
        """Train the generator on the network and on ``aux``; compare what it draws with ``members``."""
        device, guess = evidence.aux.x.device, mean_image(evidence.aux.x) / 255
        generator = VectorNetwork(self.latent + target.num_classes, guess, self.channels).to(device)
        critic = _critic(self.channels).to(device)
        known = Known(guess, _classes(evidence.val, target.num_classes))
        curve = self._train(generator, critic, target, evidence.aux.x, known)
        return Probe(
            scores=self._scores(generator, target, _classes(evidence.members, target.num_classes), known),
            verdict=verdict(curve, float((guess - known.classes.mean).square().mean())),
            images=target.num_classes,
            curve=tuple(curve),
        )

    def _train(
        self, generator: VectorNetwork, critic: nn.Module, target: Target, aux: Tensor, known: Known
    ) -> list[Point]:
        own, other = (torch.optim.Adam(net.parameters(), self.lr, betas=(0.5, 0.99)) for net in (generator, critic))
        noted = {max(1, round(self.steps * (i + 1) / CURVE_POINTS)) for i in range(CURVE_POINTS)}
        curve: list[Point] = []
        losses: list[Tensor] = []
        for step in counted(range(1, self.steps + 1), kept=noted):
            y = torch.randint(target.num_classes, (self.batch_size,), device=aux.device)
            with autocast(aux.device, target.precision):
                x_hat = generator(self._code(y, target.num_classes))
            if self.critic:
                real = aux[torch.randint(len(aux), (self.batch_size,), device=aux.device)].float() / 255
                _step(other, F.relu(1 - critic(real)).mean() + F.relu(1 + critic(x_hat.detach())).mean())
            losses.append(_step(own, self._loss(x_hat, y, critic, target)))
            if step in noted:
                found = self._drawn(generator, target.num_classes, aux.device).mean(1)
                error = known.error(found, known.contrast(found))
                curve.append(Point(step, float(torch.stack(losses).mean()), error))
                losses.clear()
        return curve

    def _loss(self, x_hat: Tensor, y: Tensor, critic: nn.Module, target: Target) -> Tensor:
        loss = F.cross_entropy(target.server(_release(target, x_hat)), y)
        if self.critic:
            loss = loss - self.critic * critic(x_hat).mean()
        return loss + self.smoothness * total_variation(x_hat).mean()

    def _code(self, y: Tensor, num_classes: int) -> Tensor:
        """Return what the generator draws from: noise and label, ``(B, latent + num_classes)``."""
        noise = torch.randn(len(y), self.latent, device=y.device)
        return torch.cat([noise, F.one_hot(y, num_classes).to(noise)], dim=1)

    @torch.no_grad()
    def _drawn(self, generator: VectorNetwork, num_classes: int, device: torch.device) -> Tensor:
        """Return images of each class, ``(num_classes, draws, 3, height, width)``; what is not finite is black."""
        y = torch.arange(num_classes, device=device).repeat_interleave(self.draws)
        codes = self._code(y, num_classes).split(CHUNK)
        images: Tensor = torch.cat([generator(code) for code in codes]).nan_to_num()
        return images.view(num_classes, self.draws, *images.shape[1:])

    def _scores(self, generator: VectorNetwork, target: Target, truth: Classes, known: Known) -> dict[str, float]:
        drawn = self._drawn(generator, target.num_classes, truth.label.device)
        found, contrast = drawn.mean(1), known.contrast(drawn.mean(1))
        scored = known._replace(classes=truth)
        distance = torch.cdist(found[truth.label].flatten(1)[None], truth.mean.flatten(1)[None])[0]
        own = torch.arange(len(truth.label), device=drawn.device)
        with torch.no_grad():
            given = [target.server(_release(target, x)).argmax(1) for x in drawn.flatten(0, 1).split(CHUNK)]
        asked = torch.arange(target.num_classes, device=drawn.device).repeat_interleave(self.draws)
        return {
            "mse_to_class_mean": scored.error(found, contrast),
            "mse_as_drawn": scored.error(found, 1.0),
            "mse_mean_image": scored.error(found, 0.0),
            "contrast": contrast,
            "identification": float((distance.argmin(1) == own).double().mean()),
            "chance": 1 / len(own),
            "accuracy": float((torch.cat(given) == asked).double().mean()),
        }


def _classes(images: Images, num_classes: int) -> Classes:
    label = torch.bincount(images.y, minlength=num_classes).nonzero()[:, 0]
    return Classes(class_mean(images.x, images.y, num_classes)[label] / 255, label)


def _release(target: Target, x: Tensor) -> Tensor:
    """Return a release of images, ``(B, C, H, W)``, differentiable: its expectation, and Gaussian noise as strong."""
    z = target.mean(x)
    own = torch.as_tensor(target.noise_std(z), dtype=z.dtype, device=z.device)
    return z + (own.square() + target.sigma**2).sqrt().detach() * torch.randn_like(z)


def _critic(channels: int) -> nn.Module:
    """Return a network that gives images ``(B, 3, height, width)`` a score, ``(B, 1)``; spectrally normalised."""
    widths = (3, channels, 2 * channels, 4 * channels)
    layers: list[nn.Module] = []
    for num_in, num_out in itertools.pairwise(widths):
        layers += [spectral_norm(nn.Conv2d(num_in, num_out, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), spectral_norm(nn.Linear(64 * channels, 1)))


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> Tensor:
    """Take one step; return the loss, detached. Only the optimiser's own parameters are given gradients."""
    parameters = optimiser.param_groups[0]["params"]
    for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = slope
    optimiser.step()
    return loss.detach()
