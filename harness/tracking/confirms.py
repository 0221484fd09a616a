"""A study's confirms as MLflow shows them: a run of their own, below it one for each training, below that its attacks.

Written by the driver once a confirm ends, from the records. Runs are found again by their tags; what is complete stays,
and what a cut-off left incomplete is made anew.
"""

import logging
from datetime import UTC, datetime

from mlflow.entities import Metric, Param, RunTag

from harness.credentials import hidden
from harness.judging import Training, confirmed, read_line
from harness.ledger import Confirms, Ledger
from harness.records import AttackRecord
from harness.study import Study
from harness.tracking.payload import Payload, attack_payload, params, tags, trial_payload
from harness.tracking.runs import LEDGER, LOGGED, Key, Runs
from harness.tracking.store import STORE_FAULTS, Store, at_home, batches, connect, fault_line, locate

_LOG = logging.getLogger(__name__)


def confirms_of(study: Study) -> str:
    """Return the value of the tag by which the runs of a study's confirms are found."""
    return f"{study.ledger}/confirm"


def log_confirms(study: Study, ledger: Ledger, uri: str | None) -> None:
    """Log every training that confirms a trial, and its attacks; a store that fails is told of, and ends nothing.

    Args:
        study: The study.
        ledger: Its directory.
        uri: MLflow's, as of `harness.tracking.Tracking`.
    """
    out = ledger.root.parent
    found = locate(uri, out)
    try:
        _Log(study, at_home(connect(found, out), LEDGER, confirms_of(study))).write(ledger)
    except STORE_FAULTS as error:
        _LOG.warning(
            "tracking at %s is lost (%s); the next confirm logs what is missing", hidden(found), fault_line(error)
        )


class _Log:
    """The confirms of one study in one store."""

    def __init__(self, study: Study, store: Store) -> None:
        self._study, self._client = study, store.client
        self._runs = Runs(store, confirms_of(study))

    def write(self, ledger: Ledger) -> None:
        """Log what is missing, then end the confirms' own run."""
        self._runs.find()
        own = self._runs.get(Key()) or self._runs.create(Key(), f"{self._study.name} confirm", _now(), {})
        rounds = {f"confirm.{each.number}": read_line(each) for each in Confirms(ledger).rounds()}
        about = {"study": self._study.name, "digest": self._study.digest(), **rounds}
        self._write(own.run, [], [], tags(about))
        for training in confirmed(ledger):
            if training.trial.record is not None:
                self._training(training)
        self._client.set_terminated(own.run, "FINISHED")

    def _training(self, training: Training) -> None:
        (number, seed), trial = training.run, training.trial
        key = Key(f"{number}/{seed}")
        assert trial.record is not None
        if self._runs.is_complete(key, trial.mark):
            return
        payload = trial_payload(trial, trial.record)
        seeded = payload._replace(params=[*payload.params, *params({"confirm/seed": seed})])
        self._made(key, f"trial {number:05d} seed {seed}", seeded, trial.mark)
        for attack in trial.attacks:
            self._attack(training, attack)

    def _attack(self, training: Training, attack: AttackRecord) -> None:
        (number, seed), trial = training.run, training.trial
        payload = attack_payload(attack, trial.verdicts[attack.job.name])
        self._made(Key(f"{number}/{seed}", attack.job.name), attack.job.name, payload, trial.mark)

    def _made(self, key: Key, name: str, payload: Payload, mark: str) -> None:
        """Make a run that is complete, in place of one that is not."""
        if self._runs.is_complete(key, mark):
            return
        if self._runs.get(key) is not None:
            self._runs.delete(key)
        made = self._runs.create(
            key, name, payload.start, {tag.key: tag.value for tag in payload.tags} | {LOGGED: mark}
        )
        self._write(made.run, payload.params, payload.metrics, [])
        self._client.set_terminated(made.run, payload.status, payload.end)

    def _write(self, run: str, params: list[Param], metrics: list[Metric], tags: list[RunTag]) -> None:
        for batch in batches(params, metrics, tags):
            self._client.log_batch(run, **batch)


def _now() -> int:
    """Return the time, ms since 1970."""
    return round(datetime.now(UTC).timestamp() * 1000)
