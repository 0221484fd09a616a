"""Runs a study: takes its lease, reconciles what is there, schedules what is missing, and publishes what comes back."""

import contextlib
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from attacks.precision import bfloat16_is_faster
from harness.cluster.connection import PACKAGES, cluster, nodes
from harness.cluster.scheduling import fitting, schedule, shares_of, threads
from harness.cluster.submitting import RaySubmit
from harness.export.folder import write_tables
from harness.judging.standing import front_numbers
from harness.ledger.files import Ledger
from harness.ledger.lease import lease
from harness.ledger.whole import write_whole
from harness.records.errors import Interrupted, UserError
from harness.records.record import Asked, Precision, Record
from harness.search.asking import Ground, Search
from harness.search.index import FAULTS, check_storage, open_rows
from harness.search.reconciling import Reconciled, reconcile
from harness.stages.checkpoints import discard
from harness.stages.optimising import Progress
from harness.stages.priors import train_priors
from harness.study import Study, check_ready, first_difference, load_study
from harness.tracking.runs import Tracking
from harness.trial import Result
from reports.page import render

REMOTE = re.compile(r"\w+:/")
"""How the address of an object store begins, once it has been taken for a path."""


class Watcher(Protocol):
    """Hears of a running study, in the driver's process."""

    def opened(self, study: Study, root: Path, found: Reconciled) -> None:
        """The study is about to start or to go on."""

    def preparing(self, progress: Progress) -> None:
        """A job came further that runs before the first trial."""

    def started(self, asked: Asked) -> None:
        """A trial was handed out."""

    def progress(self, number: int, progress: Progress) -> None:
        """A job of a trial came further."""

    def finished(self, record: Record) -> None:
        """A trial's record is on storage."""


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where a study runs and writes; no part of what it is."""

    address: str | None = None
    """A Ray cluster's; null starts a local one."""
    storage: str | None = None
    """Optuna's storage URL, user and password included; null for ``study.db``."""
    tracking: str | None = None
    """MLflow's tracking URI; null for a database beside the studies."""


def run(study: Study, out: Path, where: Where, watcher: Watcher) -> Path:
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


def resume(root: Path, trials: int | None, where: Where, watcher: Watcher) -> Path:
    """Go on with a study from its directory, with more trials if asked for; errors as in ``run``."""
    study = load_study(root / "study.yaml", trials=trials)
    asked = len(Ledger(root).numbers())
    if study.search.trials < asked:
        raise UserError(f"--trials {study.search.trials}: {root} has asked {asked} already; ask for at least that many")
    check_ready(study)
    _drive(study, root, where, watcher)
    return root


def _drive(study: Study, root: Path, where: Where, watcher: Watcher) -> None:
    # workers may start in another folder, so their paths are absolute
    ledger, name = Ledger(root.resolve()), f"{study.name}-{study.ledger}"
    with contextlib.ExitStack() as held, resumable(root):
        check_storage(where.storage)
        if root.exists():
            held.enter_context(lease(root, str(study.ledger), where.storage))
            check_owner(ledger, str(study.ledger))
        farewell = f"the local Ray died; go on with `invfront resume {root}`"
        held.enter_context(cluster(where.address, farewell, [*PACKAGES, *plugins(study, study.attacks)]))
        fitting(study.resources, nodes())
        tracking = held.enter_context(Tracking(study, ledger, where.tracking))
        if not root.exists():
            root.mkdir(parents=True)
            held.enter_context(lease(root, str(study.ledger), where.storage))
        write_whole(ledger.study_file, study.dump().encode())
        rows = open_rows(study, ledger, name, where.storage)
        search = Search(study, rows, ledger, _ground(study, ledger))
        found = reconcile(search, rows, ledger)
        tracking.backfill()
        watcher.opened(study, root, found)
        if search.left():
            submit = RaySubmit(shares_of(study.resources), study.resources.timeout)
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


def write_report(study: Study, ledger: Ledger) -> None:
    """Write tables and page, and let go of the servers that nobody needs any more.

    A trial that was attacked later keeps its server: whoever attacks it again compares it with the front.
    """
    keep = set(front_numbers(ledger.trials()))
    for files in ledger.trials():
        needed = files.number in keep or files.asked.anchor or files.later()
        if files.record and not needed:
            for server in files.path.glob("attempt-*/server.safetensors"):
                server.unlink()
    render(write_tables(study, ledger), ledger.root / "report")


def plugins(study: Study, attacks: Iterable[str]) -> set[str]:
    """Return the top packages of the plug-ins that a study names, and of its attacks or others."""
    space = study.space()
    names = [*space.defense, *(space.term or ()), *attacks]
    return {name.partition(":")[0].partition(".")[0] for name in names if ":" in name}


def _ground(study: Study, ledger: Ledger) -> Ground:
    resources = study.resources
    return Ground(
        ledger=str(study.ledger),
        threads={"train": threads(resources.train.cpu), "attack": threads(resources.attack.cpu)},
        precision=precision_of(study, ledger),
    )


def precision_of(study: Study, ledger: Ledger) -> Precision:
    """Return the precision of a study's trials: that of its first one, so that a resume elsewhere mixes none.

    Before the first: bfloat16 on GPUs, and on CPUs if it is faster on this machine, which stands for all nodes.
    """
    first = next(ledger.trials(), None)
    if first is not None:
        return first.asked.precision
    shares = (study.resources.train, study.resources.attack)
    fast = all(share.gpu > 0 or bfloat16_is_faster(torch.device("cpu")) for share in shares)
    return "bfloat16" if fast else "float32"


@contextlib.contextmanager
def resumable(root: Path, way: str | None = None) -> Iterator[None]:
    """Turn what ends a driver from outside into one line that says how to go on.

    Args:
        root: The study's directory.
        way: How to go on, a clause; null for a resume.
    """
    resume = f"`invfront resume {root}`"
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {way or f'go on with {resume}'}") from None
    except OSError as error:
        again = way or (resume if (root / "study.yaml").exists() else "run it again")
        raise UserError(f"{error.filename or root}: {error.strerror or error}; mend it, then {again}") from error
    except FAULTS as error:
        fault = type(getattr(error.__cause__, "orig", None) or error.__cause__ or error).__name__
        raise UserError(f"storage of {root}: {fault}; mend it, then {way or resume}") from error
