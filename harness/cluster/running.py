"""Where trials and their jobs run: on Ray, or one after another in this process, where a debugger reaches them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from harness.cluster.connection import OWN_PACKAGES, cluster, nodes
from harness.cluster.requests import attack_claim, claims_of, fitting, most_at_once
from harness.cluster.scheduling import CHOOSES, Exchange, refuse_full_disk, schedule
from harness.cluster.submitting import RaySubmit
from harness.ledger import Ledger
from harness.records import Place, Progress
from harness.stages import Submit, call
from harness.study import Resources
from harness.trial import run_trial, write_result

IN_PROCESS = "in-process"
"""The address of this process."""


class Runner(Protocol):
    """Runs trials and single jobs."""

    def refuse(self, resources: Resources) -> None:
        """Raise UserError where not even one trial would find its place."""

    def trials(self, resources: Resources, place: Place, ledger: Ledger, exchange: Exchange) -> None:
        """Run trials until there are no more."""

    def others(self, resources: Resources, left_out: frozenset[str]) -> bool:
        """Say whether a trial would find a place without some nodes."""

    def jobs(self, resources: Resources) -> Submit:
        """Return what runs a study's own jobs, before its trials."""

    def later(self, resources: Resources, place: Place) -> Submit:
        """Return what runs attacks on finished trials; raise UserError where one would find no place."""


class OnRay:
    """Runs everything on the Ray that this process is connected to."""

    def refuse(self, resources: Resources) -> None:
        """Raise UserError where not even one trial fits."""
        fitting(resources, nodes())

    def trials(self, resources: Resources, place: Place, ledger: Ledger, exchange: Exchange) -> None:
        """Schedule trials by Ray Tune."""
        schedule(resources, place, ledger, exchange)

    def others(self, resources: Resources, left_out: frozenset[str]) -> bool:
        """Say whether a trial fits the nodes that are left; not where this Ray cannot be told to leave some out."""
        return CHOOSES and most_at_once(resources, nodes(without=left_out)) > 0

    def jobs(self, resources: Resources) -> Submit:
        """Return jobs that together take at most ``resources.timeout``."""
        return RaySubmit(claims_of(resources), resources.timeout)

    def later(self, resources: Resources, place: Place) -> Submit:
        """Return jobs each of which takes at most its place's time."""
        return RaySubmit({"attack": attack_claim(resources, nodes())}, place.timeout_seconds, each=True)


class InProcess:
    """Runs everything here, one thing after another and without a limit of time; what is printed is seen."""

    def refuse(self, resources: Resources) -> None:
        """Refuse nothing: whatever this machine has is taken."""

    def trials(self, resources: Resources, place: Place, ledger: Ledger, exchange: Exchange) -> None:
        """Run each trial to its record before the next is asked for."""
        while asked := exchange.ask():
            number = asked.number

            def tell(progress: Progress, number: int = number) -> None:
                exchange.watch(number, progress)

            result = run_trial(asked, ledger.of_seed(asked.confirm).trial(number).resolve(), place, call, tell)
            write_result(result)
            refuse_full_disk(result.record.error, result.attempt)
            exchange.finish(result)

    def others(self, resources: Resources, left_out: frozenset[str]) -> bool:
        """Say that there is no other node."""
        return False

    def jobs(self, resources: Resources) -> Submit:
        """Return jobs in this process."""
        return call

    def later(self, resources: Resources, place: Place) -> Submit:
        """Return jobs in this process."""
        return call


@contextlib.contextmanager
def runner(
    address: str | None, farewell: str, packages: Sequence[str] = OWN_PACKAGES, last: Callable[[], None] = lambda: None
) -> Iterator[Runner]:
    """Yield what runs trials: a cluster's Ray, a local one that goes with it, or for ``IN_PROCESS`` this process.

    Args and errors as of ``cluster``.
    """
    if address == IN_PROCESS:
        yield InProcess()
        return
    with cluster(address, farewell, packages, last):
        yield OnRay()
