"""A reconstruction moved to where it fits its image best: by a small shift, mirrored or not.

A defense may move or mirror at random what it releases: every reconstruction is then in the wrong place, its mse that
of another image's, and a person sees all of it.

References:
    Kuglin, Hines, The phase correlation image alignment method, 1975 (all shifts at once by a Fourier transform).
"""

import torch
from torch import Tensor

REACH = 8
"""Part of a side by which a reconstruction may be moved, each way: an eighth."""


def registered(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return each reconstruction rolled by up to an eighth of its sides, and mirrored or not, as is nearest by mse.

    What is rolled over an edge comes in at the other one. ``(N, C, height, width)``, as what is given.

    Args:
        x_hat: Reconstructions in [0, 1].
        x: Their images.
    """
    both = torch.stack([x_hat, x_hat.flip(3)], dim=1)
    rows, columns = (_shifts(side, x.device) for side in x.shape[2:])
    # sum over pixels and colours of the image times the reconstruction rolled by each shift
    spectrum = torch.fft.rfft2(x)[:, None] * torch.fft.rfft2(both).conj()
    agreement = torch.fft.irfft2(spectrum.sum(2), s=x.shape[2:])[..., rows[:, None], columns]
    best = agreement.flatten(1).argmax(1)
    mirrored, shift = best // (len(rows) * len(columns)), best % (len(rows) * len(columns))
    chosen = both[torch.arange(len(x), device=x.device), mirrored]
    return _rolled(chosen, rows[shift // len(columns)], columns[shift % len(columns)])


def _shifts(side: int, device: torch.device) -> Tensor:
    reach = side // REACH
    return torch.arange(-reach, reach + 1, device=device)


def _rolled(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Return each image rolled by its own shifts, ``(N,)`` each."""
    count, height, width = len(images), images.shape[2], images.shape[3]
    row = (torch.arange(height, device=images.device) - down[:, None]) % height
    column = (torch.arange(width, device=images.device) - right[:, None]) % width
    image = torch.arange(count, device=images.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[image, row[:, :, None], column[:, None, :]]
    return moved.permute(0, 3, 1, 2)
