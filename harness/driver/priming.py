"""Trains the priors that attacks start from beside the trials, whose attacks wait for those that are being trained."""

import contextlib
import logging
import threading
from collections.abc import Iterator

from harness.cluster import Runner
from harness.records import Progress, Tell
from harness.stages import Submit
from harness.stages.priors import Priors, prior_jobs, train_priors
from harness.study import Study

_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def primed(study: Study, priors: Priors, fleet: Runner, tell: Tell) -> Iterator[None]:
    """Train a study's priors, side by side, and let its trials begin once each of them has found its place.

    On an object store, where no trial sees another's lock, they begin once all priors are trained. Were trials to begin
    before, they might hold all places, and an attack would train its prior in its trial's time.

    Args:
        study: The study.
        priors: Where its priors lie.
        fleet: Runs them.
        tell: Hears of their progress.
    """
    left = len(prior_jobs(study))
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
            train_priors(study, priors, submit, heard)
        except Exception as error:  # their attacks train them, and record why they cannot
            _LOG.warning("priors: %s: %s", type(error).__name__, error)
        finally:
            placed.set()

    if not left:
        yield
        return
    with fleet.beside(study.resources, work):
        placed.wait()
        yield
