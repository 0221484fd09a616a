"""Whether every node of a cluster sees a study's directory and its images as the driver does, before work starts."""

import errno
import hashlib
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.errors import UserError
from harness.records import Place, one_line

ANSWER_SECONDS = 180.0
"""Longest time for all nodes to look: each unpacks the packages first."""

SETTLE_SECONDS = 5.0
"""How long a shared file system may take to show what another machine has written."""

MOST_NAMES = 1000

DRIVER = "driver"
"""The driver's file in the folder that nodes look for."""

WAY = "mount it there too, or take the node out of the cluster"


def refuse_blind(root: Path, place: Place) -> None:
    """Let every node that can hold a job write beside a study, and look at its images.

    Args:
        root: The study's directory; it need not be there yet.
        place: Where its images lie.

    Raises:
        UserError: names the node, and what it does not see.
    """
    known, token, there = known_of(place), secrets.token_hex(16), hosts()
    parent = next(path for path in (root, *root.parents) if path.exists())
    with tempfile.TemporaryDirectory(prefix=".sight-", dir=parent, ignore_cleanup_errors=True) as folder:
        (Path(folder) / DRIVER).write_text(token)
        answers = answers_of(there, look, lambda node: (folder, token, known, node), str(parent))
        for node, wrong in answers.items():
            refuse_answer(there[node], wrong, Path(folder) / node)


def refuse_answer(host: str, wrong: str | None, mark: Path) -> None:
    """Refuse a node that did not see something, or whose mark is not there.

    Args:
        host: Its name.
        wrong: What it says that it does not see; null for nothing.
        mark: Where it says that it has left its mark, in a folder made for that.

    Raises:
        UserError: names the node, and what it does not see.
    """
    parent = mark.parent.parent
    if wrong is None and not appears(mark):
        wrong = f"writes to a {parent} of its own"
    if wrong is not None:
        raise UserError(f"node {host}: {wrong.replace(str(mark.parent), str(parent))}; {WAY}")


def hosts() -> dict[str, str]:
    """Return the host names of the nodes that can hold a job, by the cluster's names of them."""
    found: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    able = [node for node in found if node["Alive"] and any(node["Resources"].get(kind) for kind in ("CPU", "GPU"))]
    return {node["NodeID"]: str(node["NodeManagerHostname"]) for node in able}


def answers_of(
    nodes: Iterable[str], looking: Callable[..., str | None], given: Callable[[str], tuple[Any, ...]], what: str
) -> dict[str, str | None]:
    """Let nodes look for something; return what each does not see.

    Args:
        nodes: By the cluster's names.
        looking: What a node does.
        given: Returns what it does it with.
        what: It looks for, for the message.

    Raises:
        UserError: a node does not answer.
    """
    asked = {_look_on(node, looking, given(node)): node for node in nodes}
    try:
        return {asked[answer]: ray.get(answer, timeout=ANSWER_SECONDS) for answer in asked}
    except (GetTimeoutError, RayError) as error:
        raise UserError(f"a node of the cluster could not look for {what}: {one_line(error)[:200]}") from error


def _look_on(node: str, looking: Callable[..., str | None], given: tuple[Any, ...]) -> Any:
    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    there: Any = ray.remote(looking)
    return there.options(num_cpus=0, max_retries=1, scheduling_strategy=strategy).remote(*given)


def look(folder: str, token: str, known: Mapping[str, str], node: str) -> str | None:
    """Return what this machine does not see; null if it sees all, having left its mark.

    Args:
        folder: Where the driver's mark lies, and this machine's is to be.
        token: What the driver's mark says.
        known: What the driver sees of each folder of images: `known_of`.
        node: This machine's mark's name.
    """
    try:
        if not appears(Path(folder) / DRIVER) or (Path(folder) / DRIVER).read_text() != token:
            return f"does not see {folder}"
        (Path(folder) / node).write_text("")
    except OSError as error:
        return f"cannot write to {folder}: {error.strerror}"
    return unseen(known)


def known_of(place: Place) -> dict[str, str]:
    """Return what the driver sees of each folder of images, by the folder: `names_in`."""
    roots = (place.data_root, place.attacker_root)
    return {path: names for path in roots if path is not None and (names := names_in(path)) is not None}


def unseen(known: Mapping[str, str]) -> str | None:
    """Return what this machine does not see of what the driver sees: `known_of`; null if it sees all."""
    for path, names in known.items():
        seen = names_in(path)
        if seen != names:
            return f"does not see {path}" if seen is None else f"sees other files in {path} than the driver"
    return None


def names_in(path: str) -> str | None:
    """Return a digest of the names in a folder, of the first ones; null if it cannot be read."""
    try:
        names = sorted(entry.name for entry in Path(path).iterdir())[:MOST_NAMES]
    except OSError:
        return None
    return hashlib.sha256("\n".join(names).encode(errors="surrogateescape")).hexdigest()


def appears(path: Path, seconds: float = SETTLE_SECONDS) -> bool:
    """Say whether a path is there, or comes within some seconds."""
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() >= end:
            return False
        time.sleep(0.2)
    return True


def refuse_unseen(path: Path) -> None:
    """Raise OSError, of its node's mounts, if what a driver has made is not there on this machine."""
    if not appears(path):
        raise OSError(errno.ENODEV, "is not seen on this node, though its driver made it; mount it there", str(path))
