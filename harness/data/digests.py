"""The digests of a data set's files, taken again only of those whose size or time has changed."""

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path

from harness import cache
from harness.data.listing import Found
from harness.errors import UserError
from harness.ledger import sha256, write_whole

FRESH_SECONDS = 2.0
"""A file that was written so lately may be written again within the same tick of its disk's clock."""

Known = dict[str, list[int | str]]
"""Size in bytes, time in nanoseconds and SHA-256 of a file, by its path below the root."""


def digests_of(found: Found) -> dict[str, str]:
    """Return the SHA-256 of a data set's files by their paths below its root, in their order.

    Raises:
        UserError: a file cannot be read.
        Unusable: the cache, where they are remembered, cannot be used.
    """
    if found.root is None:
        return {}
    index = cache.room("digests") / f"{hashlib.sha256(os.fsencode(found.root.resolve())).hexdigest()[:32]}.json"
    known, now = _known(index), time.time()
    told, remembered = {}, {}
    for path in found.files:
        name = path.relative_to(found.root).as_posix()
        try:
            status = path.stat()
            here = [status.st_size, status.st_mtime_ns]
            told[name] = str(known[name][2]) if known.get(name, [])[:2] == here else sha256(path)
        except OSError as error:
            raise UserError(f"data/root: {path}: {error.strerror or error}; mend or remove it") from error
        if now - status.st_mtime > FRESH_SECONDS:
            remembered[name] = [*here, told[name]]
    if any(known.get(name) != entry for name, entry in remembered.items()):
        with contextlib.suppress(OSError):  # they are then taken again
            write_whole(index, json.dumps(known | remembered).encode())
    return told


def _known(index: Path) -> Known:
    with contextlib.suppress(OSError, ValueError):
        known: Known = json.loads(index.read_bytes())
        return known
    return {}
