"""One picture as a person would see it: upright, in colours of 8 bits, on white where it is transparent; or refused."""

import contextlib
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

DEEP = 65535
"""White of pixels of 16 bits."""

DEEP_FORMATS = ("PNG", "PPM")
"""Formats whose pixels of more than 8 bits have a white that is agreed on."""

FOREIGN = ("BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF")
"""What Pillow hands to other programs or plug-ins, or what is no picture: never opened."""

COMMON = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000")
"""Formats that tell by their first bytes what they are: tried whatever a file's name ends in."""


class NoPicture(Exception):  # noqa: N818  # a reason, which whoever knows the file's name turns into a UserError
    """Why a file gives no picture, a clause."""


TURNED = range(5, 9)
"""EXIF orientations of pictures that lie on their side."""

ORIENTATION = 0x0112
"""EXIF's tag."""


class Header(NamedTuple):
    """What a picture says of itself before it is decoded."""

    width: int
    """Pixels, as a person sees it, upright."""
    height: int
    mode: str
    """Pillow's, such as RGB, CMYK, L (grey) or I;16 (grey of 16 bits)."""
    turned: bool
    """Whether EXIF's orientation turns it."""


@cache
def formats() -> dict[str, str]:
    """Return the image formats that are opened, by the file name's ending, in lower case."""
    Image.init()
    known = Image.registered_extensions()
    opened = {ending: kind for ending, kind in known.items() if kind in Image.OPEN and kind not in FOREIGN}
    return opened | {".mpo": "JPEG"}


def picture(source: Path | bytes | None) -> Image.Image:
    """Return a picture in mode RGB; of an animated one its first frame, which a person sees first.

    Grey of 16 bits is scaled to 8, transparency is put on white, EXIF's orientation is carried out. Colour profiles are
    not applied.

    Raises:
        NoPicture: it cannot be read whole, or its white is not known.
    """
    with _opened(source) as image:
        return rgb(ImageOps.exif_transpose(image), image.format)


def header(source: Path | bytes) -> Header:
    """Return what a picture says of itself; it is not decoded.

    Raises:
        NoPicture: it is none.
    """
    with _opened(source) as image:
        orientation = image.getexif().get(ORIENTATION, 1)
        sides = image.size[::-1] if orientation in TURNED else image.size
        return Header(*sides, image.mode, orientation not in (None, 0, 1))


@contextlib.contextmanager
def _opened(source: Path | bytes | None) -> Iterator[Image.Image]:
    """Yield an opened picture, not decoded yet; what opening or reading it raises becomes a ``NoPicture``."""
    ending = source.suffix.lower() if isinstance(source, Path) else ""
    tried = dict.fromkeys((*COMMON, *([formats()[ending]] if ending in formats() else [])))
    try:
        with Image.open(source if isinstance(source, Path) else BytesIO(source or b""), formats=tuple(tried)) as image:
            yield image
    except Image.DecompressionBombError as error:
        raise NoPicture(f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels") from error
    except (OSError, ValueError, SyntaxError, TypeError, EOFError, IndexError, OverflowError) as error:
        raise NoPicture(_said(error)) from error


def square(image: Image.Image, size: int) -> Tensor:
    """Return a picture scaled to cover a square and cut to its centre, uint8, ``(3, size, size)``."""
    fitted = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(numpy.array(fitted)).permute(2, 0, 1)


def exact(image: Image.Image, size: int) -> Tensor:
    """Return a picture of ``size`` x ``size`` pixels as it is, uint8, ``(3, size, size)``.

    Raises:
        NoPicture: it has another size.
    """
    if image.size != (size, size):
        raise NoPicture(f"has {image.width}x{image.height} pixels, not {size}x{size}")
    return torch.from_numpy(numpy.array(image)).permute(2, 0, 1)


def rgb(image: Image.Image, kind: str | None = None) -> Image.Image:
    """Return an opened picture in mode RGB, as of ``picture``; ``kind`` is the format that it was read from."""
    if image.mode.startswith("I;16") or (image.mode == "I" and kind in DEEP_FORMATS):
        return _from_deep(image).convert("RGB")
    if image.mode in ("I", "F"):
        raise NoPicture(f"pixels of 32 bits (mode {image.mode}), whose white nobody knows; save it with 8 or 16 bits")
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert("RGB")


def _from_deep(image: Image.Image) -> Image.Image:
    levels = numpy.asarray(image).astype(numpy.int64).clip(0, DEEP)
    return Image.fromarray(((levels * 255 + DEEP // 2) // DEEP).astype(numpy.uint8))


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, UnidentifiedImageError) or not text:
        return "no image format is recognised"
    return text
