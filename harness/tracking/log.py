"""What the store lacks of a study, written point by point: attacks, the hypervolume, trials."""

import json
import math
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS

from harness.export import contact_sheet, reference
from harness.judging import ALL, Controls, Front, JudgedTrial, Outline, judged, mark_of, suite_of
from harness.ledger import Ledger
from harness.ledger.arrays import kept_images
from harness.records import AttackRecord, Scalar
from harness.study import Study
from harness.tables import objectives_table
from harness.tracking.payload import Payload, attack_payload, params, start_ms, tags, trial_payload
from harness.tracking.pictures import FRONT, Artifacts
from harness.tracking.runs import LEDGER, LOGGED, WITHOUT_PICTURE, Followed, Key, Runs
from harness.tracking.store import Store, at_home, batches
from reports.front import hypervolume

VOLUME_SECONDS = 2.0
"""Least time between two writes of the hypervolume while trials end: its points wait for each other."""


class Log:
    """One study in one store.

    The hypervolume's step is the number of finished trials. Attacks run later change it at the last step alone: before
    it stands what was known then.

    Args:
        study: The study.
        ledger: Its directory.
        store: Where it is shown.
        pictures: Writes the files beside its runs.
    """

    def __init__(self, study: Study, ledger: Ledger, store: Store, pictures: Artifacts) -> None:
        store = at_home(store, LEDGER, str(study.ledger))
        self._study, self._ledger, self._client, self._pictures = study, ledger, store.client, pictures
        self._controls = Controls(ledger)
        self._runs = Runs(store, str(study.ledger))
        self._reference = reference(study)
        self._suite = ALL
        self._front, self._volume = Front(), 0.0
        self._told: set[int] = set()
        """Trials that were heard of."""
        self._volumes: dict[int, float] = {}
        """The store's newest hypervolume by step."""
        self._unwritten: list[Metric] = []
        self._written = -math.inf

    def open(self) -> None:
        """Open the study's run, and look at the others."""
        self._runs.find()
        self._suite = suite_of(self._ledger)
        known = self._runs.get(Key())
        if known is not None:
            self._client.update_run(known.run, status="RUNNING")
            history = self._client.get_metric_history(known.run, "hypervolume")
            self._volumes = {step: value for (_, step), value in _newest(history).items()}
        else:
            known = self._runs.create(Key(), self._study.name, _now(), {})
        about: dict[str, Scalar] = {
            "study": self._study.name,
            "digest": self._study.digest(),
            "protocol": self._study.protocol,
            "budget": self._study.search.trials,
        }
        shared = {path: value for path, value in self._study.space().shared.items() if isinstance(value, Scalar)}
        self._write_batches(known, params(shared), [], tags(about))

    def is_complete(self, outline: Outline) -> bool:
        """Say whether the store has a trial, its attacks included."""
        return self._runs.is_complete(Key(str(outline.number)), outline.mark)

    def trial(self, outline: Outline) -> None:
        """Log what is missing of a finished trial: its attacks, the study's hypervolume, then its own run."""
        moved = self._front.add(outline)
        if moved:
            self._volume = hypervolume(objectives_table(self._front), self._reference)
        again = outline.number in self._told
        self._told.add(outline.number)
        if again:  # it was retried, and its runs were forgotten when they were whole
            self._runs.recall(str(outline.number))
        if self._finished not in self._volumes or (again and moved):
            self._point()
        if not self.is_complete(outline):
            files = self._ledger.read(outline.number)
            self._controls.hear(files)
            self._write_trial(judged(files, self._suite, self._controls), outline)
        self._runs.forget(str(outline.number))
        if time.monotonic() - self._written > VOLUME_SECONDS:
            self._write_volumes()

    def caught_up(self) -> None:
        """Write the hypervolume as it is now, once every trial of the directory was told."""
        if self._finished and not math.isclose(self._volumes.get(self._finished, math.nan), self._volume):
            self._point()
        self._write_volumes()

    def close(self) -> None:
        """Put the study's page and its front beside its run, which then ends FINISHED."""
        self._write_volumes()
        own = self._runs[Key()]
        self._pictures.report(own, self._ledger.root)
        if self._pictures.front(own, self._ledger.root):
            told = json.dumps([{"path": FRONT, "type": "table"}])
            self._client.set_tag(own.run, MLFLOW_LOGGED_ARTIFACTS, told)
        self._client.set_terminated(self._runs[Key()].run, "FINISHED")

    def end(self, status: str) -> None:
        """End the study's run, if it was opened, with ``KILLED`` or ``FAILED``."""
        self._write_volumes()
        known = self._runs.get(Key())
        if known is not None:
            self._client.set_terminated(known.run, status)

    def _write_trial(self, trial: JudgedTrial, outline: Outline) -> None:
        key, record = Key(str(trial.number)), trial.record
        if record is None:
            raise ValueError(f"trial {trial.number} has no record: it is logged after it")
        payload = trial_payload(trial, record)
        known = self._found(key, f"trial {trial.number:05d}", payload, outline.mark)
        for attack in trial.attacks:
            self._write_attack(trial, attack)
        self._write(known, payload, trial.mark)
        self._client.set_terminated(known.run, payload.status, payload.end)

    def _write_attack(self, trial: JudgedTrial, attack: AttackRecord) -> None:
        key, verdicts = Key(str(trial.number), attack.job.name), trial.verdicts
        known = self._runs.get(key)
        if known is not None and known.start != start_ms(attack.circumstances):
            self._runs.delete(key)  # it failed, and was run again
        mark = mark_of([attack], verdicts)
        if self._runs.is_complete(key, mark):
            return
        payload = attack_payload(attack, verdicts[attack.job.name])
        known = self._found(key, attack.job.name, payload, mark)
        self._write(known, payload, mark)
        self._write_picture(known, trial, attack)
        self._client.set_terminated(known.run, payload.status, payload.end)

    def _write_picture(self, known: Followed, trial: JudgedTrial, attack: AttackRecord) -> None:
        """Put an attack's picture beside its numbers, or note that it could not be."""
        kept = kept_images(trial.path, attack)
        there = kept is None or self._pictures.sheet(known, contact_sheet(kept))
        if not there and not known.without_picture:
            self._client.set_tag(known.run, WITHOUT_PICTURE, "true")
        if there and known.without_picture:
            self._client.delete_tag(known.run, WITHOUT_PICTURE)

    def _found(self, key: Key, name: str, payload: Payload, mark: str) -> Followed:
        """Return a run, made if it is not there with all its tags: it is complete once it has ended."""
        told = {tag.key: tag.value for tag in payload.tags} | {LOGGED: mark}
        return self._runs.get(key) or self._runs.create(key, name, payload.start, told)

    def _write(self, known: Followed, payload: Payload, mark: str) -> None:
        """Write what a run lacks of a payload or has otherwise, then that it is complete."""
        if known.fresh:
            self._write_batches(known, payload.params, payload.metrics, [])
            return
        seen, now = self._seen(known), _now()
        missing = [
            Metric(each.key, each.value, now if (each.key, each.step) in seen else each.timestamp, each.step)
            for each in {(metric.key, metric.step): metric for metric in payload.metrics}.values()
            if seen.get((each.key, each.step)) != each.value
        ]
        self._write_batches(known, payload.params, missing, [*payload.tags, RunTag(LOGGED, mark)])

    def _write_batches(self, known: Followed, params: list[Param], metrics: list[Metric], tags: list[RunTag]) -> None:
        for batch in batches(params, metrics, tags):
            self._client.log_batch(known.run, **batch)

    def _seen(self, known: Followed) -> dict[tuple[str, int], float]:
        """Return the newest value of every metric that a run has, by name and step."""
        names = self._client.get_run(known.run).data.metrics
        histories = (self._client.get_metric_history(known.run, name) for name in names)
        return _newest(point for history in histories for point in history)

    @property
    def _finished(self) -> int:
        return len(self._told)

    def _point(self) -> None:
        """Note the hypervolume of this moment."""
        self._unwritten.append(Metric("hypervolume", self._volume, _now(), self._finished))
        self._volumes[self._finished] = self._volume

    def _write_volumes(self) -> None:
        points, self._unwritten, self._written = self._unwritten, [], time.monotonic()
        if points:
            self._write_batches(self._runs[Key()], [], points, [])


def _newest(points: Iterable[Metric]) -> dict[tuple[str, int], float]:
    """Return the newest value of metric points by name and step."""
    ordered = sorted(points, key=lambda point: point.timestamp)
    return {(str(point.key), int(point.step)): float(point.value) for point in ordered}


def _now() -> int:
    """Return the time, ms since 1970."""
    return round(datetime.now(UTC).timestamp() * 1000)
