"""Where a local Ray keeps what goes with it: its temporary folder, and its token where there is no home for it."""

import contextlib
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from harness.errors import UserError

_LOG = logging.getLogger(__name__)

SCRATCH = "invf-"
"""Prefix of temporary folders, before their driver's process id. Short: Ray's sockets lie in them."""

OWNED = "driver.lock"
"""In such a folder: its driver holds it for as long as it lives, whatever container or machine it is in."""

YOUNG_SECONDS = 86400.0

SHORT = Path("/tmp")

LONGEST_PARENT = 107 - len("/invf-4194304-abcdefgh/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
"""Characters of a folder below which the path of a socket is not too long for the system."""

TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
"""By which a user says what Ray's token is."""


@contextlib.contextmanager
def scratch(sockets: bool = False) -> Iterator[str]:
    """Make a temporary folder that goes in the end; sweep those of drivers that were killed.

    Args:
        sockets: Whether Ray's sockets lie in it, whose paths must be short, and of ASCII alone.

    Raises:
        UserError: there is no folder for it.
    """
    parent = _parent()
    if sockets:
        given = Path(os.environ.get("TMPDIR") or parent).absolute()
        if given != parent:
            _LOG.warning("TMPDIR %s cannot be written; temporary files lie in %s", given, parent)
        unfit = _unfit_for_sockets(str(parent))
        if unfit and SHORT.is_dir():
            _LOG.warning("TMPDIR %s %s; its files lie in %s", parent, unfit, SHORT)
            parent = SHORT
    for old in parent.glob(f"{SCRATCH}*-*"):
        if _is_left_over(old):
            shutil.rmtree(old, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(
            prefix=f"{SCRATCH}{os.getpid()}-", dir=parent, ignore_cleanup_errors=True
        ) as folder,
        FileLock(Path(folder) / OWNED),
    ):
        yield folder


def _is_left_over(folder: Path) -> bool:
    """Say whether a folder's driver is dead: nobody holds its lock. Process ids would not tell, since containers share
    them; a folder without a lock that is young may be one that is just being made.
    """
    lock = folder / OWNED
    try:
        if not lock.exists():
            owner = folder.name.removeprefix(SCRATCH).split("-")[0]
            gone = owner.isdigit() and not psutil.pid_exists(int(owner))
            return gone and time.time() - folder.stat().st_mtime > YOUNG_SECONDS
        with FileLock(lock, timeout=0):
            return True
    except (OSError, Timeout):
        return False


def _parent() -> Path:
    try:
        return Path(tempfile.gettempdir()).absolute()
    except FileNotFoundError as error:
        raise UserError(f"{error.strerror}; set TMPDIR to a folder of your own, on a disk with room") from None


def _unfit_for_sockets(folder: str) -> str | None:
    if not folder.isascii():
        return "has letters that Ray cannot take"
    if len(folder) > LONGEST_PARENT:
        return f"is too long for Ray's sockets ({LONGEST_PARENT} characters at most)"
    return None


@contextlib.contextmanager
def token(temporary: str) -> Iterator[None]:
    """Give a local Ray a token in its own folder while the body runs, where the home in which it keeps one is shut."""
    if any(os.environ.get(name) for name in TOKENS) or _has_home():
        yield
        return
    _LOG.warning(
        "HOME %s cannot be written; Ray's token lies in the temporary folder of this run; set HOME to a folder of your "
        "own",
        os.environ.get("HOME", "is not set, and its folder"),
    )
    place = Path(temporary) / "auth_token"
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(place)
    try:
        yield
    finally:
        del os.environ["RAY_AUTH_TOKEN_PATH"]


def _has_home() -> bool:
    """Say whether there is a token at home, or can be one."""
    try:
        folder = Path.home() / ".ray"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a home that cannot be told is the latter
        return False
    kept = folder / "auth_token"
    return os.access(kept, os.R_OK) if kept.exists() else os.access(folder, os.W_OK)
