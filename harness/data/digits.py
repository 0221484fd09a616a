"""Handwritten digits that ship with scikit-learn: 1,797 images, 8x8, enlarged to 32x32 with three equal channels.

References:
    Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.
"""

from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F

from harness.data.listing import Found, Listing, Undecoded

SIZE = 32


def check(root: Path | None, download: bool) -> None:
    """Accept anything: the images come with scikit-learn."""


def find(root: Path | None, download: bool) -> Found:
    """Return the digits; there is no official test set."""
    return Found(root=None, files=(), left_out=Counter(), open=_listed)


def _listed(size: int) -> Listing:
    import sklearn.datasets  # here: it takes as long as torch, and a driver of other images needs it not

    bunch = sklearn.datasets.load_digits()
    grey = torch.from_numpy(bunch.images).to(torch.float32).unsqueeze(1)
    # levels 0..16 at steps of 1/64 are exact in float32, so every CPU rounds alike and the digests agree
    enlarged = F.interpolate(grey, size=(SIZE, SIZE), mode="bilinear", align_corners=False) * (255 / 16)
    x = enlarged.round().to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    train = Undecoded(torch.from_numpy(bunch.target).long(), lambda index: x[index], lambda index: f"digit {index}")
    return Listing(train, None, tuple("0123456789"))
