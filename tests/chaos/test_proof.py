"""The proof that a study is whole is refused by each fault that it is to find."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from harness.ledger import Ledger, write_whole
from harness.search.index import DATABASE
from harness.search.storage import load
from harness.study import Study
from harness.study.check import load_checked
from harness.tracking import Tracking
from tests.bench_driver import LEDGER_ID, Driver
from tests.chaos.proof import Memory, prove
from tests.recorded import ended

BUDGET = 3


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Study, Path, str, str]:
    """A study of recorded trials, whole."""
    home = tmp_path_factory.mktemp("proof")
    root, tracked = home / "quickstart", f"sqlite:///{home / 'mlflow.db'}"
    study = load_checked("quickstart", ["search/anchors=[]"], BUDGET).model_copy(update={"ledger": LEDGER_ID})
    write_whole(Ledger(root).study_file, study.dump().encode())
    with Tracking(study, Ledger(root), tracked) as tracking:
        tracking.backfill(())
        driver = Driver(study, root, tracking)
        while (asked := driver.publisher.ask()) is not None:
            driver.publisher.heard(ended(asked, driver.ledger.trial(asked.number)))
    client = MlflowClient(tracking_uri=tracked)
    for run in client.search_runs(["1"], "attributes.status = 'RUNNING'"):  # the study's, which has no page to show
        client.set_terminated(run.info.run_id)
    return study, root, f"sqlite:///{root / DATABASE}", tracked


@pytest.mark.slow
def test_a_whole_study_is_and_each_fault_is_found(whole):
    study, root, rows, tracked = whole
    memory = Memory(root)
    memory.look()
    assert not any(prove(root, BUDGET, rows, tracked))
    assert not any(memory.compare(retried=False))

    record = root / "trials" / "00001" / "record.json"
    content = record.read_bytes()
    record.write_bytes(content + b"\n")
    assert memory.compare(retried=False).altered == [f"{record}: was rewritten"]
    record.unlink()
    assert memory.compare(retried=False).altered == [f"{record}: is gone"]
    assert prove(root, BUDGET, rows, tracked).lost == [f"{record.parent}: is without a record"]
    record.write_bytes(content)

    (record.parent / "attempt-2").mkdir()
    assert memory.compare(retried=False).doubled == [f"{record.parent}: had its record, and was run again"]
    (record.parent / "attempt-2").rmdir()

    client = MlflowClient(tracking_uri=tracked)
    tags = {"invfront.ledger": LEDGER_ID, "invfront.trial": "1"}
    made = client.create_run("1", tags=tags).info.run_id
    found = prove(root, BUDGET, rows, tracked)
    assert found.doubled == ["MLflow has 2 runs of ('1', '')"]
    assert found.orphaned == ["MLflow's run of 1 None is RUNNING"]
    client.delete_run(made)

    load(study.row_name, rows).enqueue_trial({})
    found = prove(root, BUDGET, rows, tracked)
    assert found.doubled == ["rows [0, 1, 2, 3], not 3"]
    assert found.orphaned == ["row 3: WAITING"]
    assert not found.lost
    assert not found.altered
