"""Handwritten digits that ship with scikit-learn: 1,797 images, 8x8, enlarged to 32x32 with three equal channels.

References:
    Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.
"""

from pathlib import Path

import sklearn.datasets
import torch
import torch.nn.functional as F

from harness.data.parts import Labelled, Original

SIZE = 32


def check(root: Path | None, download: bool) -> None:
    """Accept anything: the images come with scikit-learn."""


def read(root: Path | None, size: int, download: bool) -> Original:
    """Return the digits; there is no official test set."""
    bunch = sklearn.datasets.load_digits()
    grey = torch.from_numpy(bunch.images).to(torch.float32).unsqueeze(1)
    # levels 0..16 at steps of 1/64 are exact in float32, so every CPU rounds alike and the digests agree
    enlarged = F.interpolate(grey, size=(SIZE, SIZE), mode="bilinear", align_corners=False) * (255 / 16)
    x = enlarged.round().to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    return Original(Labelled(x, torch.from_numpy(bunch.target).long()), None, tuple("0123456789"))
