"""How images vary: the spectrum of their covariance, which bounds what can be recovered of them."""

import torch
from torch import Tensor

MOST = 1000
"""Images that it is estimated from."""

DIGITS = 6
"""Significant digits that are kept."""


def spectrum(x: Tensor) -> tuple[float, ...]:
    """Return the eigenvalues of the pixels' covariance, the greatest first, of the first ``MOST`` images.

    Pixels are in [0, 1]. Of fewer images than pixels it is the part that these can tell: the rest is taken for nought,
    so that whoever bounds an attack's error by it bounds it from below.

    Args:
        x: Images in random order, ``(N, C, H, W)``, uint8; of fewer than two there is none.
    """
    flat = x[:MOST].flatten(1).double() / 255
    if len(flat) < 2:
        return ()
    centred = flat - flat.mean(0)
    gram = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    values = torch.linalg.eigvalsh(gram).flip(0) / (len(flat) - 1)
    return tuple(float(f"{value:.{DIGITS}g}") for value in values.tolist() if value > 1e-9)
