"""Which study a path stands for."""

from pathlib import Path

from harness.errors import UserError


def find_study(path: Path) -> Path:
    """Return the directory of the study that a path stands for.

    Raises:
        UserError: there is none, or more than one.
    """
    if _is_study(path):
        return path
    if path.is_file():
        own = path.parent if _is_study(path.parent) else Path("runs") / path.stem  # where `invfront run` puts it
        raise UserError(f"{path}: is a file; name the study's directory, {own} if it is there")
    if not path.is_dir():
        raise UserError(f"{path}: no such directory; name a study's directory, or make one with `invfront run`")
    found = sorted(child for child in path.iterdir() if child.is_dir() and _is_study(child))
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{path}: holds {len(found)} studies, name one: {', '.join(map(str, found))}")
    raise UserError(f"{path}: holds no study; name a study's directory, or make one with `invfront run`")


def _is_study(path: Path) -> bool:
    """Say whether a directory is a study's; one that lost its study file still has trials, which doctor looks at."""
    return (path / "study.yaml").exists() or (path / "trials").is_dir()
