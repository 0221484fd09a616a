"""Decodes many small images in parallel threads into one uint8 tensor."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

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
