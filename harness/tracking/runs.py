"""A study as MLflow shows it: one run for the study, one for each of its trials, one for each attack.

MLflow is a view: everything here is written after the record, from the record, by the driver only. Runs are found again
by their tags and never created twice; only that of an attack which failed and was run again is put in the old one's
place. A run is complete when it has ended and its tag ``invfront.logged``, which is written after everything else, is
that of the attacks as they stand; what a cut-off or a later attack left incomplete, ``backfill`` completes, point by
point. A number that a later attack has changed gets a further point at its step, with a later time.
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from types import TracebackType
from typing import NamedTuple, Self

from mlflow import MlflowClient
from mlflow.entities import Metric, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from harness.credentials import hidden
from harness.errors import Interrupted, UserError
from harness.export import contact_sheet, reference
from harness.judging import Front, JudgedTrial, Outline, judged, mark_of
from harness.ledger import Ledger
from harness.ledger.arrays import kept_images
from harness.records import AttackRecord, Circumstances, Scalar
from harness.study import Study
from harness.tables import objectives_table
from harness.tracking.payload import Payload, attack_payload, end_ms, params, start_ms, tags, trial_payload
from harness.tracking.store import STORE_FAULTS, Store, batches, connect, fault_line, find_runs, locate
from reports.front import hypervolume

logger = logging.getLogger(__name__)

LOGGED = "invfront.logged"
"""Tag of a complete run: the mark of its attack, or of all attacks on its trial."""


class Key(NamedTuple):
    """What a run shows: a trial, an attack on it, or with neither the study."""

    trial: str = ""
    attack: str = ""


class Tracking:
    """Shows one study. The study's run ends FINISHED; FAILED if an error ends the context; KILLED if it is cut off.

    A KILLED or FAILED study's run is found again by a resume, runs on, and ends FINISHED. A store that fails after the
    start never ends the study: one warning is logged, and the next resume logs what is missing. Trials are logged by a
    thread of ours, one after another, so that a slow store never keeps a driver from its workers.

    The hypervolume's step is the number of finished trials. Attacks run later change it at the last step alone: before
    it stands what was known then.
    """

    def __init__(self, study: Study, ledger: Ledger, uri: str | None) -> None:
        self._study, self._ledger = study, ledger
        self._out = ledger.root.parent
        self._uri = locate(uri, self._out)
        self._reference = reference(study)
        self._store: Store | None = None
        self._lost = False
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
        self._pending: deque[Future[None]] = deque()
        self._runs: dict[Key, Run] = {}
        self._volumes: dict[int, float] = {}
        """The store's newest hypervolume by step."""
        self._finished = 0
        """Trials whose objectives are in the front."""
        self._front = Front()
        self._volume = 0.0
        """The front's hypervolume."""

    def __enter__(self) -> Self:
        """Raises UserError if the store does not answer."""
        self._store = connect(self._uri, self._out)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the writer end, of a study that was cut off with what it is at; then end that study's run."""
        self._writer.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            self._raise_defects()
        if error is None or Key() not in self._runs:
            return
        cut_off = isinstance(error, Interrupted) or not isinstance(error, Exception)
        self._unless_lost(lambda: self._client.set_terminated(self._id(Key()), "KILLED" if cut_off else "FAILED"))

    def backfill(self, outlines: Iterable[Outline]) -> None:
        """Open the study's run, and log every finished trial and attack that the store lacks, in part or whole.

        Args:
            outlines: The directory's trials.

        Raises:
            UserError: the store does not answer.
        """
        try:
            self._open()
            finished = [outline for outline in outlines if outline.finished]
            for outline in sorted(finished, key=lambda each: not self._is_complete(each)):
                self._log(outline)
            if self._finished and not math.isclose(self._volumes.get(self._finished, math.nan), self._volume):
                self._log_volume(_now())
        except STORE_FAULTS as error:
            self._lost = True
            raise UserError(f"tracking at {hidden(self._uri)}: {fault_line(error)}; then resume the study") from error

    def trial(self, outline: Outline) -> None:
        """Have a trial logged whose record is on storage; returns at once."""
        while self._pending and self._pending[0].done():
            self._pending.popleft().result()
        self._pending.append(self._writer.submit(self._unless_lost, lambda: self._log(outline)))

    def finish(self) -> None:
        """Put the study's file, page, tables and figures beside its run, which then ends FINISHED."""
        self._pending.append(self._writer.submit(self._unless_lost, self._close))
        self._raise_defects()

    def _raise_defects(self) -> None:
        """Wait for the writer, and raise what it raised: a fault of the store is not among it."""
        for future in self._pending:
            future.result()
        self._pending.clear()

    @property
    def _client(self) -> MlflowClient:
        return self._opened.client

    @property
    def _opened(self) -> Store:
        if self._store is None:
            raise RuntimeError("Tracking is a context manager: enter it first")
        return self._store

    def _unless_lost(self, action: Callable[[], None]) -> None:
        if self._lost:
            return
        try:
            action()
        except STORE_FAULTS as error:
            self._lost = True
            logger.warning(
                "tracking at %s is lost (%s); the study goes on, and its next resume logs what is missing there",
                hidden(self._uri),
                fault_line(error),
            )

    def _open(self) -> None:
        for run in find_runs(self._opened, "invfront.ledger", str(self._study.ledger)):
            named = run.data.tags
            self._runs.setdefault(Key(named.get("invfront.trial", ""), named.get("invfront.attack", "")), run)
        if Key() in self._runs:
            self._client.update_run(self._id(Key()), status="RUNNING")
            history = self._client.get_metric_history(self._id(Key()), "hypervolume")
            self._volumes = {step: value for (_, step), value in _newest(history).items()}
        else:
            self._create(Key(), self._study.name, None, _now())
        about: dict[str, Scalar] = {
            "study": self._study.name,
            "digest": self._study.digest(),
            "protocol": self._study.protocol,
            "budget": self._study.search.trials,
        }
        shared = {path: value for path, value in self._study.space().shared.items() if isinstance(value, Scalar)}
        self._client.log_batch(self._id(Key()), params=params(shared), tags=tags(about))

    def _log(self, outline: Outline) -> None:
        """Log what is missing of a finished trial: its attacks, the study's hypervolume, then its own run."""
        self._finished += 1
        if self._front.add(outline):
            self._volume = hypervolume(objectives_table(self._front.members), self._reference)
        if self._is_complete(outline):
            return
        key, trial = Key(str(outline.number)), judged(self._ledger.read(outline.number))
        record = trial.record
        if record is None:
            raise ValueError(f"trial {trial.number} has no record: it is logged after it")
        fresh = self._find_or_create(key, f"trial {trial.number:05d}", Key(), record.circumstances)
        for attack in trial.attacks:
            self._log_attack(trial, attack)
        if self._finished not in self._volumes:
            self._log_volume(end_ms(record.circumstances))
        self._write(key, trial_payload(trial, record), fresh, trial.mark, end_ms(record.circumstances))

    def _log_attack(self, trial: JudgedTrial, attack: AttackRecord) -> None:
        key, judged = Key(str(trial.number), attack.job.name), trial.verdicts
        if key in self._runs and self._runs[key].info.start_time != start_ms(attack.circumstances):
            self._client.delete_run(self._id(key))  # it failed, and was run again
            del self._runs[key]
        mark = mark_of([attack], judged)
        if _has_ended(self._runs.get(key), mark):
            return
        fresh = self._find_or_create(key, attack.job.name, Key(str(trial.number)), attack.circumstances)
        kept = kept_images(trial.path, attack)
        if kept is not None:
            self._client.log_image(self._id(key), contact_sheet(kept), "reconstructions.png")
        payload = attack_payload(attack, judged[attack.job.name])
        self._write(key, payload, fresh, mark, end_ms(attack.circumstances))

    def _write(self, key: Key, payload: Payload, fresh: bool, logged: str, end: int) -> None:
        """Write what a run lacks of a payload or has otherwise, then that it is complete, then its end."""
        seen = {} if fresh else self._seen(key)
        wanted = {(metric.key, metric.step): metric for metric in payload.metrics}
        missing = [
            Metric(metric.key, metric.value, _now() if place in seen else metric.timestamp, metric.step)
            for place, metric in wanted.items()
            if seen.get(place) != metric.value
        ]
        for batch in batches(payload.params, missing, [*payload.tags, RunTag(LOGGED, logged)]):
            self._client.log_batch(self._id(key), **batch)
        self._client.set_terminated(self._id(key), payload.status, end)

    def _seen(self, key: Key) -> dict[tuple[str, int], float]:
        """Return the newest value of every metric that a run has, by name and step."""
        run = self._runs[key]
        histories = (self._client.get_metric_history(run.info.run_id, name) for name in run.data.metrics)
        return _newest(point for history in histories for point in history)

    def _log_volume(self, time: int) -> None:
        point = Metric("hypervolume", self._volume, time, self._finished)
        self._client.log_batch(self._id(Key()), metrics=[point])
        self._volumes[self._finished] = self._volume

    def _is_complete(self, outline: Outline) -> bool:
        return _has_ended(self._runs.get(Key(str(outline.number))), outline.mark)

    def _find_or_create(self, key: Key, name: str, parent: Key, cost: Circumstances) -> bool:
        """Make sure that a run exists; return whether it is new."""
        if key in self._runs:
            return False
        self._create(key, name, parent, start_ms(cost))
        return True

    def _create(self, key: Key, name: str, parent: Key | None, start: int) -> None:
        named = {"invfront.ledger": str(self._study.ledger), "invfront.trial": key.trial, "invfront.attack": key.attack}
        if parent is not None:
            named[MLFLOW_PARENT_RUN_ID] = self._id(parent)
        given = {tag: value for tag, value in named.items() if value}
        self._runs[key] = self._client.create_run(self._opened.experiment, start, given, name)

    def _id(self, key: Key) -> str:
        return str(self._runs[key].info.run_id)

    def _close(self) -> None:
        run, report = self._id(Key()), self._ledger.root / "report"
        self._client.log_artifact(run, str(self._ledger.study_file))
        for path in sorted(report.glob("*.*")):
            self._client.log_artifact(run, str(path), "report")
        if (report / "figures").is_dir():
            self._client.log_artifacts(run, str(report / "figures"), "report/figures")
        self._client.set_terminated(run, "FINISHED")


def _newest(points: Iterable[Metric]) -> dict[tuple[str, int], float]:
    """Return the newest value of metric points by name and step."""
    ordered = sorted(points, key=lambda point: point.timestamp)
    return {(str(point.key), int(point.step)): float(point.value) for point in ordered}


def _now() -> int:
    """Return the time, ms since 1970."""
    return round(datetime.now(UTC).timestamp() * 1000)


def _has_ended(run: Run | None, logged: str) -> bool:
    ended = run is not None and run.info.status in ("FINISHED", "FAILED")
    return run is not None and ended and run.data.tags.get(LOGGED) == logged
