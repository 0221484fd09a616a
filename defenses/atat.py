"""Training that leaves a network easily fooled: features that an attack flips carry little of the image back.

References:
    AT-AT: Reducing Information Dependency Does Not Cause Training Data Privacy. Adversarially Non-Robust Features Do,
    ICLR 2026 (anti-adversarial training).
    Madry, Makelov, Schmidt, Tsipras, Vladu, Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018
    (projected gradient descent).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.ranges import number, whole
from defenses.sensitivity import normalised_by_first_half


class AntiAdversarial(Defense):
    """Penalises ``min over |d| <= radius of CE(server(release(x + d)), y')``, y' a wrong label drawn for each image.

    d is sought by targeted projected gradient descent (signs, from a random start) and then held fixed. Client and
    server are trained by it both, so that a slight change of an image takes it to another class; the paper found that
    such networks give away little of their training images to attacks on a class. Whether that holds of the image
    behind one release is what a row of it is for. In nats of cross-entropy; it bounds no information.

    Against the paper: only the first images of a batch are attacked; releases have the channel noise, drawn anew in
    every step; images are in [0, 1], and the radius is taken in that unit; batch norms take the statistics of the clean
    images, whose running ones they leave alone.

    Args:
        lam: Weight of the cross-entropy, >= 0; .08 in the public code.
        radius: Largest change of a pixel, >= 0, in units of an image in [0, 1].
        step: Change of a pixel in a step of the descent, >= 0.
        steps: Steps of the descent, >= 1.
        images: Images of a batch that are attacked, >= 1; the first ones, a random sample.
    """

    strength = "lam"
    reference = (
        "AT-AT: Reducing Information Dependency Does Not Cause Training Data Privacy. Adversarially Non-Robust "
        "Features Do, ICLR 2026"
    )
    faithful = "ours"
    cost = "some of the batch's images through client and server, forward and back, once for each step and once more"

    num_classes: int

    def __init__(
        self, lam: float = 0.08, radius: float = 0.0005, step: float = 0.0001, steps: int = 5, images: int = 16
    ) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.radius, self.step = number("radius", radius), number("step", step)
        self.steps, self.images = whole("steps", steps, least=1), whole("images", images, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        self.num_classes = shapes.num_classes

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the cross-entropy of wrong labels where it is least.

        Raises:
            ValueError: the batch has no server.
        """
        if self.lam == 0:
            return super().penalty(batch)
        x, y = batch.x[: self.images].detach(), batch.y[: self.images]
        wrong = (y + torch.randint(1, max(self.num_classes, 2), y.shape, device=y.device)) % self.num_classes
        with _normalised_by_clean(batch):
            return self.lam * _answers(batch, x, self.nearest(batch, x, wrong), wrong)

    def nearest(self, batch: Batch, x: Tensor, wrong: Tensor) -> Tensor:
        """Return images ``(n, 3, height, width)`` within the radius that the network takes for the wrong labels."""
        moved = (x + self.radius * (2 * torch.rand_like(x) - 1)).clamp(0, 1)
        for _ in range(self.steps):
            moved.requires_grad_()
            (slope,) = torch.autograd.grad(_answers(batch, x, moved, wrong), moved)
            moved = (moved.detach() - self.step * slope.sign()).clamp(x - self.radius, x + self.radius).clamp(0, 1)
        return moved


def _answers(batch: Batch, x: Tensor, moved: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of labels on moved images, beside which the clean ones stand for the norms' sake."""
    return F.cross_entropy(batch.logits(torch.cat([x, moved]))[len(x) :], labels)


@contextmanager
def _normalised_by_clean(batch: Batch) -> Iterator[None]:
    with normalised_by_first_half(batch.client), normalised_by_first_half(batch.server or nn.Identity()):
        yield
