"""What a user's own package brings to the house, by name: ``package.module:Name``, or an entry point."""

import re
import sysconfig
import traceback
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

MODELS = "invfront.models"
"""Entry points that give a network a short name."""
DATA = "invfront.data"
"""Likewise a data set."""

HOUSE = Path(__file__).parent

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_plugin(name: str, group: str) -> bool:
    """Say whether a name is ``package.module:Name``, or an entry point's of a group; nothing is imported."""
    return bool(_NAME.fullmatch(name)) or name in entry_points(group=group).names


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
    installed = entry_points(group=group)
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


def package(name: str) -> str | None:
    """Return the top package that a name is of; null if it names no module."""
    return name.partition(":")[0].partition(".")[0] if ":" in name else None


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
