"""MLflow shows confirms as a run of their own, each training and attack once, whatever was cut off."""

import uuid

import pytest

from harness.commands.environment import quiet

quiet(None)  # MLflow reads its switches when it is imported

from mlflow import MlflowClient  # noqa: E402

from harness.ledger import Confirms  # noqa: E402
from harness.study import load_study  # noqa: E402
from harness.tracking import log_confirms  # noqa: E402
from tests.confirms import STRONGER, TEST, begun, searched, training  # noqa: E402
from tests.values import attack  # noqa: E402


@pytest.fixture
def given(tmp_path):
    ledger = searched(tmp_path, [(0.9, 0.02, 0.5), (0.8, 0.04, 0.3)])
    begun(ledger, seeds=1)
    training(ledger, 0, 0, (0.88, 0.021, 0.5))
    study = load_study(ledger.study_file).model_copy(update={"ledger": str(uuid.uuid4())})
    return study, ledger


def runs_of(uri: str, ledger: str) -> dict[tuple[str, str], object]:
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("invfront")
    found = client.search_runs([experiment.experiment_id], f"tags.`invfront.ledger` = '{ledger}/confirm'")
    runs = {(run.data.tags.get("invfront.trial", ""), run.data.tags.get("invfront.attack", "")): run for run in found}
    assert len(runs) == len(found)
    return runs


def test_each_training_and_attack_has_one_run_however_often_it_is_logged(given, uri):
    study, ledger = given
    log_confirms(study, ledger, uri)
    first = runs_of(uri, study.ledger)
    assert set(first) == {("", ""), ("0/0", ""), ("0/0", TEST.name)}
    training(ledger, 1, 0, (0.78, 0.039, 0.3))
    ledger.of_seed(0).publish_attack(attack(0, STRONGER))
    log_confirms(study, ledger, uri)
    runs = runs_of(uri, study.ledger)
    assert set(runs) == {*first, ("0/0", STRONGER.name), ("1/0", ""), ("1/0", TEST.name)}
    assert runs["", ""].info.run_id == first["", ""].info.run_id
    assert runs["", ""].info.status == "FINISHED"
    for (trial, name), run in runs.items():
        parent = runs[trial, ""] if name else runs["", ""]
        assert not trial or run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert runs["1/0", ""].data.metrics["mse"] == 0.039
    assert runs["1/0", ""].data.params["confirm/seed"] == "0"
    assert len(Confirms(ledger).rounds()) == 1


def test_a_store_that_does_not_answer_ends_nothing(given, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    log_confirms(*given, "http://127.0.0.1:9")
    assert "the next confirm logs what is missing" in caplog.text
