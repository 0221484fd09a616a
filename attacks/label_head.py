"""A classifier of releases that an attacker trains on images of its own, where it has no server to ask.

References:
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, Dropout, 2014.
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Images, Target
from attacks.fitting import CHUNK, batches, channel_statistics, plan, released, unit

WIDTH, DROPOUT = 64, 0.5
BATCH_SIZE, EPOCHS, STEPS, VALIDATIONS = 64, 30, 1500, 15
LR, WEIGHT_DECAY = 2e-3, 5e-4


class LabelHead(nn.Module):
    """Reads the class off a release: standardised channels, two convolutions, a linear layer.

    Args:
        z: Releases whose statistics standardise the input, ``(N, C, H, W)``.
        num_classes: Number of classes, >= 1.
    """

    def __init__(self, z: Tensor, num_classes: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        mean, deviation = channel_statistics(z)
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.layers = nn.Sequential(
            nn.Conv2d(z.shape[1], WIDTH, 3, padding=1),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d((min(4, z.shape[2]), min(4, z.shape[3]))),
            nn.Flatten(),
            nn.Dropout(DROPOUT),
            nn.LazyLinear(num_classes),
        ).to(z.device)

    def forward(self, z: Tensor) -> Tensor:
        """Return logits, ``(B, num_classes)``, of releases ``(B, C, H, W)``."""
        logits: Tensor = self.layers((z - self.mean) / self.deviation)
        return logits


def label_head(target: Target, aux: Images, val: Images) -> LabelHead:
    """Train a head on fresh releases of the attacker's images; return it, in eval mode, as it was when its
    cross-entropy on attacker-validation was least.

    Args:
        target: The network under attack; it is asked for releases alone.
        aux: The attacker's images, with labels.
        val: Attacker-validation.
    """
    seen = released(target, val)
    head = LabelHead(released(target, Images(aux.x[:CHUNK], aux.y[:CHUNK])), target.num_classes)
    head(seen[:2])
    length = plan(len(aux.x), BATCH_SIZE, EPOCHS, STEPS)
    optimiser = torch.optim.AdamW(head.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, length.total)
    best, least = copy.deepcopy(head), math.inf
    numbers = torch.arange(len(aux.x), device=aux.x.device)
    for step, chosen in zip(range(1, length.total + 1), batches(numbers, length.batch_size), strict=False):
        head.train()
        loss = F.cross_entropy(head(target.release(unit(aux.x[chosen]))), aux.y[chosen])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % max(1, length.total // VALIDATIONS) == 0 or step == length.total:
            error = _error(head, seen, val.y)
            if error < least:
                best, least = copy.deepcopy(head), error
    return best.eval().requires_grad_(False)


@torch.no_grad()
def _error(head: LabelHead, z: Tensor, y: Tensor) -> float:
    head.eval()
    return float(F.cross_entropy(torch.cat([head(chunk) for chunk in z.split(CHUNK)]), y))
