"""What is known of a data set before it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.data.listing import Found
from harness.data.parts import SHARES, Published, Shares

Colour = tuple[float, float, float]
"""A number per channel: red, green, blue; images in [0, 1]."""


class Promise(NamedTuple):
    """How much there is of a data set that its publisher gives in class folders."""

    classes: int
    train: int | None
    """None where it is not known: links of the publisher's list have died."""
    test: int | None


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a data set's images come from, and what its models take for granted."""

    description: str
    size: int
    """Height and width in pixels."""
    resizable: bool = False
    """Whether ``data/size`` may ask for another size."""
    mean: Colour
    """By which the client normalises."""
    std: Colour
    flips: bool = True
    """Whether a mirrored image still belongs to its class."""
    shares: Shares = SHARES
    published: Published | None = None
    """None for class folders, which hold what they hold."""
    promise: Promise | None = None
    """None for people's own folders."""
    check: Callable[[Path | None, bool], None]
    """Called with root and download: refuses a root that cannot be read, without decoding anything."""
    find: Callable[[Path | None, bool], Found]
    """Called with root and download, which it may carry out."""


# ImageNet's, as torchvision documents them
PHOTOGRAPHS: tuple[Colour, Colour] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of photographs that nobody has measured."""
