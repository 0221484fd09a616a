"""Reconstructions that need no training: guesses without z, and yardsticks that stand beside every attack."""

import torch
from torch import Tensor


def mean_image(aux: Tensor) -> Tensor:
    """Return the best guess without z: the mean of the attacker's images.

    Args:
        aux: Images, ``(N, 3, height, width)``, of any type and unit.

    Returns:
        ``(1, 3, height, width)``, float32, in the images' unit.
    """
    return aux.mean(dim=0, keepdim=True, dtype=torch.float32)


def class_mean(aux: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Return the best guess from the predicted label alone: the mean of the attacker's images of each class.

    Args:
        aux: Images in [0, 1], ``(N, 3, height, width)``.
        y: Their labels, ``(N,)``, int64, in [0, num_classes).
        num_classes: Number of classes, >= 1.

    Returns:
        ``(num_classes, 3, height, width)``, float32; to be indexed by predicted labels. The mean image stands in for a
        class without images.
    """
    counts = torch.bincount(y, minlength=num_classes).to(torch.float32)
    # a matrix product, not a scatter: the same bits on every run on CUDA too
    members = torch.nn.functional.one_hot(y, num_classes).to(torch.float32)
    means = members.T @ aux.flatten(1).float() / counts.clamp_min(1)[:, None]
    means = means.reshape(num_classes, *aux.shape[1:])
    return torch.where(counts[:, None, None, None] > 0, means, mean_image(aux))


def mean_colour(x: Tensor) -> Tensor:
    """Return each image's own mean colour: a yardstick (it looks at the image), no guess.

    Args:
        x: Images in [0, 1], ``(N, 3, height, width)``.

    Returns:
        A tensor of the same shape.
    """
    return x.mean(dim=(2, 3), keepdim=True).expand_as(x)


def nearest(z: Tensor, z_aux: Tensor, x_aux: Tensor, chunk: int = 512) -> Tensor:
    """Return the attacker's image whose release is nearest, by Euclidean distance.

    Args:
        z: Releases to invert, ``(N, C, H, W)``.
        z_aux: Releases of the attacker's images, ``(M, C, H, W)``.
        x_aux: The attacker's images in [0, 1], ``(M, 3, height, width)``.
        chunk: Rows of the N x M distance matrix held at once, >= 1.

    Returns:
        ``(N, 3, height, width)``.
    """
    queries, candidates = z.flatten(1).float(), z_aux.flatten(1).float()
    # |a - b|^2 = |a|^2 - 2ab + |b|^2, without |a|^2, which moves no minimum
    squares = candidates.square().sum(dim=1)
    found = [(squares - 2 * rows @ candidates.T).argmin(dim=1) for rows in queries.split(chunk)]
    return x_aux[torch.cat(found)]
