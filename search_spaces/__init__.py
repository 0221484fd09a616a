"""YAML studies and ranges of defenses' settings, and the few lines that load one by name."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from search_spaces.reading import dumped as dump
from search_spaces.reading import parsed

__all__ = ["BUNDLED", "defense", "dump", "load", "parse"]

BUNDLED = files("search_spaces")


def load(space: str | Path) -> tuple[dict[Any, Any], str]:
    """Return a study as written, and where it came from.

    Args:
        space: A path to a YAML file, or the name of a bundled study: ``quickstart``, with or without its folder and
            ending.

    Raises:
        ValueError: there is no such study, or it is not a YAML mapping.
    """
    path = Path(space)
    if path.is_file():
        return _mapping(path.read_bytes(), str(path)), str(path)
    if path.is_dir():
        own = "it holds a study: `invfront resume` goes on with it"
        if not (path / "study.yaml").exists():
            own = "name a file; for a folder of images, `invfront new NAME --data FOLDER` writes one"
        raise ValueError(f"{space}: is a folder, not a study file; {own}")
    name = re.fullmatch(r"(?:search_spaces/)?([a-z0-9][a-z0-9_.-]*?)(?:\.yaml)?", str(space))
    bundled = sorted(entry.name.removesuffix(".yaml") for entry in BUNDLED.iterdir() if entry.name.endswith(".yaml"))
    if name and name[1] in bundled:
        where = f"search_spaces/{name[1]}.yaml"
        return _mapping((BUNDLED / f"{name[1]}.yaml").read_bytes(), where), where
    beside = path.with_name(f"{path.name}.yaml") if path.name else path
    meant = f"did you mean {beside}? bundled" if beside.is_file() else "bundled"
    raise ValueError(f"{space}: no such file and no bundled study; {meant} are {', '.join(bundled)}")


def defense(name: str) -> dict[Any, Any]:
    """Return the bundled ranges of a defense's settings: what ``default`` stands for.

    Raises:
        ValueError: none are bundled.
    """
    folder = BUNDLED / "defenses"
    known = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    if name not in known:
        raise ValueError(f"{name!r} has no default ranges; {', '.join(known)} have; write the settings out")
    return _mapping((folder / f"{name}.yaml").read_bytes(), f"search_spaces/defenses/{name}.yaml")


def parse(text: str) -> Any:
    """Return a YAML text as a value.

    Raises:
        ValueError: it is not YAML; says where in one line.
    """
    return parsed(text.encode())


def _mapping(text: bytes, where: str) -> dict[Any, Any]:
    try:
        value = parsed(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if not isinstance(value, dict):
        found = "an empty file" if value is None else type(value).__name__
        raise ValueError(f"{where}: a study is a mapping such as `name: mine`, not {found}")
    return value
