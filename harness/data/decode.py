"""Decodes many pictures in parallel threads into one array, and names all that cannot be."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy
from numpy.typing import NDArray

from harness.data.listing import Undecoded
from harness.data.pixels import NoPicture
from harness.errors import UserError
from harness.records import Progress, Tell

CHUNK = 500
"""Images that a thread decodes in one go."""

MOST_NAMED = 5
"""Bad files that are named; the others are counted."""

JOB = "images"
"""What progress calls the decoding."""


class Bad(NamedTuple):
    """A picture that cannot be decoded."""

    name: str
    why: str


def decode_all(pictures: Undecoded, out: NDArray[numpy.uint8], tell: Tell) -> list[Bad]:
    """Decode pictures; return those that cannot be.

    Args:
        pictures: The pictures.
        out: Where to, ``(N, 3, size, size)``.
        tell: Hears how many are done.
    """

    def decode_chunk(start: int) -> list[Bad]:
        bad = []
        for index in range(start, min(start + CHUNK, len(out))):
            try:
                out[index] = pictures.decode(index).numpy()
            except NoPicture as error:
                bad.append(Bad(pictures.name(index), str(error)))
        return bad

    found: list[Bad] = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for done, bad in enumerate(threads.map(decode_chunk, range(0, len(out), CHUNK)), 1):
            found += bad
            tell(Progress(JOB, min(done * CHUNK, len(out)), len(out)))
    return found


def refuse_bad(bad: list[Bad]) -> None:
    """Refuse pictures that cannot be decoded.

    Raises:
        UserError: names the first of them.
    """
    if not bad:
        return
    if len(bad) == 1:
        raise UserError(f"data/root: {bad[0].name} cannot be read as an image: {bad[0].why}; mend or remove it")
    named = "; ".join(f"{name}: {why}" for name, why in bad[:MOST_NAMED])
    more = f"; and {len(bad) - MOST_NAMED:,} more" if len(bad) > MOST_NAMED else ""
    raise UserError(f"data/root: {len(bad):,} files cannot be read as images: {named}{more}; mend or remove them")
