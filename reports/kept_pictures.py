"""Pictures of a report that this process has drawn: whoever writes a report again draws what has changed alone."""

import functools
import hashlib
import pickle
from collections.abc import Sequence

from matplotlib.figure import Figure

from reports import pictures
from reports.card import Galleries, Plot
from reports.chart import Chart

MOST_KEPT = 64
"""Pictures, some 50 kB each; those that were shown longest ago go first."""

_KEPT: dict[bytes | None, dict[str, bytes]] = {}
"""By a digest of all that is drawn."""


def picture(block: Plot | Galleries, forms: Sequence[str]) -> dict[str, bytes]:
    """Return what a block shows as a picture, in some of ``pictures.FORMS``.

    Raises:
        TypeError: nothing draws it.
    """
    digest = _digest(block, forms)
    found = _KEPT.pop(digest, None) or pictures.saved(_drawn(block), forms)
    if digest is not None:
        _KEPT[digest] = found
    if len(_KEPT) > MOST_KEPT:
        del _KEPT[next(iter(_KEPT))]
    return found


def _digest(block: Plot | Galleries, forms: Sequence[str]) -> bytes | None:
    """Return what tells a picture from others; null for one whose drawing may depend on more than what it is given."""
    told = block.picture or (block.figure if isinstance(block, Plot) else None)
    if callable(told) and not isinstance(told, functools.partial):
        return None
    try:
        return hashlib.sha256(pickle.dumps((told, *forms))).digest()
    except (pickle.PicklingError, AttributeError, TypeError):  # whatever a card of one's own gives along
        return None


def _drawn(block: Plot | Galleries) -> Figure:
    if block.picture is not None:
        return block.picture()
    if isinstance(block, Plot) and isinstance(block.figure, Chart):
        return pictures.draw(block.figure)
    raise TypeError(f"{block.name}: nothing draws it as a picture")
