"""Trials that failed are run again under their numbers: a new record stands beside the first one and counts."""

import json
import re
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

from harness.cli import main
from harness.ledger import Ledger, record_files
from harness.ledger.database import sqlite_url
from harness.study import load_study
from tests.plugins import noted
from tests.small_ledger import small_ledger

SPACE = """
name: retried
data: {name: digits}
model: {width: 0.125, sigma: {choices: [0.05, 0.1]}}
train: {recipe: fast, epochs: 1, batch_size: 64, images: 64}
defense: {'tests.plugins:Flawed': {folder: %s}}
attacks: {'tests.plugins:Grey': quick, 'tests.plugins:Shy': quick}
search: {trials: 2, sampler: tpe, allocate: joint}
"""
HERE = ["--address", "in-process"]


@pytest.fixture(scope="module")
def retried(tmp_path_factory):
    """A study whose trials failed, then were partial, then complete; and what was on storage after each."""
    folder = tmp_path_factory.mktemp("retried")
    notes = folder / "notes"
    notes.mkdir()
    (folder / "space.yaml").write_text(SPACE % notes)
    (notes / "flawed").touch()
    (notes / "shy").touch()
    root, seen = folder / "retried", []

    def look(code: int, *command: str) -> None:
        assert main([*command, *HERE]) == code
        files = [Ledger(root).read(number) for number in range(2)]
        kept = {path: path.read_bytes() for trial in files for path in record_files(trial.path)}
        seen.append(([trial.record for trial in files], kept, len(noted(str(notes), "train"))))

    look(3, "run", str(folder / "space.yaml"), "--out", str(folder))
    (notes / "flawed").unlink()
    look(3, "retry", str(root), "failed")
    (notes / "shy").unlink()
    look(0, "retry", str(root))
    return root, seen


def rows(root: Path) -> list[TrialState]:
    name = load_study(root / "study.yaml").row_name
    return [row.state for row in optuna.load_study(study_name=name, storage=sqlite_url(root / "study.db")).trials]


def test_a_failed_trial_is_run_again_and_of_a_partial_one_the_attack_that_failed(retried):
    _, seen = retried
    states = [[record.state for record in records] for records, _, _ in seen]
    assert states == [["failed"] * 2, ["partial"] * 2, ["complete"] * 2]
    assert [trainings for _, _, trainings in seen] == [2, 4, 4]


def test_no_record_is_rewritten_and_the_newest_tells_of_the_one_before(retried):
    root, seen = retried
    kept = [kept for _, kept, _ in seen]
    assert [len(found) for found in kept] == [2, 4, 6]
    assert kept[0].items() <= kept[1].items() <= kept[2].items()
    told = Ledger(root).read(0).record.notes
    assert told[-1] == "retried: it had ended partial, ValueError: not yet"


def test_a_retried_trial_counts_on_the_front_and_the_budget_stays(retried, capsys):
    root, _ = retried
    assert main(["status", str(root), "--json"]) == 0
    now = json.loads(capsys.readouterr().out)
    assert (now["states"]["complete"], sum(now["states"].values()), now["budget"]) == (2, 2, 2)
    assert now["front"]
    assert main(["doctor", str(root)]) == 0, capsys.readouterr().out


@pytest.mark.slow
def test_its_row_has_failed_for_good_until_the_index_is_made_anew(retried):
    root, _ = retried
    assert rows(root) == [TrialState.FAIL] * 2
    assert main(["resume", str(root), "--trials", "3", *HERE]) == 0
    assert rows(root) == [TrialState.FAIL, TrialState.FAIL, TrialState.COMPLETE]
    (root / "study.db").unlink()
    assert main(["resume", str(root), *HERE]) == 0
    assert rows(root) == [TrialState.COMPLETE] * 3


def test_mlflow_has_each_trial_once_and_as_it_is_now(retried):
    root, _ = retried
    client = MlflowClient(sqlite_url(root.parent / "mlflow.db"))
    runs = [run for each in client.search_experiments() for run in client.search_runs([each.experiment_id])]
    ledger = str(load_study(root / "study.yaml").ledger)
    mine = [run for run in runs if run.data.tags.get("invfront.ledger") == ledger]
    for number in ("0", "1"):
        own = [run for run in mine if run.data.tags.get("invfront.trial") == number]
        assert [run.info.status for run in own] == ["FINISHED"] * 3
        assert sorted(run.data.tags.get("invfront.attack", "") for run in own) == [
            "", "tests.plugins.Grey-quick-0", "tests.plugins.Shy-quick-0"
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (["0"], r"TRIAL 0: is complete; only failed and partial trials are retried"),
        (["4"], r"TRIAL 4: is not finished; `invfront resume` runs it"),
        (["9"], r"TRIAL 9: was not asked; see `invfront status"),
        (["faild"], r"TRIAL faild: takes the number of a trial, failed or partial"),
        (["3", "--set", "model/sigma=1"], r"model/sigma"),
    ],
)
def test_what_cannot_be_retried_is_refused_and_nothing_changes(chosen, said, tmp_path, capsys):
    _, ledger = small_ledger(tmp_path)
    before = {path: path.read_bytes() for path in ledger.root.rglob("*") if path.is_file()}
    assert main(["retry", str(ledger.root), *chosen, *HERE]) == 2
    assert re.search(said, capsys.readouterr().err)
    changed = {path: path.read_bytes() for path in ledger.root.rglob("*") if path.is_file() and path.suffix != ".lock"}
    assert {path: changed[path] for path in before} == before


def test_where_nothing_failed_nothing_is_run(retried, capsys):
    root, _ = retried
    assert main(["retry", str(root), "failed", *HERE]) == 0
    assert "nothing to retry" in capsys.readouterr().out


@pytest.mark.slow
def test_a_retry_that_was_cut_off_before_its_record_goes_on(retried):
    """Its attacks were published, its record was not: the same command finishes it, and runs nothing twice."""
    root, _ = retried
    ledger = Ledger(root)
    newest = record_files(ledger.trial(1))[-1]
    content, trainings = newest.read_bytes(), len(noted(str(root.parent / "notes"), "train"))
    newest.unlink()
    assert ledger.read(1).record.state == "partial"
    assert main(["retry", str(root), *HERE]) == 0
    assert ledger.read(1).record.state == "complete"
    assert json.loads(newest.read_bytes())["measured"] == json.loads(content)["measured"]
    assert len(noted(str(root.parent / "notes"), "train")) == trainings


def test_a_torn_new_record_is_named_and_moved_aside(retried, capsys):
    root, _ = retried
    newest = record_files(Ledger(root).trial(0))[-1]
    whole = newest.read_bytes()
    newest.write_bytes(whole[:40])
    assert main(["doctor", str(root)]) == 2
    assert "the record before it counts" in capsys.readouterr().out
    newest.write_bytes(whole)
