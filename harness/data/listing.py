"""A data set before it is decoded: which files, which pictures in them, which labels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from harness.data.tree import LeftOut


class Undecoded(NamedTuple):
    """Pictures that are not decoded yet, with their labels."""

    y: Tensor
    """int64, ``(N,)``."""
    decode: Callable[[int], Tensor]
    """Gives a picture by its index, uint8, ``(3, size, size)``; raises `harness.data.pixels.NoPicture`. Threads may
    call it side by side."""
    name: Callable[[int], str]
    """What a person finds a picture by: its path, or its file and its number there."""


class Listing(NamedTuple):
    """A data set as its publisher divides it, not decoded yet."""

    train: Undecoded
    test: Undecoded | None
    """None if there is no official test set."""
    class_names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies in a data set's folder."""

    root: Path | None
    """None for a data set that needs no folder."""
    files: tuple[Path, ...]
    """All whose content and place below the root decide what the images are; none if no folder is needed."""
    left_out: LeftOut
    open: Callable[[int], Listing]
    """Lists the pictures, to be decoded at a size in pixels."""
    listed: str = ""
    """Digest of what the files do not tell: labels and order that somebody's own code gives."""
    layout: str = ""
    """How the folder is laid out, in words; empty if no folder is needed."""
    flips: bool = True
    """Whether a mirrored image still belongs to its class."""
