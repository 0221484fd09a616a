"""The driver's side of Ray: Ray Tune schedules trials, each in a placement group that its jobs share."""

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher
from ray.util.placement_group import placement_group

from harness.cluster.autoscaler import brings
from harness.cluster.connection import nodes
from harness.cluster.elsewhere import fills_its_disk
from harness.cluster.exchange import NOT_NOW, Exchange
from harness.cluster.holding import prior_over, waits_for_prior
from harness.cluster.requests import claims_of, refuse_unplaceable
from harness.cluster.scratch import scratch
from harness.cluster.sight import refuse_unseen
from harness.cluster.submitting import IN_PLACE, RaySubmit
from harness.cluster.tasks import LOST, Claim, not_on
from harness.cluster.waiting import Waiting
from harness.ledger import ASKED, Ledger, arrived
from harness.records import Asked, Failure, Place, Progress
from harness.stages import Outcome, Stopwatch, failure_of, underway
from harness.stages.transfer import bring
from harness.study import Resources
from harness.trial import Result, give_up, read_result, run_trial, write_result

REPORT_SECONDS = 0.5
"""Least time between two reports of one trial's progress."""

MOST = 100_000
"""Trials at a time that Tune is told of, so that it asks for another whenever it may; how many there are, is for the
searcher to say."""

CHOOSES = "bundle_label_selector" in signature(placement_group).parameters
"""Whether this Ray can be told which nodes a trial shall not go to."""


def schedule(resources: Resources, place: Place, ledger: Ledger, exchange: Exchange) -> None:
    """Run trials in a place until there are no more; raises whatever taking a result raises.

    As many run as the nodes hold that are there now, and some wait where nodes come when something does.
    """
    refuse_unplaceable(resources, nodes(), brings)
    waiting = Waiting(resources, exchange.steered, lambda: nodes(exchange.left_out()), brings, exchange.noted)
    searcher, bundle = _Searcher(ledger, place, exchange, waiting), resources.bundle()
    claims = claims_of(resources)
    with scratch() as folder:
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(_trial, place=place, claims=claims),
                lambda config: _group(bundle, config["avoided"]),
            ),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                num_samples=-1,
                max_concurrent_trials=MOST,
                reuse_actors=True,  # safe where no trial is stopped from outside: its jobs have ended when it ends
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                storage_path=folder,
                name="session",
                verbose=0,
                stop=_Stopper(searcher),
                failure_config=tune.FailureConfig(max_failures=IN_PLACE[LOST]),
                callbacks=[_Listener(exchange.watch, searcher.look, waiting.began, searcher.lost)],
            ),
        )
        tuner.fit()
    if searcher.error is not None:
        raise searcher.error


class _Searcher(Searcher):
    """Hands trials from the search to Tune and results back; Tune's own state is disposable."""

    def __init__(self, ledger: Ledger, place: Place, exchange: Exchange, waiting: Waiting) -> None:
        super().__init__(metric=None, mode=None)
        self._waiting = waiting
        self._ledger, self._place, self._exchange = ledger, place, exchange
        self._running: dict[str, tuple[Asked, Stopwatch]] = {}
        self.error: BaseException | None = None

    def suggest(self, trial_id: str) -> Any:
        if not self.error and not self._waiting.another():
            return None
        asked = None if self.error else self._kept(self._exchange.ask)
        if asked is NOT_NOW:
            return None
        if asked is None:
            return str(Searcher.FINISHED)
        watch = Stopwatch()
        watch.start()
        self._running[trial_id] = (asked, watch)
        self._waiting.asked(trial_id, asked.number)
        return {
            "asked": asked.model_dump_json(),
            "trial": str(self._trial(asked).resolve()),
            "avoided": sorted(self._exchange.avoided(asked.number)),
        }

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        asked, watch = self._running.pop(trial_id)
        self._waiting.ended(trial_id)
        if self.error is not None:  # the work ends: what had not ended is resumed
            return
        self._kept(lambda: self._end(self._result(asked, watch, result or {}, error)))

    def lost(self, trial_id: str) -> None:
        """Say that a trial's process is gone, and that Tune starts it again."""
        asked, _ = self._running[trial_id]
        self._waiting.lost(trial_id, asked.number)
        self._exchange.noted(f"trial {asked.number}: its process or its node was lost; it is started again")

    def look(self) -> None:
        """Let the driver look at what was asked of it; at its error all trials end."""
        if self.error is None:
            self._kept(self._exchange.look)
            self._waiting.look()

    def _end(self, result: Result) -> None:
        """Finish a trial; one that found the disk full or read-only is not its own fault: it stays to be resumed."""
        refuse_full_disk(result.record.error, result.attempt)
        self._exchange.finish(result)

    def _result(self, asked: Asked, watch: Stopwatch, result: dict[str, Any], error: bool) -> Result:
        trial = self._trial(asked)
        if not error and "attempt" in result:
            return self._ledger.patience(lambda: read_result(trial / result["attempt"], asked))._replace(
                node=result["node"]
            )
        lost = f"its process was lost {IN_PLACE[LOST] + 1} times"
        failure = Failure(stage="train", type=LOST, message=lost)
        if "failure" in result:
            failure = Failure.model_validate_json(result["failure"])
        lost_one = Outcome(0, None, failure, watch.read())
        ended = self._ledger.patience(lambda: give_up(asked, trial, self._place, lost_one))
        return ended._replace(node=result.get("node"))

    def _trial(self, asked: Asked) -> Path:
        return self._ledger.of_seed(asked.confirm).trial(asked.number)

    def _kept(self, step: Callable[[], Any]) -> Any:
        """Run a step of ours; Tune would only log its error, so keep it for ``schedule`` to raise."""
        try:
            return step()
        except Exception as error:
            self.error = self.error or error
            return None

    def save(self, checkpoint_path: str) -> None:
        """Tune's snapshots hold nothing of ours."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: a resume starts from the ledger."""

    def get_state(self) -> dict[str, Any]:
        """Return nothing: Tune would pickle the searcher otherwise."""
        return {}

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Tune's snapshots hold nothing of ours."""

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles its parts, and a driver's database, lock and terminal cannot be."""
        return {}


class _Stopper(tune.Stopper):
    """Ends all trials once the driver itself has failed."""

    def __init__(self, searcher: _Searcher) -> None:
        self._searcher: _Searcher | None = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single trial is stopped."""
        return False

    def stop_all(self) -> bool:
        """Say whether to end."""
        return self._searcher is not None and self._searcher.error is not None

    def __getstate__(self) -> dict[str, Any]:
        """Tune's snapshots hold nothing of ours."""
        return {"_searcher": None}


class _Listener(tune.Callback):
    """Passes a trial's progress on."""

    def __init__(
        self,
        watch: Callable[[int, Progress], None],
        look: Callable[[], None] = lambda: None,
        began: Callable[[str], None] = lambda key: None,
        lost: Callable[[str], None] = lambda key: None,
    ) -> None:
        self._watch, self._look, self._began, self._lost = watch, look, began, lost
        self._heard = signal.getsignal(signal.SIGUSR1)

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing, as the searcher does."""
        return {}

    def setup(self, *args: Any, **info: Any) -> None:
        """Called by Tune as it starts: it has taken a signal for itself, at which it would end as if all were done."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGUSR1, self._heard)

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Called by Tune in the driver, several times a second."""
        self._look()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Called by Tune in the driver once a trial has found its place."""
        self._began(trial.trial_id)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Called by Tune in the driver for a trial whose process was lost, before it is started again."""
        self._lost(trial.trial_id)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Called by Tune in the driver for each report."""
        for number, *progress in result.get("progress", []):
            self._watch(number, Progress(*progress))


def _group(bundle: dict[str, float], avoided: list[str]) -> tune.PlacementGroupFactory:
    """Return what a trial reserves: an empty head and a bundle, on none of some nodes."""
    if not avoided:
        return tune.PlacementGroupFactory([{}, bundle])
    return tune.PlacementGroupFactory([{}, bundle], bundle_label_selector=[not_on(avoided)])


def _trial(config: dict[str, Any], place: Place, claims: dict[str, Claim]) -> None:
    """What Tune runs as a trial, in a process of its own that takes no resources: it hands out jobs and waits."""
    asked = Asked.model_validate_json(config["asked"])
    last = 0.0

    def tell(progress: Progress) -> None:
        nonlocal last
        if progress.done in (0, progress.total) or time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            tune.report({"progress": [(asked.number, *progress)]})

    priors, submit = underway.Waiting(), None
    try:
        trial = arrived(Path(config["trial"]), place.store)
        submit = RaySubmit(
            claims,
            place.timeout_seconds,
            trial=trial,
            held=waits_for_prior(priors),
            ended=partial(prior_over, priors),
            again=IN_PLACE,
        )
        bring(trial / ASKED)
        refuse_unseen(trial / ASKED)
        result = run_trial(asked, trial, place, submit, tell)
        write_result(result)
    except Exception as error:  # a defect or a full disk: the trial fails at once, the study goes on
        node = (submit and submit.node) or _node()
        tune.report({"failure": failure_of(error, "train").model_dump_json(), "node": node})
    else:
        tune.report({"attempt": result.attempt.name, "node": submit.node})


def _node() -> str:
    """Return the cluster's name of the node that this process runs on."""
    return str(ray.get_runtime_context().get_node_id())


def refuse_full_disk(failure: Failure | None, attempt: Path) -> None:
    """Raise a job's failure as an OSError if it found the study's disk full or read-only.

    Args:
        failure: How the job failed; null if it did not.
        attempt: Where it wrote.
    """
    if failure is not None and failure.errno is not None and fills_its_disk(failure, attempt):
        raise OSError(failure.errno, os.strerror(failure.errno), failure.path or str(attempt))
