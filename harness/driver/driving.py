"""Runs a study: takes its lease, reconciles what is there, schedules what is missing, and publishes what comes back."""

import contextlib
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from harness.cluster import OWN, RaySubmit, claims_of, cluster, fitting, nodes, schedule
from harness.driver.conditions import conditions_of, plugins
from harness.driver.faults import resumable
from harness.driver.reporting import write_report
from harness.driver.watching import Watcher
from harness.errors import UserError
from harness.ledger import Ledger, lease, write_whole
from harness.records import Asked
from harness.search import Search, check_storage, open_rows, reconcile
from harness.stages import discard, train_priors
from harness.study import Study, first_difference, load_study
from harness.study.check import check_ready, load_checked
from harness.tracking import Tracking
from harness.trial import Result

REMOTE = re.compile(r"\w+:/")
"""How the address of an object store begins, once it has been taken for a path."""


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Endpoints a study runs and writes; no part of what it is."""

    address: str | None = None
    """A Ray cluster's; null starts a local one."""
    storage: str | None = None
    """Optuna's storage URL, user and password included; null for ``study.db``."""
    tracking: str | None = None
    """MLflow's tracking URI; null for a database beside the studies."""


def run(study: Study, out: Path, where: Endpoints, watcher: Watcher) -> Path:
    """Run a study in ``out/<its name>``, or go on with it if it is there; return its directory.

    Raises:
        UserError: before any worker starts, and with nothing changed on the disk.
        Interrupted: the work was cut off; the study can be resumed.
    """
    if REMOTE.match(str(out)):
        raise UserError(
            f"--out {out}: object stores are not supported; name a folder, on a cluster one that all nodes see"
        )
    root = out / study.name
    check_ready(study)
    if not (root / "study.yaml").exists():
        if (root / "trials").exists():
            raise UserError(f"{root}: holds trials but no study.yaml; put it back, or choose another name or --out")
        _drive(study.model_copy(update={"ledger": str(uuid.uuid4())}), root, where, watcher)
        return root
    there = load_study(root / "study.yaml")
    difference = first_difference(there, study)
    if difference is not None:
        raise UserError(f"{root}: holds another study: {difference}; choose another name or --out")
    update = {
        "ledger": there.ledger,
        "search": study.search.model_copy(update={"trials": max(study.search.trials, there.search.trials)}),
    }
    _drive(study.model_copy(update=update), root, where, watcher)
    return root


def resume(root: Path, trials: int | None, where: Endpoints, watcher: Watcher) -> Path:
    """Go on with a study from its directory, with more trials if asked for; errors as in ``run``."""
    study = load_checked(root / "study.yaml", trials=trials)
    asked = len(Ledger(root).numbers())
    if study.search.trials < asked:
        raise UserError(f"--trials {study.search.trials}: {root} has asked {asked} already; ask for at least that many")
    check_ready(study)
    _drive(study, root, where, watcher)
    return root


def _drive(study: Study, root: Path, where: Endpoints, watcher: Watcher) -> None:
    # workers may start in another folder, so their paths are absolute
    ledger = Ledger(root.resolve())
    with contextlib.ExitStack() as held, resumable(root):
        check_storage(where.storage)
        if root.exists():
            held.enter_context(lease(root, str(study.ledger), where.storage))
            check_owner(ledger, str(study.ledger))
        farewell = f"the local Ray died; go on with `invfront resume {root}`"
        held.enter_context(cluster(where.address, farewell, [*OWN, *plugins(study, study.attacks)]))
        fitting(study.resources, nodes())
        tracking = held.enter_context(Tracking(study, ledger, where.tracking))
        if not root.exists():
            root.mkdir(parents=True)
            held.enter_context(lease(root, str(study.ledger), where.storage))
        write_whole(ledger.study_file, study.dump().encode())
        rows = open_rows(study, ledger, where.storage)
        search = Search(study, rows, ledger, conditions_of(study, ledger))
        found = reconcile(search, rows, ledger)
        tracking.backfill()
        watcher.opened(study, root, found)
        if search.left():
            submit = RaySubmit(claims_of(study.resources), study.resources.timeout)
            train_priors(study, ledger, search.shared(), submit, watcher.preparing)
        schedule(
            study.resources,
            ledger,
            ask=lambda: _asked(search, watcher),
            finish=lambda result: _finish(result, ledger, search, tracking, watcher),
            watch=watcher.progress,
        )
        write_report(study, ledger)
        tracking.finish()


def check_owner(ledger: Ledger, owner: str) -> None:
    """Refuse a directory whose files cannot be read, or came from another one."""
    for files in ledger.trials():
        if files.asked.ledger != owner:
            raise UserError(f"{files.path}: belongs to ledger {files.asked.ledger}, not {owner}; move it back there")


def _asked(search: Search, watcher: Watcher) -> Asked | None:
    asked = search.ask()
    if asked is not None:
        watcher.started(asked)
    return asked


def _finish(result: Result, ledger: Ledger, search: Search, tracking: Tracking, watcher: Watcher) -> None:
    """Publish a trial: attacks, then the record that finishes it, then everything that can be rebuilt from them."""
    for attack in result.attacks:
        ledger.publish_attack(attack)
    ledger.publish_record(result.record)
    search.tell(result.record)
    discard(ledger.trial(result.record.number))
    tracking.trial(result.record.number)
    watcher.finished(result.record)
