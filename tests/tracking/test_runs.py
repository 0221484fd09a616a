"""MLflow shows each trial and each attack once, whatever was cut off on the way."""

import contextlib
import uuid
from typing import Any, NoReturn

import pytest

import harness
from harness.commands.environment import quiet
from harness.judging import judged_trials

quiet(None)  # MLflow reads its switches when it is imported

from mlflow import MlflowClient  # noqa: E402

from harness.errors import Interrupted  # noqa: E402
from harness.export.folder import write_tables  # noqa: E402
from harness.records import Extension, Lineage  # noqa: E402
from harness.records.attack import AttackRecord  # noqa: E402
from harness.tracking import Tracking  # noqa: E402
from harness.tracking.runs import Key  # noqa: E402
from harness.tracking.store import Store, connect, locate  # noqa: E402
from reports.front import hypervolume_history  # noqa: E402
from reports.page import render  # noqa: E402
from tests.small_ledger import JOB, STATES, TINY, small_ledger  # noqa: E402
from tests.values import attack, book_of, scores  # noqa: E402

CLOSED = "http://somebody:secret@127.0.0.1:9"
"""A server that does not answer."""


@pytest.fixture(scope="module")
def tracked(tmp_path_factory, uri):
    """A study that was logged from its start to its end."""
    study, ledger = small_ledger(tmp_path_factory.mktemp("tracked"))
    study = study.model_copy(update={"ledger": str(uuid.uuid4())})
    render(write_tables(study, ledger, list(judged_trials(ledger))), ledger.root / "report")
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())
        tracking.finish()
    return study, ledger


def runs_of(study: Any, uri: str) -> dict[Key, Any]:
    """Return a study's runs by what they show; two that show the same are an error."""
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("invfront")
    found = client.search_runs([experiment.experiment_id], f"tags.`invfront.ledger` = '{study.ledger}'")
    keys = [Key(run.data.tags.get("invfront.trial", ""), run.data.tags.get("invfront.attack", "")) for run in found]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, found, strict=True))


def points_of(run: Any, uri: str) -> dict[str, list[tuple[int, float]]]:
    """Return the step and value of every point of a run's metrics."""
    client = MlflowClient(tracking_uri=uri)
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return {name: sorted((point.step, point.value) for point in history) for name, history in histories.items()}


def expected(ledger: Any) -> set[Key]:
    done = [files for files in ledger.trials() if files.record]
    attacks = {Key(str(files.number), attack.job.name) for files in done for attack in files.attacks}
    return {Key()} | {Key(str(files.number)) for files in done} | attacks


def test_every_finished_trial_and_attack_has_one_run_under_its_parent(tracked, uri):
    study, ledger = tracked
    runs = runs_of(study, uri)
    assert set(runs) == expected(ledger)
    for key, run in runs.items():
        parent = Key(key.trial) if key.attack else Key() if key.trial else None
        assert run.data.tags.get("mlflow.parentRunId") == (parent and runs[parent].info.run_id)


def test_runs_end_as_their_records_say(tracked, uri):
    runs = runs_of(tracked[0], uri)
    assert runs[Key()].info.status == "FINISHED"
    for number, state in enumerate(STATES[:4]):
        assert runs[Key(str(number))].info.status == ("FINISHED" if state == "complete" else "FAILED")
        assert runs[Key(str(number))].data.tags["invfront.state"] == state
    attacks = {key.attack: run for key, run in runs.items() if key.trial == "2" and key.attack}
    assert sorted(run.info.status for run in attacks.values()) == ["FAILED", "FINISHED"]
    assert attacks[JOB.name].info.status == "FINISHED"


def test_settings_are_parameters_by_path(tracked, uri):
    study, ledger = tracked
    runs = runs_of(study, uri)
    asked = ledger.read(1).asked.settings
    assert runs[Key("1")].data.params == {path: str(value) for path, value in asked.items() if value is not None}
    assert {path: runs[Key()].data.params[path] for path in TINY} == {path: str(value) for path, value in TINY.items()}


def test_scores_and_curves_are_metrics_by_step(tracked, uri):
    study, ledger = tracked
    runs, files = runs_of(study, uri), ledger.read(0)
    points = points_of(runs[Key("0", JOB.name)], uri)
    measured = files.attacks[0].measured
    assert points["mse"] == [(0, measured.scores.mse)]
    assert points["curve/validation"] == [(p.step, p.value) for p in measured.curve if p.name == "validation"]
    assert len(points["curve/validation"]) > 1
    assert points_of(runs[Key("0")], uri)["accuracy"] == [(1, files.record.measured.accuracy)]


def test_the_hypervolume_has_a_point_for_each_finished_trial_and_never_falls(tracked, uri):
    study, ledger = tracked
    volumes = points_of(runs_of(study, uri)[Key()], uri)["hypervolume"]
    history = hypervolume_history(harness.open(ledger.root).trials, {"accuracy": 0.01, "mse": 0.0, "ssim": 1.0})
    assert [step for step, _ in volumes] == [1, 2, 3, 4]
    assert [volume for _, volume in volumes] == pytest.approx(history["hypervolume"].tolist()[:4])
    assert sorted(volume for _, volume in volumes) == [volume for _, volume in volumes]


def test_page_tables_and_reconstructions_are_artifacts(tracked, uri):
    runs, client = runs_of(tracked[0], uri), MlflowClient(tracking_uri=uri)
    report = {file.path for file in client.list_artifacts(runs[Key()].info.run_id, "report")}
    assert {"report/index.html", "report/trials.csv", "report/front.parquet", "report/figures"} <= report
    assert "report/tables" in report
    shown = [file.path for file in client.list_artifacts(runs[Key("0", JOB.name)].info.run_id)]
    assert shown == ["reconstructions.png"]


def test_the_front_is_a_table_of_mlflow_s_and_stays_one_when_it_is_logged_again(tracked, uri, monkeypatch):
    study, ledger = tracked
    own, client = runs_of(study, uri)[Key()].info, MlflowClient(tracking_uri=uri)
    front = harness.open(ledger.root).front
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for _ in range(2):
        found = client.load_table(own.experiment_id, "front.json", run_ids=[own.run_id])
        assert found["trial"].tolist() == front["trial"].tolist()
        assert found["mse"].tolist() == pytest.approx(front["mse"].tolist())
        with Tracking(study, ledger, uri) as tracking:
            tracking.backfill(book_of(ledger).outlines.values())
            tracking.finish()


def test_logging_again_changes_nothing(tracked, uri):
    study, ledger = tracked
    before = {key: (points_of(run, uri), run.info.end_time) for key, run in runs_of(study, uri).items() if key.trial}
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())
        tracking.finish()
    after = {key: (points_of(run, uri), run.info.end_time) for key, run in runs_of(study, uri).items() if key.trial}
    assert after == before


class Cutting:
    """A client whose process dies in its nth call, a batch being written by half."""

    def __init__(self, client: MlflowClient, calls: int) -> None:
        self._client, self._calls = client, calls

    def __getattr__(self, name: str) -> Any:
        if not callable(getattr(self._client, name)):
            return getattr(self._client, name)

        def call(*args: Any, **named: Any) -> Any:
            self._calls -= 1
            if self._calls == 0:
                if name == "log_batch":
                    half = named.get("metrics", [])
                    self._client.log_batch(*args, metrics=half[: len(half) // 2 + 1])
                raise KeyboardInterrupt
            return getattr(self._client, name)(*args, **named)

        return call


def test_a_tracking_that_is_cut_off_again_and_again_is_completed_without_doubles(
    fresh, tracked, uri, tmp_path, monkeypatch
):
    """In a store of files, which appends whatever it is sent: a database would drop a point sent twice."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    study, ledger = fresh
    files = (tmp_path / "mlruns").as_uri()
    for calls in range(1, 60):
        try:
            with Tracking(study, ledger, files) as tracking:
                store = connect(files, tmp_path)
                tracking._store = Store(Cutting(store.client, calls), store.experiment)  # type: ignore[arg-type]
                tracking.backfill(book_of(ledger).outlines.values())
        except KeyboardInterrupt:
            continue
        break
    else:
        pytest.fail("never came to its end")
    assert calls > 10
    whole, pieces = runs_of(tracked[0], uri), runs_of(study, files)
    assert set(pieces) == expected(ledger)
    for key, run in pieces.items():
        assert points_of(run, files) == points_of(whole[key], uri)
        assert run.data.params == whole[key].data.params
        assert key == Key() or run.info.status == whole[key].info.status


def ended_by(errors: tuple[type[BaseException], ...], *place: Any) -> None:
    """End a study by an error, and by those that come up while it is on its way out."""
    with Tracking(*place) as tracking:
        tracking.backfill(book_of(place[1]).outlines.values())
        tracking.settle()
        with contextlib.ExitStack() as ending:
            for error in reversed(errors[1:]):
                ending.callback(raise_, error("from outside"))
            raise errors[0]("from outside")


def raise_(error: BaseException) -> NoReturn:
    raise error


def test_a_study_that_is_interrupted_is_killed_and_its_resume_finishes_it(fresh, uri):
    study, ledger = fresh
    ends = {
        (KeyboardInterrupt,): "KILLED",
        (Interrupted,): "KILLED",
        (Interrupted, RuntimeError): "KILLED",
        (RuntimeError,): "FAILED",
    }
    for errors, status in ends.items():
        with pytest.raises(errors[-1]):
            ended_by(errors, study, ledger, uri)
        assert runs_of(study, uri)[Key()].info.status == status
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())
        tracking.settle()
        assert runs_of(study, uri)[Key()].info.status == "RUNNING"
        tracking.finish()
    assert runs_of(study, uri)[Key()].info.status == "FINISHED"


def test_an_attack_run_later_adds_its_run_and_a_step_of_the_objectives(fresh, uri):
    study, ledger = fresh
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())
    later = JOB.model_copy(update={"seed": 1})
    ledger.publish_attack(attack(0, later, selection=scores(0.0001, 0.99), scored=scores(0.0002, 0.98)))
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())
    runs = runs_of(study, uri)
    assert set(runs) == expected(ledger)
    assert [step for step, _ in points_of(runs[Key("0")], uri)["mse"]] == [1, 2]
    assert points_of(runs[Key("0")], uri)["mse"][-1] == (2, 0.0002)


def test_a_widened_studys_new_attack_counts_in_no_trial_before_all_have_had_it(fresh, uri):
    study, ledger = fresh
    new = JOB.model_copy(update={"seed": 1})
    step = Extension(digest="d", parent="p", time="2026-01-02T03:04:05+00:00", asked=2, changes=(), attacks=(new,))
    ledger.publish_lineage(Lineage(study="", extensions=(step,)))
    before = runs_points(study, ledger, uri)
    for number in (0, 1):
        ledger.publish_attack(attack(number, new, selection=scores(0.0001, 0.99), scored=scores(0.0002, 0.98)))
        after = runs_points(study, ledger, uri)
        assert after == (before if number == 0 else {trial: [*before[trial], (2, 0.0002)] for trial in before})
    assert set(runs_of(study, uri)) == expected(ledger)


def runs_points(study: Any, ledger: Any, uri: str) -> dict[str, list[tuple[int, float]]]:
    runs = backfilled(study, ledger, uri)
    return {trial: points_of(runs[Key(trial)], uri)["mse"] for trial in ("0", "1")}


def newest(run: Any, uri: str, name: str) -> tuple[int, float]:
    """Return step and value of the point of a metric that was logged last."""
    history = MlflowClient(tracking_uri=uri).get_metric_history(run.info.run_id, name)
    return max((point.timestamp, point.step, point.value) for point in history)[1:]


def backfilled(study: Any, ledger: Any, uri: str) -> dict[Key, Any]:
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())
    return runs_of(study, uri)


def later(ledger: Any, mse: float, started: str = "2026-02-01T00:00:00+00:00", **changes: Any) -> AttackRecord:
    """A later attack on trial 0, measured on as many images as the trial's own."""
    (own,) = ledger.read(0).attacks[:1]
    found = scores(mse, 0.98)
    sizes = dict.fromkeys(own.measured.subsets, found)
    made = attack(0, JOB.model_copy(update={"seed": 1} | changes.pop("job", {})), selection=found, scored=found)
    measured = made.measured.model_copy(update={"subsets": sizes} | changes)
    cost = made.circumstances.model_copy(update={"started": started})
    return made.model_copy(update={"measured": measured, "circumstances": cost})


def test_an_attack_that_failed_and_is_run_again_takes_the_failures_place_and_moves_the_objectives(fresh, uri):
    study, ledger = fresh
    failed = {"verdict": "failed", "scores": None, "selection": None, "subsets": {}, "images": 0}
    ledger.publish_attack(later(ledger, 0.1, job={"tune": 4}, **failed))
    before = backfilled(study, ledger, uri)
    ledger.publish_attack(later(ledger, 0.0002, started="2026-02-02T00:00:00+00:00"))
    runs, key = backfilled(study, ledger, uri), Key("0", later(ledger, 0.0002).job.name)
    assert (before[key].info.status, runs[key].info.status) == ("FAILED", "FINISHED")
    assert runs[key].data.params["job/tune"] == "0"
    assert points_of(runs[key], uri)["mse"] == [(0, 0.0002)]
    assert newest(runs[Key("0")], uri, "mse") == (2, 0.0002)
    assert runs[Key("0")].data.tags["invfront.mse_attack"] == key.attack


def test_a_later_attack_that_outdoes_another_changes_the_others_verdict(fresh, uri):
    study, ledger = fresh
    ledger.publish_attack(later(ledger, 0.0004))
    key = Key("0", later(ledger, 0.0004).job.name)
    assert backfilled(study, ledger, uri)[key].data.tags["invfront.verdict"] == "converged"
    ledger.publish_attack(later(ledger, 0.0002, job={"seed": 2}, knowledge="none"))
    after = backfilled(study, ledger, uri)[key].data.tags
    assert after["invfront.verdict"] == "limited"
    assert "-2" in after["invfront.verdict_why"]


def test_after_a_later_attack_the_newest_hypervolume_is_that_of_the_front_as_it_is(fresh, uri):
    study, ledger = fresh
    backfilled(study, ledger, uri)
    for number in (0, 1):
        ledger.publish_attack(later(ledger, 0.0002).model_copy(update={"trial": number}))
    run = backfilled(study, ledger, uri)[Key()]
    now = hypervolume_history(harness.open(ledger.root).trials, {"accuracy": 0.01, "mse": 0.0, "ssim": 1.0})[
        "hypervolume"
    ]
    assert newest(run, uri, "hypervolume") == (4, pytest.approx(now.iloc[-1]))
    assert run.data.metrics["hypervolume"] == pytest.approx(now.iloc[-1])
    points = points_of(run, uri)["hypervolume"]
    assert [step for step, _ in points] == [1, 2, 3, 4, 4]
    assert points_of(backfilled(study, ledger, uri)[Key()], uri)["hypervolume"] == points


def test_trials_are_logged_while_the_driver_goes_on(fresh, uri):
    study, ledger = fresh
    records = [ledger.trial(number) / "record.json" for number in (1, 2)]
    aside = [record.rename(record.with_name("aside")) for record in records]
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())
        for number, path, record in zip((1, 2), aside, records, strict=True):
            path.rename(record)
            tracking.trial(book_of(ledger).outlines[number])
    assert set(runs_of(study, uri)) == expected(ledger)
    assert [step for step, _ in points_of(runs_of(study, uri)[Key()], uri)["hypervolume"]] == [1, 2, 3, 4]


def log_one(study: Any, ledger: Any, uri: str, number: int) -> None:
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(())
        tracking.trial(book_of(ledger).outlines[number])


def test_a_defect_of_ours_is_not_taken_for_a_fault_of_the_store(fresh, uri):
    with pytest.raises(ValueError, match="trial 4 has no record"):
        log_one(*fresh, uri, 4)


def warnings_of(caplog: Any) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.name.startswith("harness.tracking")]


def test_a_server_that_does_not_answer_is_one_warning_without_its_password_and_a_word_to_doctor(
    fresh, uri, monkeypatch, caplog
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    study, ledger = fresh
    with Tracking(study, ledger, CLOSED) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())
        tracking.finish()
    (warning,) = warnings_of(caplog)
    assert "tracking at http://127.0.0.1:9 is lost" in warning
    assert "\n" not in warning
    assert "secret" not in warning + ledger.untracked.read_text()
    backfilled(study, ledger, uri)
    assert not ledger.untracked.exists()


def test_a_server_that_is_lost_on_the_way_costs_a_warning_and_the_resume_catches_up(fresh, uri, monkeypatch, caplog):
    study, ledger = fresh
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    record = ledger.trial(1) / "record.json"
    aside = record.rename(record.with_name("aside"))
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())
        tracking.settle()
        aside.rename(record)
        tracking._opened._client = tracking._opened._runs._store.client.__class__(tracking_uri=CLOSED)
        tracking._opened._runs._store = Store(tracking._opened._client, tracking._opened._runs._store.experiment)
        tracking.trial(book_of(ledger).outlines[1])
        tracking.finish()
    warnings = warnings_of(caplog)
    assert len(warnings) == 1
    assert "the study goes on" in warnings[0]
    assert "secret" not in warnings[0]
    assert Key("1") not in runs_of(study, uri)
    with Tracking(study, ledger, uri) as tracking:
        tracking.backfill(book_of(ledger).outlines.values())
    assert set(runs_of(study, uri)) == expected(ledger)


def test_the_store_is_the_one_asked_for_else_the_environments_else_beside_the_studies(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert locate(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there")
    assert locate(None, tmp_path) == "http://there"
    assert locate("http://here", tmp_path) == "http://here"
