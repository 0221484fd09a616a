"""YAML studies and ranges of defenses' settings, and the few lines that load one by name."""

import re
from collections.abc import Hashable
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

BUNDLED = files("search_spaces")

_FLOAT = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+")
"""Numbers with an exponent, which YAML 1.1 takes for text unless they have a point and a sign."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml ships no types
    """Safe YAML in which ``1e-3`` is a number and no mapping names a key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
            seen.add(key if isinstance(key, Hashable) else None)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # yaml ships no types
    """Safe YAML that ``_Loader`` reads back as it was."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


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
    name = re.fullmatch(r"(?:search_spaces/)?([a-z0-9][a-z0-9_.-]*?)(?:\.yaml)?", str(space))
    bundled = sorted(entry.name.removesuffix(".yaml") for entry in BUNDLED.iterdir() if entry.name.endswith(".yaml"))
    if name and name[1] in bundled:
        where = f"search_spaces/{name[1]}.yaml"
        return _mapping((BUNDLED / f"{name[1]}.yaml").read_bytes(), where), where
    raise ValueError(f"{space}: no such file and no bundled study; bundled are {', '.join(bundled)}")


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
    return _parsed(text.encode())


def dump(mapping: dict[str, Any]) -> str:
    """Return YAML that loads as the same mapping, its keys in the same order."""
    text: str = yaml.dump(mapping, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110)
    return text


def _mapping(text: bytes, where: str) -> dict[Any, Any]:
    try:
        value = _parsed(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{where}: a study is a mapping such as `name: mine`, not {type(value).__name__}")
    return value


def _parsed(text: bytes) -> Any:
    try:
        return yaml.load(text.decode(), Loader=_Loader)  # derives from SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"not YAML: {place}{error.problem or error.context}; mend it there") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, TypeError) as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}; mend it there") from error
