"""Where trials and their jobs run: on Ray, or one after another in this process, where a debugger reaches them."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from harness.cluster import gpus
from harness.cluster.autoscaler import could_bring
from harness.cluster.connection import OWN_PACKAGES, cluster, nodes
from harness.cluster.elsewhere import Elsewhere
from harness.cluster.exchange import NOT_NOW, Exchange
from harness.cluster.holding import prior_over, waits_for_prior
from harness.cluster.reach import refuse_unreached
from harness.cluster.requests import Nodes, attack_claim, claims_of, held_by, holds_attack, refuse_unplaceable
from harness.cluster.scheduling import CHOOSES, refuse_full_disk, schedule
from harness.cluster.sight import refuse_blind
from harness.cluster.submitting import POLL_SECONDS, RaySubmit
from harness.cluster.survey import Survey, chosen
from harness.ledger import Ledger, refuse_skipped
from harness.plugins import Package
from harness.records import Failure, Place, Progress, Tell
from harness.stages import Submit, call
from harness.stages.underway import Waiting
from harness.study import Resources
from harness.trial import run_trial, write_result

IN_PROCESS = "in-process"
"""The address of this process."""

PAUSE_SECONDS = 0.5
"""Between two questions whether there is a trial now."""


class Setbacks(NamedTuple):
    """What is known of jobs' failures, and who hears of them."""

    kind: Literal["attack", "prior"]
    """Of jobs."""
    of_the_place: Callable[[Failure], bool]
    """Says whether a failure is not its job's own, and another node may do better."""
    noted: Callable[[str], None]
    """Hears what is done about one."""


class Runner(Protocol):
    """Runs trials and single jobs."""

    def refuse(self, resources: Resources) -> None:
        """Raise UserError where not even one trial would find its place."""

    def sized(self, resources: Resources, noted: Callable[[str], None]) -> Resources:
        """Return resources by shares of a GPU where they are by its memory; raise UserError where none holds that, or
        let ``noted`` hear that a whole one is reserved, since none is there yet.
        """

    def refuse_blind(self, root: Path, place: Place) -> None:
        """Raise UserError where a machine does not see a study's directory, or its images."""

    def trials(self, resources: Resources, place: Place, ledger: Ledger, exchange: Exchange) -> None:
        """Run trials until there are no more."""

    def others(self, resources: Resources, left_out: frozenset[str]) -> bool:
        """Say whether a trial would find a place without some nodes."""

    def jobs(self, resources: Resources) -> Submit:
        """Return what runs a study's own jobs, before its trials."""

    def everywhere(self, resources: Resources) -> Submit:
        """Return what runs one job on a GPU, or on one of each of some nodes, an outcome each."""

    def beside(
        self, resources: Resources, work: Callable[[Submit], None], setbacks: Setbacks
    ) -> AbstractContextManager[None]:
        """Let work that is a study's, and no trial's, go on beside the body, which ends it; where nothing runs beside
        anything, it is done before the body. A job of it that its place fails goes elsewhere.
        """

    def later(self, resources: Resources, place: Place, setbacks: Setbacks) -> Submit:
        """Return what runs attacks on finished trials; raise UserError where one would find no place."""


class Found(NamedTuple):
    """What a cluster has for trials."""

    nodes: Nodes
    gpus_there: Sequence[gpus.Gpus]
    """None where it does not matter to trials how large they are."""
    comes: bool
    """Whether nodes may come for a trial, since none that is there holds it."""


def found_at(address: str, resources: Resources) -> Found:
    """Return what a cluster has for trials; errors as of ``cluster`` and ``gpus.of_nodes``."""
    with cluster(address, ""):
        there, whole = nodes(), gpus.whole(resources)
        sizes = gpus.of_nodes() if gpus.by_memory(resources) else []
        return Found(there, sizes, not held_by(whole, there) and could_bring(whole.bundle()))


class OnRay:
    """Runs everything on the Ray that this process is connected to.

    Args:
        here: Whether that Ray is this machine's alone.
    """

    def __init__(self, here: bool = True) -> None:
        self._here = here

    def sized(self, resources: Resources, noted: Callable[[str], None]) -> Resources:
        """Ask the nodes, if it matters, how large their GPUs are."""
        if not gpus.by_memory(resources):
            return resources
        return gpus.sized(resources, gpus.of_nodes(), could_bring, noted)

    def refuse_blind(self, root: Path, place: Place) -> None:
        """Let each node look."""
        if self._here:
            return
        if place.store is not None:
            refuse_unreached(place.store, place)
        else:
            refuse_blind(root.absolute(), place)

    def refuse(self, resources: Resources) -> None:
        """Raise UserError where not even one trial fits."""
        refuse_unplaceable(resources, nodes(), could_bring)

    def trials(self, resources: Resources, place: Place, ledger: Ledger, exchange: Exchange) -> None:
        """Schedule trials by Ray Tune."""
        schedule(resources, place, ledger, exchange)

    def others(self, resources: Resources, left_out: frozenset[str]) -> bool:
        """Say whether a trial fits the nodes that are left; not where this Ray cannot be told to leave some out."""
        return CHOOSES and held_by(resources, nodes(without=left_out)) > 0

    def jobs(self, resources: Resources) -> Submit:
        """Return jobs that together take at most ``resources.timeout``."""
        return RaySubmit(claims_of(resources), resources.timeout)

    def everywhere(self, resources: Resources) -> Submit:
        """Ask some nodes of a cluster that has GPUs; where it may yet get some, the first."""
        some = [] if self._here else chosen(gpus.nodes_with_gpus(), resources)
        return Survey(some, claims_of(resources), resources.timeout) if some else self.jobs(resources)

    @contextlib.contextmanager
    def beside(self, resources: Resources, work: Callable[[Submit], None], setbacks: Setbacks) -> Iterator[None]:
        """Work in a thread, on jobs without a limit of time."""
        submit = RaySubmit(claims_of(resources), None, elsewhere=_elsewhere(resources, setbacks))
        thread = threading.Thread(target=work, args=(submit,), name="beside", daemon=True)
        thread.start()
        try:
            yield
        finally:
            submit.stop()
            thread.join(2 * POLL_SECONDS)

    def later(self, resources: Resources, place: Place, setbacks: Setbacks) -> Submit:
        """Return jobs each of which takes at most its place's time, and goes elsewhere where that fails it."""
        claim, elsewhere = attack_claim(resources, nodes(), could_bring), _elsewhere(resources, setbacks)
        waiting = Waiting()
        return RaySubmit(
            {"attack": claim},
            place.timeout_seconds,
            each=True,
            elsewhere=elsewhere,
            held=waits_for_prior(waiting),
            ended=partial(prior_over, waiting),
        )


def _elsewhere(resources: Resources, setbacks: Setbacks) -> Elsewhere:
    """Return what says where attacks, and what they start from, go next."""

    def others(left_out: frozenset[str]) -> bool:
        return CHOOSES and holds_attack(resources, nodes(without=left_out))

    return Elsewhere(setbacks.kind, setbacks.of_the_place, others, setbacks.noted)


class _Cut(BaseException):
    """The driver ends the work, in the middle of a job, whose failure that is not."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class InProcess:
    """Runs everything here, one thing after another and without a limit of time; what is printed is seen."""

    def sized(self, resources: Resources, noted: Callable[[str], None]) -> Resources:
        """Ask this machine how large its GPUs are, of whatever kind."""
        return gpus.sized(resources, [gpus.Gpus("this machine", gpus.here(), gpus.kinds_of(resources.bundle()))])

    def refuse_blind(self, root: Path, place: Place) -> None:
        """Refuse nothing: there is no other machine."""

    def refuse(self, resources: Resources) -> None:
        """Refuse nothing: whatever this machine has is taken."""

    def trials(self, resources: Resources, place: Place, ledger: Ledger, exchange: Exchange) -> None:
        """Run each trial to its record before the next is asked for."""
        while (asked := exchange.ask()) is not None:
            if asked is NOT_NOW:
                time.sleep(PAUSE_SECONDS)
                continue
            trial = ledger.of_seed(asked.confirm).trial(asked.number).resolve()
            try:
                result = run_trial(asked, trial, place, call, self._tell(asked.number, trial, exchange))
            except _Cut as cut:
                raise cut.error from None
            write_result(result)
            refuse_full_disk(result.record.error, result.attempt)
            exchange.finish(result)

    def _tell(self, number: int, trial: Path, exchange: Exchange) -> Tell:
        """Return what hears a trial's progress, and what was asked of its driver or of it meanwhile."""

        def tell(progress: Progress) -> None:
            exchange.watch(number, progress)
            try:
                exchange.look()
            except Exception as error:
                raise _Cut(error) from error
            refuse_skipped(trial)

        return tell

    def others(self, resources: Resources, left_out: frozenset[str]) -> bool:
        """Say that there is no other node."""
        return False

    def jobs(self, resources: Resources) -> Submit:
        """Return jobs in this process."""
        return call

    def everywhere(self, resources: Resources) -> Submit:
        """Return jobs in this process."""
        return call

    @contextlib.contextmanager
    def beside(self, resources: Resources, work: Callable[[Submit], None], setbacks: Setbacks) -> Iterator[None]:
        """Work first."""
        work(call)
        yield

    def later(self, resources: Resources, place: Place, setbacks: Setbacks) -> Submit:
        """Return jobs in this process."""
        return call


@contextlib.contextmanager
def runner(
    address: str | None,
    farewell: str,
    packages: Sequence[Package] = OWN_PACKAGES,
    last: Callable[[], None] = lambda: None,
) -> Iterator[Runner]:
    """Yield what runs trials: a cluster's Ray, a local one that goes with it, or for ``IN_PROCESS`` this process.

    Args and errors as of ``cluster``.
    """
    if address == IN_PROCESS:
        yield InProcess()
        return
    with cluster(address, farewell, packages, last):
        yield OnRay(here=address is None)
