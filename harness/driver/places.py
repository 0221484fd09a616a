"""Where studies may lie: in any folder whose name can be written down."""

import os
import re
from pathlib import Path

from harness.errors import UserError
from harness.stores import address_of

CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def refuse_place(option: str, folder: Path) -> None:
    """Refuse a folder in which no study can lie; it need not be there yet.

    Args:
        option: What it was given as, for the message; followed by a space unless empty.
        folder: As given.

    Raises:
        UserError: it is a store's address, its name cannot be spelt, or it cannot be made or written.
    """
    whole = str(folder.absolute())
    if (url := address_of(folder)) is not None:
        raise UserError(f"{option}{url}: is no folder; `invfront run --out {url}` opens a store, or name a folder")
    try:
        whole.encode()
    except UnicodeEncodeError:
        raise UserError(f"{option}{folder}: has bytes that are no letters of UTF-8; name another folder") from None
    if CONTROL.search(whole):
        raise UserError(f"{option}{whole!r}: has control characters; name another folder")
    for place in (folder, *folder.parents):
        if place.is_symlink() and not place.exists():
            raise UserError(f"{option}{folder}: {place} is a link to nothing; make {place.readlink()}, or name another")
        if place.exists():
            if not place.is_dir():
                raise UserError(f"{option}{folder}: {place} is a file; name a folder")
            if not os.access(place, os.W_OK):
                raise UserError(f"{option}{folder}: {place} cannot be written; make it writable, or name another")
            return
