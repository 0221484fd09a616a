"""Whether every node of a cluster reaches the store that a study lies in, before work starts."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping

from harness.cluster.sight import answers_of, hosts, known_of, unseen
from harness.errors import UserError
from harness.records import Place
from harness.stores import Store, open_store

WAY = "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL there as here, or take the node out"


def refuse_unreached(url: str, place: Place) -> None:
    """Let every node that can hold a job read and write a study's store, and look at its images.

    Args:
        url: Of the study.
        place: Where its images lie.

    Raises:
        UserError: names the node, and what it does not reach or see.
    """
    there = hosts()
    with _marked(open_store(url)) as mark:
        answers = answers_of(there, reach, lambda node: (url, f"{mark}/{node}", known_of(place)), url)
        for node, wrong in answers.items():
            if wrong is not None:
                raise UserError(f"node {there[node]}: {wrong}; {WAY}")


def reach(url: str, mark: str, known: Mapping[str, str]) -> str | None:
    """Return what this machine does not reach or see; null if it reaches all.

    Args:
        url: Of the study.
        mark: An object that it puts there.
        known: What the driver sees of each folder of images.
    """
    try:
        store = open_store(url)
        store.write(mark, b"")
        store.read(mark)
    except (OSError, UserError) as error:
        return f"does not reach {url}: {getattr(error, 'strerror', None) or error}"
    return unseen(known)


@contextlib.contextmanager
def _marked(store: Store) -> Iterator[str]:
    """Yield a folder for nodes' marks, which goes with them."""
    folder = f".sight-{secrets.token_hex(8)}"
    try:
        yield folder
    finally:
        for entry in list(store.entries(folder)):
            store.delete(entry.key)
