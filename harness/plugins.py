"""What a user's own package brings to the house, by name: ``package.module:Name``, or an entry point."""

import functools
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import EntryPoints, distribution, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

MODELS = "invfront.models"
"""Entry points that give a network a short name."""
DATA = "invfront.data"
"""Likewise a data set."""
STORES = "invfront.stores"
"""Entry points of classes or functions that make a store of an address, named as its scheme."""

GROUPS = (MODELS, DATA, STORES, "invfront.attacks", "invfront.defenses")
"""All of them."""

HOUSE = Path(__file__).parent

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_plugin(name: str, group: str) -> bool:
    """Say whether a name is ``package.module:Name``, or an entry point's of a group; nothing is imported."""
    return bool(_NAME.fullmatch(name)) or name in _points(group).names


def names_of(group: str) -> set[str]:
    """Return the names of the installed entry points of a group."""
    return set(_points(group).names)


def find(kind: str, name: str, group: str, known: Iterable[str]) -> object:
    """Return what a name stands for, its module being imported.

    Args:
        kind: Of thing, in words, for messages.
        name: ``package.module:Name``, or an entry point's.
        group: Of entry points.
        known: Names that need no plug-in, for messages.

    Raises:
        ValueError: the name stands for nothing, or its module cannot be imported.
    """
    installed = _points(group)
    try:
        if name in installed.names:
            return installed[name].load()
        if _NAME.fullmatch(name):
            module, _, attribute = name.partition(":")
            found: object = getattr(import_module(module), attribute)
            return found
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{kind} {name}: {error}; is its package installed or on PYTHONPATH?") from error
    except Exception as error:  # whatever a user's own module raises
        raise ValueError(f"{kind} {name}: {blamed(error)}") from error
    listed = ", ".join([*known, *sorted(installed.names)])
    raise ValueError(f"no {kind} {name!r}; known: {listed}; or name one of your own as package.module:Name")


class Package(NamedTuple):
    """What brings a plug-in."""

    name: str
    """The top package or module that is imported."""
    distribution: str | None = None
    """The installed distribution whose entry point names it; null if it is named by its module."""


def packages(name: str) -> set[Package]:
    """Return what brings plug-ins of a name: its module's, or those of all entry points that have it."""
    if ":" in name:
        return {Package(_top(name))}
    named = [point for group in GROUPS for point in _points(group) if point.name == name]
    return {Package(_top(point.value), point.dist.name if point.dist else None) for point in named}


def _points(group: str) -> EntryPoints:
    """Return the installed entry points of a group."""
    return _installed(group, tuple((folder, _changed(folder)) for folder in sys.path))


@functools.lru_cache(maxsize=len(GROUPS))
def _installed(group: str, folders: tuple[tuple[str, int], ...]) -> EntryPoints:
    """Return them: every package's metadata are read, so once for as long as no package comes or goes."""
    return entry_points(group=group)


def _changed(folder: str) -> int:
    """Return when a folder was changed last; 0 if there is none."""
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def _top(name: str) -> str:
    return name.partition(":")[0].partition(".")[0]


def travelling(package: Package) -> list[Path]:
    """Return what must be on another machine's path for a plug-in to be found there: its module's file alone, or its
    package's folders, and the metadata that name its entry points.

    Raises:
        ValueError: the package cannot be found, or lies in an archive.
    """
    spec = find_spec(package.name)
    if spec is None:
        raise ValueError(f"{package.name}: cannot be imported; is its package installed or on PYTHONPATH?")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    found = folders or [Path(str(spec.origin))]
    for place in found:
        if not place.exists():
            raise ValueError(
                f"{package.name}: {place} is no file and no folder; install it unpacked, so that it travels"
            )
    if package.distribution is None:
        return found
    metadata = Path(str(distribution(package.distribution).locate_file(""))).glob("*-info")
    wanted = _plain(package.distribution)
    return [*found, *sorted(path for path in metadata if _plain(path.name.split("-")[0]) == wanted)]


def _plain(name: str) -> str:
    """Return a distribution's name as all spellings of it have in common."""
    return re.sub(r"[-_.]+", "-", name.removesuffix(".egg")).lower()


def blamed(error: Exception) -> str:
    """Return what a user's own code raised, and which line of it, on one line."""
    said = " ".join(str(error).split())
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _of_others(frame.filename)]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError):
        where = ""  # it names its own place
    return f"{type(error).__name__}: {said}{where}" if said else f"{type(error).__name__}{where}"


def _of_others(file: str) -> bool:
    """Say whether a file is the house's, Python's, or of a package that was installed."""
    path = Path(file)
    elsewhere = {"site-packages", "dist-packages"}.intersection(path.parts) or file.startswith("<frozen")
    return bool(elsewhere) or path.is_relative_to(HOUSE) or path.is_relative_to(sysconfig.get_path("stdlib"))
