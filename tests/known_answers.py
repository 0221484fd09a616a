"""How far an attack is from a known answer."""

import math

from torch import Tensor

from attacks.base import Attack
from attacks.testproblems import LinearGaussian


def errors(attack: Attack, target: LinearGaussian, num_images: int) -> Tensor:
    """The mean squared error of each of some fresh images, ``(num_images,)``."""
    x = target.sample(num_images).x.float() / 255
    return (attack.reconstruct(target.release(x)) - x).square().mean(dim=(1, 2, 3))


def sampling_error(per_image: Tensor) -> float:
    """The standard error of a mean over images."""
    return float(per_image.std()) / math.sqrt(len(per_image))
