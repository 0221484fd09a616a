"""Where studies may lie that is no folder: objects under keys, on S3 or in a store of one's own.

The interface is `base.py`; one file a kind. A package of one's own brings a kind by an entry point of
``plugins.STORES``, named as the scheme of its addresses.
"""

import functools
import re
from collections.abc import Callable
from pathlib import PurePath

from harness.errors import UserError
from harness.plugins import STORES, blamed, find, names_of
from harness.stores._faulty import FAULTS, Fault, FaultyStore, Killed
from harness.stores._local import LocalStore
from harness.stores._memory import MemoryStore
from harness.stores.base import Entry, Store

__all__ = [
    "FAULTS",
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
    "scheme_of",
]

KINDS = {"s3": "harness.stores._objects:ObjectStore"}
"""By the scheme of their addresses. By name, since pyarrow takes a second to come, and few studies need it."""

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
    known = {*KINDS, *names_of(STORES)}
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
        UserError: its package cannot be imported, or makes no store.
        OSError: the store says so.
    """
    scheme = scheme_of(url)
    make = _maker(scheme, KINDS.get(scheme, scheme))
    try:
        store = make(url)
    except (UserError, OSError):
        raise
    except Exception as error:  # whatever a package of one's own raises
        raise UserError(f"store {scheme}: {blamed(error)}") from error
    if not isinstance(store, Store):
        raise UserError(f"store {scheme}: makes {type(store).__name__}, no Store of harness.stores")
    return store


def scheme_of(url: str) -> str:
    """Return the scheme of an address, which names its kind."""
    return url.partition("://")[0]


@functools.lru_cache
def _maker(scheme: str, name: str) -> Callable[[str], Store]:
    """Return what makes stores of a scheme, by its name: looking through entry points takes a while."""
    try:
        kind = find("store", name, STORES, KINDS)
    except ValueError as error:
        raise UserError(str(error)) from error
    if not callable(kind):
        raise UserError(f"store {scheme}: {name} makes no store; name a class or a function")
    return kind


def _bare(place: str) -> str:
    """Return what may be shown of an address that is none."""
    return place.rpartition("@")[2].partition("?")[0]
