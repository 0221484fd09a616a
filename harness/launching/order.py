"""What is to be started, and on how much: what all forms of it have in common."""

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.credentials import without_credentials
from harness.stores import address_of
from harness.study import Study
from harness.study.sections import MOST

ROWS = "INVFRONT_STORAGE"
"""Of the driver's environment: the server of Optuna's rows."""

GIVEN = f"{ROWS}=postgresql+psycopg://user:password@host/db"

OPENING = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL")
"""Of the environment of every node, where studies lie in a store: what opens that."""

HEALTH = {
    "RAY_health_check_period_ms": "2000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "4",
}
"""Of a head's environment: a node that says nothing any more, as one without power, is given up within half a minute.
Of itself Ray takes more than a minute."""


class Order(NamedTuple):
    """A study, and the nodes that it is to run on."""

    name: str
    """The study's."""
    space: str
    """Its file, absolute, or a bundled study's name."""
    text: str | None
    """What the file holds; null of a bundled one."""
    more: tuple[str, ...]
    """Further arguments of ``invfront run``."""
    out: str
    """Where studies go, seen by all nodes."""
    nodes: int
    cpus: int
    """Of a node."""
    gpus: int
    """Of a node."""
    image: str
    """A container's image that holds invfront."""
    queue: str
    """Kueue's, for kuberay."""
    data_root: str | None
    """Where the images lie; null for bundled ones."""
    hosts: tuple[str, ...] = ()
    """Machines that are there, for ray; empty where they are to be rented."""
    has_rows: bool = False
    """Whether the study names a storage for Optuna's rows."""
    has_secret: bool = False
    """Whether it says the user or password of one, or of MLflow's."""

    @property
    def store(self) -> str | None:
        """The address of the store where studies go; null of a folder. Raises UserError for one that is none."""
        return address_of(self.out)

    def command(self, address: str, space: str | None = None, out: str | None = None) -> str:
        """Return the command that runs the study, for a shell; ``address`` goes in as it stands.

        Args:
            address: The cluster's, as the shell is to read it.
            space: The study file in place of its own.
            out: Where studies go in place of the order's own.
        """
        words = ["invfront", "run", space or self.space, *self.more, "--out", out or self.out]
        return f"{shlex.join(words)} --address {address}"

    def where(self) -> str:
        """Return what all nodes must have in common, in words."""
        if self.store is None:
            return f"{self.out} and the images must lie where every node sees them"
        return f"{self.store}: every node needs what opens it ({', '.join(OPENING)}, or a role), and sees the images"

    def rows(self, way: str) -> list[str]:
        """Return a remark if nothing says where Optuna's rows lie.

        Args:
            way: How the driver's environment is given ``GIVEN``.
        """
        if self.has_rows:
            return []
        if self.store is not None:
            return [f"{self.store}: a study in a store is refused without PostgreSQL, which keeps drivers apart: {way}"]
        return [f"several nodes that share a file system want PostgreSQL, since SQLite cannot lock there: {way}"]


class Sheet(NamedTuple):
    """A ready file, and what there is to say of it."""

    file: str
    """Its name."""
    text: str
    remarks: tuple[str, ...]


def order_of(
    study: Study,
    space: str,
    more: Sequence[str] = (),
    out: str = "runs",
    nodes: int = 1,
    cpus: int | None = None,
    gpus: int | None = None,
    image: str = "",
    queue: str = "default",
    hosts: Sequence[str] = (),
) -> Order:
    """Return an order for a study; a node is as large as its share of the trials, where nobody says.

    Args:
        study: The study.
        space: Its file or a bundled one's name.
        more: Further arguments of ``invfront run``.
        out: Where studies go.
        nodes: How many, >= 1.
        cpus: Of each.
        gpus: Of each.
        image: A container's.
        queue: Kueue's.
        hosts: Machines that are there.
    """
    nodes = len(hosts) or nodes
    file = Path(space)
    return Order(
        name=study.name,
        space=str(file.resolve()) if file.is_file() else space,
        text=file.read_text() if file.is_file() else None,
        more=tuple(more),
        out=out,
        nodes=nodes,
        cpus=cpus or _needed(study, nodes, "CPU"),
        gpus=_needed(study, nodes, "GPU") if gpus is None else gpus,
        image=image,
        queue=queue,
        data_root=study.data.root,
        hosts=tuple(hosts),
        has_rows=study.storage is not None,
        has_secret=any(url != without_credentials(url) for url in (study.storage, study.tracking) if url),
    )


def _needed(study: Study, nodes: int, kind: str) -> int:
    """Return how many processors of a kind, by Ray's name, a node needs for its share of the trials."""
    resources = study.resources
    together = 1 if resources.concurrent == MOST else min(resources.concurrent, study.search.trials)
    taken = resources.bundle().get(kind, 0.0) * math.ceil(together / nodes)
    return max(1 if kind == "CPU" else 0, math.ceil(taken - 1e-9))
