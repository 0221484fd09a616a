"""Where studies may lie that is no folder: objects under keys, on S3 or in a store of one's own.

The interface is `base.py`; one file a kind. A package of one's own brings a kind by an entry point of ``GROUP``, named
as the scheme of its addresses.
"""

import functools
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import PurePath

from harness.errors import UserError
from harness.plugins import find
from harness.stores._faulty import FAULTS, Fault, FaultyStore, Killed
from harness.stores._local import LocalStore
from harness.stores._memory import MemoryStore
from harness.stores.base import Entry, Store

__all__ = [
    "FAULTS",
    "GROUP",
    "KINDS",
    "Entry",
    "Fault",
    "FaultyStore",
    "Killed",
    "LocalStore",
    "MemoryStore",
    "Store",
    "address_of",
    "open_store",
]

KINDS = {"s3": "harness.stores._objects:ObjectStore"}
"""By the scheme of their addresses. By name, since pyarrow takes a second to come, and few studies need it."""

GROUP = "invfront.stores"
"""Entry points of classes or functions that make a store of an address."""

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]+):/+(?P<place>.*)")

_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-_]*(/[^/?#@:\s\x00-\x1f\x7f]+)*")


def address_of(path: str | PurePath) -> str | None:
    """Return the address that was given where a folder may be, also one that was taken for a path; null of a folder.

    Raises:
        UserError: it is none that a study can lie at.
    """
    found = _ADDRESS.fullmatch(str(path))
    if found is None:
        return None
    scheme, place = found["scheme"], found["place"].rstrip("/")
    known = {*KINDS, *entry_points(group=GROUP).names}
    if scheme not in known:
        listed = ", ".join(sorted(known))
        raise UserError(f"{scheme}://{_bare(place)}: no such store; known: {listed}; or name a folder")
    if not _PLACE.fullmatch(place):
        raise UserError(
            f"{scheme}://{_bare(place)}: takes a bucket and a folder alone, as s3://bucket/studies; credentials and "
            "the endpoint (AWS_ENDPOINT_URL) belong in the environment"
        )
    return f"{scheme}://{place}"


def open_store(url: str) -> Store:
    """Return the store of an address.

    Raises:
        UserError: its package cannot be imported.
    """
    scheme = url.partition("://")[0]
    return _maker(scheme, KINDS.get(scheme, scheme))(url)


@functools.lru_cache
def _maker(scheme: str, name: str) -> Callable[[str], Store]:
    """Return what makes stores of a scheme, by its name: looking through entry points takes a while."""
    try:
        kind = find("store", name, GROUP, KINDS)
    except ValueError as error:
        raise UserError(str(error)) from error
    if not callable(kind):
        raise UserError(f"store {scheme}: {name} makes no store; name a class or a function")
    return kind


def _bare(place: str) -> str:
    """Return what may be shown of an address that is none."""
    return place.rpartition("@")[2].partition("?")[0]
