"""Which study a path stands for."""

from pathlib import Path

from harness.errors import UserError
from harness.ledger.fetching import mirror_at, mirror_of
from harness.ledger.keys import TRIALS
from harness.ledger.mirror import Mirror
from harness.stores import address_of, open_store

OWN = "study.yaml"


def find_study(path: Path) -> Path:
    """Return the directory of the study that a path stands for; of one in a store, this machine's copy of it, as the
    store has it now.

    Raises:
        UserError: there is none, or more than one; or the store does not answer.
    """
    if (url := address_of(path)) is not None:
        return _in_store(url)
    if (mirror := mirror_of(path)) is not None:
        return _pulled(mirror)
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


def begin_in_store(url: str, name: str) -> Path:
    """Return this machine's copy of a study that is to run in a store, or goes on there; errors as of ``find_study``.

    Args:
        url: Of the folder of studies.
        name: The study's.
    """
    return _pulled(mirror_at(f"{url}/{name}"))


def _in_store(url: str) -> Path:
    store = open_store(url)
    try:
        if store.entry(OWN) is not None or TRIALS in (names := store.folders()):
            return _pulled(mirror_at(url))
        found = [name for name in names if store.entry(f"{name}/{OWN}") is not None]
    except OSError as error:
        raise _refused(url, error) from error
    if len(found) == 1:
        return _pulled(mirror_at(f"{url}/{found[0]}"))
    if found:
        raise UserError(f"{url}: holds {len(found)} studies, name one: {', '.join(f'{url}/{name}' for name in found)}")
    raise UserError(f"{url}: holds no study; name a study's address, or make one with `invfront run --out {url}`")


def _pulled(mirror: Mirror) -> Path:
    try:
        mirror.pull()
    except OSError as error:
        raise _refused(mirror.store.url, error) from error
    return mirror.root


def _refused(url: str, error: OSError) -> UserError:
    return UserError(
        f"{error.filename or url}: {error.strerror or error}; look at the address and at the environment: "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL"
    )


def _is_study(path: Path) -> bool:
    """Say whether a directory is a study's; one that lost its study file still has trials, which doctor looks at."""
    return (path / OWN).exists() or (path / TRIALS).is_dir()
