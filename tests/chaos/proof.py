"""Whether a study is whole after whatever was killed: nothing lost, double, orphaned or altered."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import optuna
from mlflow import MlflowClient
from optuna.trial import TrialState

from harness.driver.reading import read_book
from harness.judging import Outline
from harness.ledger import Ledger
from harness.search.informed import values_of
from harness.study import load_study
from harness.tracking.runs import ATTACK, LEDGER, TRIAL
from harness.trial import run_trial

PUBLISHED = ("asked.json", "record*.json", "attacks/*.json")
"""What a driver publishes of a trial, and never rewrites."""


class Proof(NamedTuple):
    """What is wrong with a study, in lines."""

    lost: list[str]
    """Trials, attacks, rows or runs that are missing."""
    doubled: list[str]
    """What is there twice, or ran again though it had ended."""
    orphaned: list[str]
    """What never ended: rows, runs, processes, reservations."""
    altered: list[str]
    """What is no longer what it was, or not what an undisturbed trial gives."""

    @classmethod
    def empty(cls) -> "Proof":
        """Return that nothing is wrong."""
        return cls([], [], [], [])

    def add(self, other: "Proof") -> None:
        """Take in what is wrong with another study."""
        for own, more in zip(self, other, strict=True):
            own.extend(more)

    def told(self) -> str:
        """Return how much is wrong of each kind."""
        return ", ".join(f"{len(lines)} {name}" for name, lines in self._asdict().items())


class Memory:
    """Remembers what was published before each kill.

    Args:
        root: The study's directory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[Path, bytes] = {}
        self._attempts: dict[Path, int] = {}

    def look(self) -> None:
        """Take in what is new."""
        for trial in self._root.glob("trials/*"):
            for file in (file for pattern in PUBLISHED for file in trial.glob(pattern)):
                if file not in self._files:
                    self._files[file] = file.read_bytes()
            if (trial / "record.json").exists():
                self._attempts.setdefault(trial, _attempts(trial))

    def compare(self, retried: bool) -> Proof:
        """Return what has changed since; of a study that was retried, what it may have changed is left out."""
        found = Proof.empty()
        for file, content in self._files.items():
            if not file.exists():
                found.altered.append(f"{file}: is gone")
            elif file.read_bytes() != content and not (retried and file.parent.name == "attacks"):
                found.altered.append(f"{file}: was rewritten")
        for trial, number in self._attempts.items():
            if _attempts(trial) != number and not (retried and (trial / "record-2.json").exists()):
                found.doubled.append(f"{trial}: had its record, and was run again")
        return found


def _attempts(trial: Path) -> int:
    return len(list(trial.glob("attempt-*")))


def prove(root: Path, budget: int, storage: str, tracking: str) -> Proof:
    """Return what is wrong with a study whose budget is spent."""
    found = Proof.empty()
    ledger, study = Ledger(root), load_study(root / "study.yaml")
    if ledger.numbers() != list(range(budget)):
        found.lost.append(f"{root}: has trials {ledger.numbers()}, not {budget}")
    trials = list(ledger.trials())
    for files in trials:
        state = files.record.state if files.record else "without a record"
        if state != "complete":
            found.lost.append(f"{files.path}: is {state}")
        if {attack.job.name for attack in files.attacks} != {job.name for job in files.asked.attacks}:
            found.lost.append(f"{files.path}: has attacks {[attack.job.name for attack in files.attacks]}")
    book = read_book(ledger, str(study.ledger))
    _prove_rows(found, optuna.load_study(study_name=study.row_name, storage=storage), book.outlines, budget)
    jobs = [(str(files.number), attack.job.name) for files in trials for attack in files.attacks]
    _prove_runs(found, tracking, str(study.ledger), [("", ""), *((str(each.number), "") for each in trials), *jobs])
    return found


def _prove_rows(found: Proof, rows: optuna.Study, outlines: Mapping[int, Outline], budget: int) -> None:
    known = rows.get_trials()
    if [row.number for row in known] != list(range(budget)):
        side = found.doubled if len(known) > budget else found.lost
        side.append(f"rows {[row.number for row in known]}, not {budget}")
    for row in known:
        outline = outlines.get(row.number)
        if row.state in (TrialState.RUNNING, TrialState.WAITING):
            found.orphaned.append(f"row {row.number}: {row.state.name}")
        elif outline is None:
            found.doubled.append(f"row {row.number}: no trial has it")
        elif any(outline.settings.get(name) != value for name, value in row.params.items()):
            found.altered.append(f"row {row.number}: {row.params}, not {outline.settings}")
        elif row.state == TrialState.COMPLETE and row.values != _values(outline):
            found.altered.append(f"row {row.number}: {row.values}, not {_values(outline)}")
        elif row.state == TrialState.FAIL and outline.tries == 1:
            found.altered.append(f"row {row.number}: has failed, its trial has not")


def _values(outline: Outline) -> list[float] | None:
    return None if outline.objectives is None else values_of(outline.objectives)


def _prove_runs(found: Proof, tracking: str, ledger: str, wanted: list[tuple[str, str]]) -> None:
    client = MlflowClient(tracking_uri=tracking)
    places = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(places, f"tags.`{LEDGER}` = '{ledger}'", max_results=1000)
    there = Counter((run.data.tags.get(TRIAL, ""), run.data.tags.get(ATTACK, "")) for run in runs)
    found.lost.extend(f"MLflow has no run of {key}" for key in wanted if key not in there)
    found.doubled.extend(f"MLflow has {count} runs of {key}" for key, count in there.items() if count > 1)
    found.doubled.extend(f"MLflow has a run of {key}, which there is not" for key in there if key not in wanted)
    found.orphaned.extend(
        f"MLflow's run of {run.data.tags.get(TRIAL)} {run.data.tags.get(ATTACK)} is {run.info.status}"
        for run in runs
        if run.info.status != "FINISHED"
    )


def prove_numbers(root: Path, folder: Path) -> Proof:
    """Return whether a trial that was cut off measured what it measures undisturbed; the first such one."""
    found = Proof.empty()
    for files in Ledger(root).trials():
        if files.record and files.record.state == "complete" and _attempts(files.path) > 1:
            again = run_trial(files.asked, folder)
            if again.record.measured != files.record.measured:
                found.altered.append(f"{files.path}: measured otherwise than undisturbed")
            if {each.job.name: each.measured for each in again.attacks} != {
                each.job.name: each.measured for each in files.attacks
            }:
                found.altered.append(f"{files.path}: its attacks measured otherwise than undisturbed")
            break
    return found
