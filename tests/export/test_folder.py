"""The tables say what the ledger says, in whatever state the study is."""

import json
import socket

import numpy as np
import pandas as pd
import pytest

import harness
from harness.export.description import reference
from harness.export.folder import write_tables
from harness.export.published import published
from harness.judging.shared import Front
from harness.judging.status import states
from harness.judging.trials import judged_trials
from harness.ledger.files import Ledger, write_whole
from harness.records import ImagesSeen, told
from harness.study import load_study
from harness.study.check import load_checked
from harness.tables.frames import column, kind_of
from reports.columns import DECIDED, DETAILS
from reports.front import on_front
from reports.page import render
from reports.tables import read
from tests.confirms import begun, searched, training
from tests.small_ledger import JOB, STATES, TINY, small_ledger
from tests.values import attack, scores

BEFORE = ["trial", "state", "defense/name"]
AFTER = ["accuracy", "mse", "ssim", "mse_attack", "ssim_attack", "part", "feasible", "on_front", "seconds", "error"]
ATTACK = ["trial", "attack", "budget", "seed", "part", "verdict", "mse", "psnr", "ssim", "images", "seconds"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return small_ledger(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def data(small):
    return write_tables(*small, list(judged_trials(small[1])))


def test_the_columns_are_the_contracts_in_its_order(small):
    _, ledger = small
    columns = list(harness.open(ledger.root).trials.columns)
    asked = [files.asked.settings for files in ledger.trials()]
    settings = {path for given in asked for path, value in told(given).items() if path in given or value is not None}
    start = columns.index("accuracy")
    assert columns[:3] == BEFORE
    assert set(columns[2:start]) == settings
    assert columns[start:] == [*AFTER, "anchor", "limited", "train_seconds", *DECIDED]
    contract = [*ATTACK, "job", "error", *DETAILS]
    assert list(harness.open(ledger.root).attacks.columns)[: len(contract)] == contract


def test_every_trial_that_was_asked_has_a_row_with_its_state(small):
    table = harness.open(small[1].root).trials
    assert table["state"].tolist() == list(STATES)
    assert table["accuracy"].notna().tolist() == [True, True, True, False, False]
    assert table["mse"].notna().tolist() == [state == "complete" for state in STATES]
    assert table["seconds"].notna().tolist() == [state != "running" for state in STATES]
    assert table["error"].notna().tolist() == [False, False, True, True, False]
    assert table["anchor"].tolist() == [True, False, False, False, False]


def test_settings_keep_value_and_path(small):
    table = harness.open(small[1].root).trials
    assert table["defense/cem_paper/lam"].dropna().tolist() == [0.01, 0.01, -1.0]
    assert {path: table[path].iloc[0] for path in TINY} == TINY


def test_the_front_is_the_one_of_status(small):
    _, ledger = small
    table = harness.open(ledger.root).trials
    assert tuple(table.loc[table["on_front"], "trial"]) == Front(judged_trials(ledger)).numbers
    assert on_front(table).equals(table["on_front"])


def test_the_seconds_of_a_trial_are_those_of_its_training_and_attacks(small):
    _, ledger = small
    trials, attacks = harness.open(ledger.root).trials, harness.open(ledger.root).attacks
    for row in trials.dropna(subset="seconds").to_dict("records"):
        spent = attacks.loc[attacks["trial"].eq(row["trial"]), "seconds"].sum()
        assert row["seconds"] == pytest.approx(row["train_seconds"] + spent, abs=1e-6)


def test_standard_errors_come_from_every_scored_image(small):
    _, ledger = small
    row = harness.open(ledger.root).attacks.iloc[0]
    each = pd.read_parquet(next(ledger.trial(0).glob(f"attempt-*/{JOB.name}.parquet")))
    assert len(each) == row["images"]
    assert row["mse"] == pytest.approx(each["mse"].mean(), rel=1e-4)
    assert row["mse_se"] == pytest.approx(each["mse"].std() / np.sqrt(len(each)), rel=1e-6)


def test_an_attack_run_later_counts_in_the_objectives(tmp_path):
    _, ledger = small_ledger(tmp_path)
    before = harness.open(ledger.root).trials.iloc[0]
    later = JOB.model_copy(update={"seed": 1})
    ledger.publish_attack(attack(0, later, selection=scores(0.0001, 0.99), scored=scores(0.0002, 0.98)))
    after = harness.open(ledger.root).trials.iloc[0]
    assert (after["mse"], after["ssim"], after["mse_attack"]) == (0.0002, 0.98, later.name)
    assert after["seconds"] == pytest.approx(before["seconds"] + 1)
    assert after["train_seconds"] == before["train_seconds"]


def test_reports_read_what_is_written(small, data):
    study, ledger = small
    found = read(data)
    assert found.trials["state"].tolist() == list(STATES)
    assert set(found.floors["guess"]) == {"mean_image", "class_mean", "mean_colour", "nearest"}
    assert set(found.curves["job"]) == {"train", JOB.name}
    assert found.study["states"] == states(judged_trials(ledger), study.search.trials)
    assert found.study["parts"]["validation"]["images"] == 200
    assert not list(data.glob(".*"))


def test_the_images_of_the_front_and_of_anchors_are_there_with_their_scores(data):
    found = read(data)
    shown = sorted({*found.trials.loc[found.trials["on_front"], "trial"], 0})
    assert {key for key in found.images if not key.startswith("original/")} == {f"{n:05d}/{JOB.name}" for n in shown}
    assert {(image.shape, image.dtype) for image in found.images.values()} == {((24, 3, 32, 32), np.dtype("uint8"))}
    for trial in shown:
        rows = found.image_scores[found.image_scores["trial"].eq(trial)]
        error = found.images[f"{trial:05d}/{JOB.name}"].astype(float) - found.images["original/validation"]
        # reconstructions are kept in steps of 1/255
        np.testing.assert_allclose(rows["mse"], (error / 255).__pow__(2).mean(axis=(1, 2, 3)), atol=2e-3)


def test_the_page_is_made_from_the_directory_alone(data, tmp_path):
    html = render(data, tmp_path).read_text()
    assert "Nothing dominates" in html
    assert (tmp_path / "figures" / "reconstructions.png").exists()


def test_arrays_that_were_moved_away_leave_nulls(tmp_path):
    study, ledger = small_ledger(tmp_path)
    for array in ledger.root.glob(f"trials/*/attempt-*/{JOB.name}.*"):
        if array.suffix in (".npz", ".parquet"):
            array.unlink()
    found = read(write_tables(study, ledger, list(judged_trials(ledger))))
    assert found.images == {}
    assert found.image_scores.empty
    assert found.attacks["mse_se"].isna().all()
    assert found.attacks["mse"].notna().any()


def test_a_study_without_trials_has_tables_without_rows(tmp_path):
    study = load_checked("quickstart")
    data = write_tables(study, Ledger(tmp_path), [])
    found = read(data)
    assert len(found.trials) == len(found.attacks) == len(found.curves) == 0
    assert found.study["states"]["waiting"] == study.search.trials
    assert render(data, tmp_path / "report").exists()


def test_the_json_is_strict_and_names_what_the_numbers_rest_on(small, data):
    described = json.loads((data / "study.json").read_text())
    record = small[1].read(0).record
    assert record is not None
    assert described["packages"] == record.circumstances.packages
    assert described["hypervolume_reference"] == {"accuracy": 0.01, "mse": 0.0, "ssim": 1.0}
    assert described["metrics"]["ssim_window"] == 11
    assert 0 < described["seconds_total"] <= harness.open(small[1].root).trials["seconds"].sum()
    assert described["published"] == []
    assert described["hardware"]["nodes"] == socket.gethostname()
    assert described["warnings"] == []


def test_a_folder_is_as_new_as_the_newest_that_it_tells_of_confirms_included(tmp_path):
    ledger = searched(tmp_path, [(0.9, 0.01, 0.5)])
    study = load_study(ledger.study_file)

    def updated() -> str:
        return read(write_tables(study, ledger, list(judged_trials(ledger)))).study["updated"]

    assert updated() == "2026-01-01T00:00:01+00:00", "the trial's end"
    begun(ledger, trials=(0,), time="2026-01-02T00:00:00+00:00")
    assert updated() == "2026-01-02T00:00:00+00:00"
    training(ledger, 0, 0, (0.9, 0.01, 0.5))
    path = ledger.of_seed(0).trial(0) / "record.json"
    path.write_text(path.read_text().replace("2026-01-01", "2026-01-03"))
    assert updated() == "2026-01-03T00:00:01+00:00"


def test_a_node_with_another_torch_than_the_drivers_is_a_warning(tmp_path):
    study, ledger = small_ledger(tmp_path)
    path = ledger.trial(0) / "record.json"
    record = ledger.read(0).record
    assert record is not None
    unlike = record.circumstances.model_copy(update={"node": "far", "driver": {"torch": "1.0.0"}})
    path.write_text(record.model_copy(update={"circumstances": unlike}).model_dump_json())
    described = read(write_tables(study, ledger, list(judged_trials(ledger)))).study
    (warning,) = described["warnings"]
    assert warning.startswith(f"torch {unlike.packages['torch']} on far, 1.0.0 at the driver")
    assert described["hardware"]["nodes"].startswith("far, ")


def test_the_reference_is_the_floor_and_a_perfect_reconstruction(small):
    assert reference(small[0]) == {"accuracy": 0.01, "mse": 0.0, "ssim": 1.0}


def test_published_figures_stand_beside_their_own_data_only():
    rows = {row["method"]: row for row in published("cifar10")}
    assert (rows["Bottleneck + CEM"]["accuracy"], rows["Bottleneck + CEM"]["mse"]) == (0.9069, 0.0058)
    assert len(rows) == 15
    assert published("digits") == []


@pytest.mark.parametrize(
    ("values", "kind", "kept"),
    [
        ([1, None, 2**60 + 1], int, [1, None, 2**60 + 1]),
        ([1, 2.5], float, [1.0, 2.5]),
        ([True, None], bool, [True, None]),
        ([None, None], str, [None, None]),
        (["a", None], str, ["a", None]),
        ([1, "a", None], str, ["1", "a", None]),
    ],
)
def test_a_column_keeps_its_values_whatever_is_missing(values, kind, kept):
    assert kind_of(values) is kind
    texts = [None if value is None else str(value) for value in values] if kind is str else values
    assert [None if pd.isna(value) else value for value in column(texts, kind)] == kept


def test_what_a_reader_must_know_of_the_images_stands_on_the_page(tmp_path):
    study, ledger = small_ledger(tmp_path)
    mark = "digits has 7 scored images of 200 that are near-copies of others"
    seen = ImagesSeen(told=("left out: 3 hidden files",), marks=(mark,))
    write_whole(ledger.images_file, seen.model_dump_json().encode())
    page = render(write_tables(study, ledger, list(judged_trials(ledger))), tmp_path / "page").read_text()
    assert f"{mark}." in page
    assert "hidden files" not in page  # said when the study starts
    ledger.images_file.write_text("{")
    page = render(write_tables(study, ledger, list(judged_trials(ledger))), tmp_path / "page").read_text()
    assert "images.json cannot be read" in page
