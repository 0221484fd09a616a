"""Augmentation on the images' own device: for every image its own crop, mirroring and rotation, in one gather."""

import torch
from torch import Tensor


def to_float(x: Tensor) -> Tensor:
    """Return uint8 images ``(B, 3, height, width)`` as float32 in [0, 1], channels last."""
    return x.to(torch.float32, memory_format=torch.channels_last).div_(255)


def augment(x: Tensor, *, crop_padding: int = 4, flip: bool, rotation: float = 0.0) -> Tensor:
    """Return every image under its own random crop, mirroring and rotation; draws from the device's global RNG.

    Args:
        x: Images, uint8, ``(B, 3, height, width)``.
        crop_padding: Pixels of zeros around the image that the crop is taken from, >= 0.
        flip: Whether an image is mirrored left to right with probability 1/2.
        rotation: Largest angle in degrees, either way, >= 0; nearest pixel, zeros outside.

    Returns:
        Images, float32 in [0, 1], ``(B, 3, height, width)``, channels last.
    """
    offsets = torch.randint(-crop_padding, crop_padding + 1, (2, len(x)), device=x.device)
    mirrored = torch.rand(len(x), device=x.device) < 0.5 if flip else None
    degrees = (2 * torch.rand(len(x), device=x.device) - 1) * rotation if rotation else None
    return moved(x, offsets, mirrored, degrees)


def moved(x: Tensor, offsets: Tensor, mirrored: Tensor | None = None, degrees: Tensor | None = None) -> Tensor:
    """Crop, then mirror, then rotate; what comes from outside the image, or from outside the crop, is zero.

    Args:
        x: Images, uint8, ``(B, 3, height, width)``.
        offsets: Row and column of each crop's upper left corner in its image, int64, ``(2, B)``; may be negative.
        mirrored: Which crops are mirrored left to right, bool, ``(B,)``; none if None.
        degrees: Angles, counter-clockwise, ``(B,)``; all zero if None.

    Returns:
        Images, float32 in [0, 1], ``(B, 3, height, width)``, channels last.
    """
    batch, _, height, width = x.shape
    rows = torch.arange(height, device=x.device).view(1, height, 1)
    columns = torch.arange(width, device=x.device).view(1, 1, width)
    inside = torch.ones((), dtype=torch.bool, device=x.device)
    if degrees is not None:
        rows, columns = _rotated(rows, columns, degrees)
        inside = _within(rows, columns, height, width)
    if mirrored is not None:
        columns = torch.where(mirrored.view(-1, 1, 1), width - 1 - columns, columns)
    rows, columns = rows + offsets[0].view(-1, 1, 1), columns + offsets[1].view(-1, 1, 1)
    inside = inside & _within(rows, columns, height, width)

    images = torch.arange(batch, device=x.device).view(-1, 1, 1)
    index = (images * height + rows.clamp(0, height - 1)) * width + columns.clamp(0, width - 1)
    pixels = x.permute(0, 2, 3, 1).reshape(-1, 3).index_select(0, index.flatten()).view(batch, height, width, 3)
    return (pixels * inside.unsqueeze(-1)).to(torch.float32).div_(255).permute(0, 3, 1, 2)


def _within(rows: Tensor, columns: Tensor, height: int, width: int) -> Tensor:
    return (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)


def _rotated(rows: Tensor, columns: Tensor, degrees: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows and columns, ``(B, height, width)``, that a rotation about the centre reads its pixels from."""
    angle = torch.deg2rad(degrees.double()).view(-1, 1, 1)
    down, right = (rows.shape[1] - 1) / 2, (columns.shape[2] - 1) / 2
    source_rows = angle.sin() * (columns - right) + angle.cos() * (rows - down) + down
    source_columns = angle.cos() * (columns - right) - angle.sin() * (rows - down) + right
    return source_rows.round().long(), source_columns.round().long()
