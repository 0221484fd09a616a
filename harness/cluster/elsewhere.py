"""Where a job of no trial goes next that failed for its place, and which nodes get no more such jobs."""

from collections.abc import Callable
from pathlib import Path

from harness.errors import FULL
from harness.ledger import address, study_of
from harness.records import Failure, failure_line

AGAIN, ALIKE = 2, 3
"""How often a job is handed out again for its place; failures in a row by which a node is left out."""

Others = Callable[[frozenset[str]], bool]
"""Says whether a node could hold a job that is not among some."""


class Elsewhere:
    """Hears of jobs' failures, and says which nodes the next ones shall not go to.

    Args:
        kind: What the jobs are, a noun.
        of_the_place: Says whether a failure is not its job's own, and another node may do better.
        others: Says whether a node could hold a job that is not among some, by the cluster's names of them.
        noted: Hears what is done.
    """

    def __init__(
        self, kind: str, of_the_place: Callable[[Failure], bool], others: Others, noted: Callable[[str], None]
    ) -> None:
        self._kind, self._of_the_place, self._others, self._noted = kind, of_the_place, others, noted
        self._row: dict[str, int] = {}
        self._left_out = frozenset[str]()

    def avoided(self, own: frozenset[str]) -> frozenset[str]:
        """Return the nodes that a job shall not go to: those that are left out, and those where it failed itself."""
        return self._left_out | own if own and self._others(self._left_out | own) else self._left_out

    def again(self, failure: Failure, times: int, node: str, host: str) -> bool:
        """Say whether a job that failed is to be handed out again.

        Args:
            failure: How it failed.
            times: How often it has been already.
            node: The cluster's name of where it ran.
            host: What its users call it.
        """
        if not self._of_the_place(failure):
            self.went_well(node)
            return False
        self._row[node] = self._row.get(node, 0) + 1
        if self._row[node] == ALIKE and self._others(self._left_out | {node}):
            self._left_out |= {node}
            self._noted(f"{host} gets no more {self._kind}s: {ALIKE} in a row failed there")
        if times < AGAIN:
            self._noted(f"handed out again, {self._kind}: {failure_line(failure)} on {host}")
        return times < AGAIN

    def waits(self, cpu: float, gpu: float) -> None:
        """Jobs have waited for their place for long, and none runs."""
        self._noted(
            f"{self._kind}s: no node has had room for {cpu:g} CPUs and {gpu:g} GPUs for long; add one, or end it"
        )

    def went_well(self, node: str) -> None:
        """A job has ended on a node, well or by its own fault."""
        self._row.pop(node, None)


def fills_its_disk(failure: Failure, attempt: Path) -> bool:
    """Say whether a job found its study's disk full or read-only.

    A full disk of the node alone, such as its temporary folder, is that node's fault: another may do.

    Args:
        failure: How the job failed.
        attempt: Where it wrote.
    """
    if failure.errno not in FULL:
        return False
    return failure.path is None or Path(failure.path).is_relative_to(address(study_of(attempt)))
