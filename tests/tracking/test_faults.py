"""What other people do to their MLflow costs a warning at most, and the next resume mends it."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from harness.commands.environment import quiet
from harness.doctor import examine
from harness.errors import UserError

quiet(None)  # MLflow reads its switches when it is imported

from mlflow import MlflowClient  # noqa: E402

from harness.tracking import Tracking  # noqa: E402
from harness.tracking.names import adapted, plain_text  # noqa: E402
from harness.tracking.runs import LOGGED, WITHOUT_PICTURE, Key  # noqa: E402
from harness.tracking.store import connect, locate  # noqa: E402
from tests.small_ledger import JOB  # noqa: E402
from tests.tracking.test_runs import backfilled, points_of, runs_of, warnings_of  # noqa: E402
from tests.values import book_of  # noqa: E402

CONNECT = "import sys; from pathlib import Path; from harness.tracking.store import connect, locate\n"
CONNECT += "out = Path(sys.argv[1]); sys.stdin.readline(); print(connect(locate(None, out), out).experiment)"


def shown_in(study: Any, uri: str, experiment: str) -> list[Any]:
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id], f"tags.`invfront.ledger` = '{study.ledger}'"))


def page_of(study: Any, ledger: Any, uri: Any) -> None:
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())
        tracking.finish()


def test_a_deleted_parent_is_made_anew_and_its_children_hang_from_the_new_one(fresh, uri):
    study, ledger = fresh
    before, client = backfilled(study, ledger, uri), MlflowClient(tracking_uri=uri)
    for key in (Key(), Key("0")):
        client.delete_run(before[key].info.run_id)
    after = backfilled(study, ledger, uri)
    assert set(after) == set(before)
    for key, run in after.items():
        parent = Key(key.trial) if key.attack else Key() if key.trial else None
        assert run.data.tags.get("mlflow.parentRunId") == (parent and after[parent].info.run_id)
    assert after[Key("1")].info.run_id == before[Key("1")].info.run_id
    assert [step for step, _ in points_of(after[Key()], uri)["hypervolume"]] == [1, 2, 3, 4]


@pytest.mark.parametrize("complete_first", [True, False])
def test_a_run_that_a_server_made_twice_before_it_died_is_there_once_after_the_next_resume(fresh, uri, complete_first):
    study, ledger = fresh
    client = MlflowClient(tracking_uri=uri)
    before = backfilled(study, ledger, uri)
    for key in (Key("0"), Key("0", JOB.name)):
        run = before[key]
        made = {name: value for name, value in run.data.tags.items() if name.startswith("invfront.")}
        made.pop(LOGGED)
        start = run.info.start_time + (1000 if complete_first else -1000)
        client.create_run(run.info.experiment_id, start, made, run.info.run_name)
    after = backfilled(study, ledger, uri)
    assert {key: run.info.run_id for key, run in after.items()} == {key: run.info.run_id for key, run in before.items()}
    assert after[Key("0", JOB.name)].data.tags["mlflow.parentRunId"] == before[Key("0")].info.run_id


def test_a_deleted_experiment_is_restored_with_its_runs(fresh, uri, caplog, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "to be deleted")
    study, ledger = fresh
    backfilled_in(study, ledger, uri)
    before, client = shown_in(study, uri, "to be deleted"), MlflowClient(tracking_uri=uri)
    client.delete_experiment(client.get_experiment_by_name("to be deleted").experiment_id)
    backfilled_in(study, ledger, uri)
    assert {run.info.run_id for run in shown_in(study, uri, "to be deleted")} == {run.info.run_id for run in before}
    (warning,) = warnings_of(caplog)
    assert "to be deleted had been deleted in MLflow and is restored" in warning


def backfilled_in(study: Any, ledger: Any, uri: str) -> None:
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())


def test_the_environments_experiment_is_used_and_a_study_stays_where_it_was(fresh, uri, monkeypatch):
    study, ledger = fresh
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    backfilled_in(study, ledger, uri)
    made = len(shown_in(study, uri, "mine"))
    assert made > 4
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    backfilled_in(study, ledger, uri)
    assert len(shown_in(study, uri, "mine")) == made
    client = MlflowClient(tracking_uri=uri)
    assert client.get_experiment_by_name("invfront") is None or shown_in(study, uri, "invfront") == []


def test_an_artifact_store_that_cannot_be_written_costs_the_pictures_alone_and_a_resume_brings_them(
    fresh, tmp_path, caplog
):
    study, ledger = fresh
    out = ledger.root.parent
    (out / "mlartifacts").write_text("a file where a folder should be")
    page_of(study, ledger, None)
    (warning,) = warnings_of(caplog)
    assert "pictures and pages cannot be stored" in warning
    (found,) = [finding for finding in examine(ledger.root) if finding.path == ledger.untracked]
    assert "pictures and pages cannot be stored at file://" in found.what
    assert f"`invfront resume {ledger.root}` logs what is missing" in found.remedy
    assert not found.wrong
    runs = runs_of(study, locate(None, out))
    assert runs[Key()].info.status == runs[Key("0", JOB.name)].info.status == "FINISHED"
    assert runs[Key("0", JOB.name)].data.metrics["mse"] > 0
    assert runs[Key("0", JOB.name)].data.tags[WITHOUT_PICTURE] == "true"
    (out / "mlartifacts").unlink()
    page_of(study, ledger, None)
    again = runs_of(study, locate(None, out))
    assert WITHOUT_PICTURE not in again[Key("0", JOB.name)].data.tags
    assert points_of(again[Key("0")], locate(None, out)) == points_of(runs[Key("0")], locate(None, out))
    assert len(list((out / "mlartifacts").glob("*/artifacts/reconstructions.png"))) >= 1
    assert not ledger.untracked.exists()


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_studies_that_were_moved_keep_their_pictures_beside_them(how, fresh, tmp_path_factory):
    study, ledger = fresh
    old, new = ledger.root.parent, tmp_path_factory.mktemp("new") / "else where?#%41ü"
    backfilled_in(study, ledger, None)
    if how == "moved":
        old.rename(new)
    else:
        subprocess.run(["cp", "-r", old, new], check=True)
    before = {path for path in old.rglob("*") if "mlartifacts" in str(path)}
    page_of(study, type(ledger)(new / ledger.root.name), None)
    assert {path for path in old.rglob("*") if "mlartifacts" in str(path)} == before
    assert old.exists() == (how == "copied")
    assert list(new.parent.iterdir()) == [new]
    uri = locate(None, new)
    runs, client = runs_of(study, uri), MlflowClient(tracking_uri=uri)
    assert [file.path for file in client.list_artifacts(runs[Key()].info.run_id)] == ["study.yaml"]
    shown = client.list_artifacts(runs[Key("0", JOB.name)].info.run_id)
    assert [file.path for file in shown] == ["reconstructions.png"]


def test_a_database_that_another_driver_is_making_is_waited_for(uri, tmp_path):
    lock = FileLock(f"{uri.removeprefix('sqlite:///')}.lock", thread_local=False)
    lock.acquire()
    freed = threading.Timer(0.3, lock.release)
    freed.start()
    connect(uri, tmp_path)
    assert freed.finished.is_set()


@pytest.mark.slow
def test_drivers_that_start_at_once_wait_for_the_one_that_makes_the_database(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-c", CONNECT, str(tmp_path)]
    drivers = [subprocess.Popen(command, env=environment, text=True, **pipes) for _ in range(3)]
    for driver in drivers:
        driver.stdin.write("go\n")
        driver.stdin.flush()
    ended = [(*driver.communicate(timeout=120), driver.returncode) for driver in drivers]
    assert [code for _, _, code in ended] == [0] * 3, ended
    assert len({said for said, _, _ in ended}) == 1


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("top@5", "top_5"),
        ("a//b", "a/b"),
        ("../up", "_/up"),
        (".", "_"),
        ("/root", "root"),
        ("größe", "größe"),
    ],
)
def test_a_name_that_mlflow_refuses_is_adapted(name, plain):
    assert adapted([name]).get(name, name) == plain


def test_adapted_names_are_taken_by_mlflow_and_never_meet(fresh, uri):
    names = ["top@5", "top_5", "top#5", "x" * 300, "x" * 301, "a=b", "tab\there", "fine/name:1", ".", ".."]
    found = [adapted(names).get(name, name) for name in names]
    assert len(set(found)) == len(names)
    client = MlflowClient(tracking_uri=uri)
    run = client.create_run("0")
    for name in found:
        client.log_metric(run.info.run_id, name, 1.0)
    assert set(client.get_run(run.info.run_id).data.metrics) == set(found)


def test_a_metric_of_a_plug_in_is_logged_under_an_adapted_name_and_a_tag_tells_its_own(fresh, uri):
    study, ledger = fresh
    path = ledger.trial(0) / "attacks" / f"{JOB.name}.json"
    (own,) = ledger.read(0).attacks
    found = own.measured.model_copy(update={"details": {"top@5": 0.25}})
    path.write_text(own.model_copy(update={"measured": found}).model_dump_json())
    run = backfilled(study, ledger, uri)[Key("0", JOB.name)]
    assert run.data.metrics["detail/top_5"] == 0.25
    assert run.data.tags["invfront.name/detail/top_5"] == "detail/top@5"


def test_texts_hold_nothing_that_a_database_refuses():
    assert plain_text("a\0b\ud800c", 3) == "a\ufffdb"
    assert plain_text("\ud800", 9) == "?"


def test_an_address_that_mlflow_does_not_know_is_refused_before_any_work(fresh, tmp_path):
    with pytest.raises(UserError, match="MLflow knows no htp:; give a --tracking-uri such as"):
        Tracking(*fresh, "htp://host:5000")
    for known in ("https://host", "postgresql+psycopg://u:p@host/db", "databricks"):
        assert locate(known, tmp_path) == known


@pytest.mark.parametrize("folder", ["mlruns", "./mlruns", "/data/mlruns", "file:mlruns", "file:///data/mlruns"])
def test_a_plain_folder_is_refused_before_any_work_where_mlflow_takes_none(folder, fresh, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "false")
    with pytest.raises(UserError, match=r"writes no plain folder; give --tracking-uri sqlite:///.*mlflow.db, export"):
        Tracking(*fresh, folder)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert locate(folder, tmp_path) == folder


def test_nothing_is_remembered_of_trials_that_are_logged(fresh, uri):
    study, ledger = fresh
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())
        tracking.settle()
        assert list(tracking._opened._runs._known) == [""]
