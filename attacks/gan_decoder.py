"""The adversarial decoding attack: an inverse network taught by a critic that sees images together with releases.

References:
    Xia, Hong, Guo, Lu, Liu, Zhao, Conditional entropy maximization for collaborative inference, 2025.
    Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, Improved training of Wasserstein GANs, 2017.
    Isola, Zhu, Zhou, Efros, Image-to-image translation with conditional adversarial networks, 2017.
"""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from attacks.base import Attack, Course, Fit, Images, Knowledge, Span, Target, Tunable
from attacks.branches import Branches, of_both
from attacks.fitting import (
    CHUNK,
    Plan,
    Stable,
    channel_statistics,
    cosine,
    guess_error,
    plan,
    released,
    train,
    unit,
)
from attacks.networks import Critic, InverseNetwork, gradient_penalty
from attacks.precision import autocast
from attacks.ranges import at_least, positive, share
from attacks.verdict import verdict

STATISTICS = 2048
"""Most of the attacker's images whose releases standardise z."""


class GanDecoder(Attack):
    """Regresses images on standardised releases, first by mse, then ``weight`` times mse minus the critic's score.

    The critic tells images from reconstructions, both seen beside the release (WGAN-GP, with fresh noise and other
    images in each of its steps). The budget is ``epochs`` over the attacker's images, cut off after ``steps`` batches
    if that is less: the first ``warm`` share of the batches is regression; after that each is a step of the critic, and
    every ``critic_steps``-th also one of the network. The learning rates rise, stay and fall in the first phase, and
    fall to a hundredth as a cosine in the second. The adversarial network reconstructs, for mse as well, as published.

    What half the steps come to is told by branches of each phase off the whole of it (:mod:`attacks.branches`): what
    half the regression costs and what half the adversarial batches cost, after the whole regression, are added.

    Args:
        blocks: Residual blocks of the network, >= 0.
        channels: Width of the network, >= 1.
        critic_channels: Width of the critic's first convolution, >= 1.
        epochs: Passes over the attacker's images, at most, >= 1.
        steps: Batches, at most, >= 2; null for no such limit.
        warm: Share of the batches before the critic comes in, in [0, 1).
        batch_size: Images of a batch, >= 1; at most a tenth of the attacker's images are taken.
        lr: Highest learning rate of Adam in the first phase, > 0.
        generator_lr: Highest one of the network in the second, > 0.
        critic_lr: Highest one of the critic, > 0.
        critic_steps: Steps of the critic to one of the network, >= 1.
        weight: Of the mean squared error, in [0, 1] units, > 0.
        penalty: Of the critic's gradient norms other than 1, >= 0.
    """

    reference = "Xia et al., Conditional entropy maximization for collaborative inference, 2025"
    threat = "The server, or who reads its traffic, may send images of their own through a client and see the releases."
    cost = "one adversarial training on the attacker's images; then a forward pass an image"
    knowledge: ClassVar[Knowledge] = "queries"
    version = 4
    width_setting = "channels"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "blocks": 1, "channels": 32, "critic_channels": 8, "epochs": 40, "steps": 300, "warm": 0.6,
            "batch_size": 32, "lr": 4e-3, "generator_lr": 5e-4, "critic_lr": 5e-3, "critic_steps": 3,
            "weight": 1500.0, "penalty": 10.0,
        },
        "standard": {
            "blocks": 4, "channels": 48, "critic_channels": 16, "epochs": 50, "steps": 720, "warm": 0.5,
            "batch_size": 128, "lr": 2e-3, "generator_lr": 5e-4, "critic_lr": 5e-3, "critic_steps": 5,
            "weight": 1500.0, "penalty": 10.0,
        },
        "strong": {
            "blocks": 8, "channels": 64, "critic_channels": 64, "epochs": 200, "steps": None, "warm": 0.25,
            "batch_size": 256, "lr": 1e-3, "generator_lr": 5e-4, "critic_lr": 5e-3, "critic_steps": 10,
            "weight": 1500.0, "penalty": 10.0,
        },
    }  # fmt: skip
    tunable: ClassVar[dict[str, Tunable]] = {
        "lr": Span(3e-4, 1e-2, log=True),
        "generator_lr": Span(5e-5, 5e-3, log=True),
        "weight": Span(150.0, 15000.0, log=True),
    }

    def __init__(
        self,
        blocks: int,
        channels: int,
        critic_channels: int,
        epochs: int,
        steps: int | None,
        warm: float,
        batch_size: int,
        lr: float,
        generator_lr: float,
        critic_lr: float,
        critic_steps: int,
        weight: float,
        penalty: float,
    ) -> None:
        at_least("gan_decoder", 0, blocks=blocks, penalty=penalty)
        at_least("gan_decoder", 1, channels=channels, critic_channels=critic_channels, epochs=epochs)
        at_least("gan_decoder", 1, batch_size=batch_size, critic_steps=critic_steps)
        at_least("gan_decoder", 2, steps=2 if steps is None else steps)
        positive("gan_decoder", lr=lr, generator_lr=generator_lr, critic_lr=critic_lr, weight=weight)
        share("gan_decoder", warm=warm)
        self.blocks, self.channels, self.critic_channels = blocks, channels, critic_channels
        self.epochs, self.steps, self.warm, self.batch_size = epochs, steps, warm, batch_size
        self.lr, self.generator_lr, self.critic_lr = lr, generator_lr, critic_lr
        self.critic_steps, self.weight, self.penalty = critic_steps, weight, penalty
        self.network: InverseNetwork | None = None

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Train the network; validate it on one fixed release of ``val``, evenly over the batches."""
        self.mean, self.deviation = channel_statistics(released(target, Images(aux.x[:STATISTICS], aux.y[:STATISTICS])))
        z_val = self._standardised(released(target, val))
        length = plan(len(aux.x), self.batch_size, self.epochs, self.steps)
        game = _Game(self, target, z_val, length)
        self.network = game.network

        def step(x: Tensor) -> Tensor:
            return game.step(x, self._standardised(target.release(x)))

        def errors() -> Tensor:
            return game.errors(z_val, val)

        warmed, parts = dict[float, Tensor](), (game.network, game.optimiser, game)
        phases = [
            Branches(aux.x, length._replace(total=total), game.optimiser, game.lr, step, errors, parts, before)
            for total, before in ((game.warm, 0), (length.total - game.warm, game.warm))
        ]
        curve = train(
            aux.x,
            length,
            game.optimiser,
            lr=game.lr,
            step=step,
            validate=lambda: float(errors().mean()),
            after=phases[0].after() | phases[1].after() | {game.warm: lambda: warmed.update({1.0: errors()})},
        )
        warm = [point.validation for point in curve if point.step <= game.warm]
        details = {"end_mse": curve[-1].validation, "critic_distance": float(game.distance)}
        details |= {"warm_mse": warm[-1]} if warm else {}
        shown = Images(aux.x[: len(val.x)], aux.y[: len(val.x)])
        seen = game.errors(self._standardised(released(target, shown)), shown)
        own = errors()
        first, second = phases[0].shares(game.warm), phases[1].shares(length.total - game.warm)
        shorter = of_both(first, warmed.get(1.0, own), second, own)
        course = Course(errors=shorter | {1.0: own}, seen=seen)
        return Fit(curve=tuple(curve), verdict=verdict(curve, guess_error(aux, val)), course=course, details=details)

    def reconstruct(self, z: Tensor) -> Tensor:
        """Reconstruct in eval mode and float32."""
        if self.network is None:
            raise RuntimeError("gan_decoder: fit it before it reconstructs")
        self.network.eval()
        with torch.inference_mode():
            return torch.cat([self.network(self._standardised(chunk.float())) for chunk in z.split(CHUNK)])

    def _standardised(self, z: Tensor) -> Tensor:
        return (z - self.mean) / self.deviation


class _Game:
    """The network and its critic in training."""

    def __init__(self, attack: GanDecoder, target: Target, z: Tensor, length: Plan) -> None:
        self.attack, self.precision, self.length = attack, target.precision, length
        activation, image = (z.shape[1], z.shape[2], z.shape[3]), target.image_shape
        network = InverseNetwork(activation, image, attack.blocks, attack.channels)
        self.network = network.to(z.device).to(memory_format=torch.channels_last)
        critic = Critic(activation, image, attack.critic_channels)
        self.critic = critic.to(z.device).to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.Adam(self.network.parameters(), weight_decay=1e-4, fused=True)
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), betas=(0.0, 0.9), fused=True)
        self.warm = round(attack.warm * length.total)
        self.rate = Stable(self.warm)
        self.taken = 0
        self.loss = self.distance = z.new_zeros(())

    def lr(self, step: int) -> float:
        """Return the network's learning rate in a step, counted from 0."""
        if step < self.warm:
            return self.attack.lr * self.rate(step)
        return self.attack.generator_lr * self._fall(step)

    def step(self, x: Tensor, z: Tensor) -> Tensor:
        """Take a step on images and their standardised releases; return the network's latest mse, detached."""
        self.taken += 1
        self.network.train()
        if self.taken <= self.warm:
            return self._generator_step(x, z, adversarial=False)
        self._critic_step(x, z)
        if (self.taken - self.warm) % self.attack.critic_steps == 0:
            self._generator_step(x, z, adversarial=True)
        return self.loss

    def errors(self, z: Tensor, images: Images) -> Tensor:
        """Return each image's mean squared error on standardised releases, ``(N,)``, in eval mode."""
        self.network.eval()
        with torch.no_grad(), autocast(z.device, self.precision):
            pairs = zip(z.split(CHUNK), images.x.split(CHUNK), strict=True)
            return torch.cat([(self.network(part) - unit(x)).square().mean(dim=(1, 2, 3)) for part, x in pairs])

    def state_dict(self) -> dict[str, Any]:
        """Return what a step changes beside the network and its optimiser."""
        critic = {"critic": self.critic.state_dict(), "optimiser": self.critic_optimiser.state_dict()}
        return {"taken": self.taken, "loss": self.loss, "distance": self.distance, **critic}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Put it back."""
        self.taken, self.loss, self.distance = (state_dict[name] for name in ("taken", "loss", "distance"))
        self.critic.load_state_dict(state_dict["critic"])
        self.critic_optimiser.load_state_dict(state_dict["optimiser"])

    def _generator_step(self, x: Tensor, z: Tensor, *, adversarial: bool) -> Tensor:
        with autocast(z.device, self.precision):
            x_hat = self.network(z)
        loss = F.mse_loss(x_hat, x)
        # over the weight: Adam does not see the scale, but would stumble if it changed between the phases
        score = self.critic(x_hat, z).mean() / self.attack.weight if adversarial else 0.0
        _descend(self.optimiser, loss - score)
        self.loss = loss.detach()
        return self.loss

    def _critic_step(self, x: Tensor, z: Tensor) -> None:
        with torch.no_grad(), autocast(z.device, self.precision):
            x_hat = self.network(z)
        real, fake = self.critic(torch.cat([x, x_hat]), torch.cat([z, z])).chunk(2)
        distance = real.mean() - fake.mean()
        loss = self.attack.penalty * gradient_penalty(self.critic, x, x_hat, z) - distance
        for group in self.critic_optimiser.param_groups:
            group["lr"] = self.attack.critic_lr * self._fallen()
        _descend(self.critic_optimiser, loss)
        self.distance = distance.detach()

    def _fall(self, step: int) -> float:
        return cosine(step - self.warm, self.length.total - self.warm, 1)

    def _fallen(self) -> float:
        """Return what the network's learning rate is over its highest: the critic's falls with it, in branches too."""
        now: float = self.optimiser.param_groups[0]["lr"]
        return now / self.attack.generator_lr


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimiser.step()
