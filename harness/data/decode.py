"""Decodes many small images in parallel threads into one uint8 tensor."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import Tensor

from harness.errors import UserError

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}
"""Image formats by the file name's ending, in lower case; no other decoder is ever tried."""

CHUNK = 500
"""Images that a thread decodes in one go."""


def decode_all(count: int, decode: Callable[[int], Tensor], size: int) -> Tensor:
    """Return all images, uint8, ``(count, 3, size, size)``.

    Args:
        count: Number of images, >= 1.
        decode: Gives the image with an index as uint8 ``(3, size, size)``.
        size: Height and width in pixels.
    """
    images = torch.empty(count, 3, size, size, dtype=torch.uint8)

    def decode_chunk(start: int) -> None:
        for index in range(start, min(start + CHUNK, count)):
            images[index] = decode(index)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for _ in threads.map(decode_chunk, range(0, count, CHUNK)):
            pass  # a failed chunk raises here
    return images


def open_rgb(file: Path | BytesIO, name: str, arrange: Callable[[Image.Image], Image.Image]) -> Tensor:
    """Return an image as uint8 ``(3, height, width)``.

    Args:
        file: The encoded image.
        name: What an error calls it.
        arrange: Turns, scales or cuts the decoded image, before it becomes RGB.

    Raises:
        UserError: it is not a whole image of a known format.
    """
    try:
        with Image.open(file, formats=tuple(FORMATS.values())) as image:
            image.load()
            arranged = arrange(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"data/root: {name} cannot be read as an image; mend or remove it") from error
    rgb = arranged if arranged.mode == "RGB" else arranged.convert("RGB")
    return torch.from_numpy(numpy.array(rgb)).permute(2, 0, 1)
