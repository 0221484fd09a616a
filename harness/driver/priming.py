"""Trains the priors that attacks start from beside the trials, whose attacks wait for those that are being trained."""

import contextlib
import logging
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

from harness.cluster import Runner, Setbacks
from harness.driver.causes import of_the_place
from harness.driver.later import Task, run_tasks
from harness.records import AttackJob, AttackRecord, Place, Precision, Progress, Tell
from harness.stages import Submit
from harness.stages.priors import Priors, needs_prior, train_priors
from harness.stages.underway import folder_of
from harness.study import Resources

_LOG = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between two looks at what was asked, while priors find their places."""


@contextlib.contextmanager
def primed(
    attacks: Iterable[AttackJob],
    priors: Priors,
    resources: Resources,
    fleet: Runner,
    tell: Tell,
    noted: Callable[[str], None],
    look: Callable[[], None],
) -> Iterator[None]:
    """Train the priors of attacks, side by side, and let their trials begin once each of them has found its place.

    On an object store, where no trial sees another's lock, they begin once all priors are trained. Were trials to begin
    before, they might hold all places, and an attack would train its prior in its trial's time.

    Args:
        attacks: What trials are attacked by, on each part.
        priors: Where their study's priors lie.
        resources: What a job takes.
        fleet: Runs them.
        tell: Hears of their progress.
        noted: Hears of those that go to another node, and of a place that none finds.
        look: Looks at what was asked, until trials may begin; what it raises ends the work.
    """
    jobs = [job for job in attacks if needs_prior(job)]
    left = len(jobs)
    placed = threading.Event()

    def heard(progress: Progress) -> None:
        nonlocal left
        tell(progress)
        if progress.done == 0:
            left -= 1
            if left <= 0 and priors.place.store is None:
                placed.set()

    def work(submit: Submit) -> None:
        try:
            train_priors(jobs, priors, submit, heard)
        except Exception as error:  # their attacks train them, and record why they cannot
            _LOG.warning("priors: %s: %s", type(error).__name__, error)
        finally:
            placed.set()

    if not left:
        yield
        return
    with fleet.beside(resources, work, Setbacks("prior", of_the_place, noted)):
        while not placed.wait(LOOK_SECONDS):
            look()
        yield


def run_primed(
    tasks: Sequence[Task],
    place: Place,
    submit: Submit,
    resources: Resources,
    fleet: Runner,
    way: str,
    tell: Tell,
    noted: Callable[[str], None],
    look: Callable[[], None] = lambda: None,
) -> Generator[AttackRecord, None, None]:
    """Run attacks on finished trials as ``run_tasks`` does, and train what they start from beside them: once, in time
    that no attack is charged, and in no place that an attack holds.

    Args:
        resources: What a job takes.
        fleet: Runs them; ``submit`` is its ``later``.
    """
    of: dict[tuple[Precision, str | None], dict[str, Task]] = {}
    for task in tasks:
        if task.done is None:
            of.setdefault((task.files.asked.precision, task.job.level), {}).setdefault(task.job.name, task)
    with contextlib.ExitStack() as beside:
        for own in of.values():
            first = next(iter(own.values()))
            shared = first.files.asked.shared()
            held_by = shared.model_copy(update={"settings": first.job.held_by(shared.settings)})
            priors = Priors(held_by, place, folder_of(first.files.path))
            jobs = [task.job for task in own.values()]
            beside.enter_context(primed(jobs, priors, resources, fleet, tell, noted, look))
        yield from run_tasks(tasks, place, submit, way, tell, noted, look)
