"""The tables say of attacks, probes and what decided an objective just what the records say together."""

import json

import numpy as np
import pandas as pd
import pytest

import harness
from harness.driver.reporting import let_go, write_report
from harness.export.folder import write_tables
from harness.judging import judged_trials
from harness.ledger.files import Ledger
from harness.records.asked import AttackJob
from harness.records.attack import AttackRecord
from harness.study.sections import Keep
from reports.cards.failures import failures_table
from reports.cards.trials import front_table
from reports.columns import ALONE
from reports.page import page
from reports.tables import further_metrics, read
from tests.small_ledger import JOB, small_ledger
from tests.values import attack, scores

BEST = {"selection": scores(0.0001, 0.99), "scored": scores(0.0002, 0.98)}
"""Scores of an attack that decides both objectives."""

NEW = (
    "version",
    "knowledge",
    "needs_server",
    "subsets",
    "scored_subsets",
    "errors",
    "variants",
    "extras",
    "null_reasons",
    "details",
    "tuning",
    "probe",
)
"""Fields of a record that the first records did not have."""


@pytest.fixture
def small(tmp_path):
    return small_ledger(tmp_path)


def reconstruction(seed: int = 1, name: str = "decoder", error: float = 0.0001, **measured: object) -> AttackRecord:
    """Return a record of trial 0 that decides both objectives unless its error is large."""
    found = scores(error, 1 - error)
    job = AttackJob(attack=name, budget="quick", seed=seed, part="validation")
    made = attack(0, job, selection=found, scored=found)
    return made.model_copy(update={"measured": made.measured.model_copy(update=measured)})


def probe(name: str = "membership", **measured: object) -> AttackRecord:
    made = attack(0, AttackJob(attack=name, budget="quick", seed=0, part="validation", kind="probe"))
    bare = {"scores": None, "selection": None, "probe": {"auc": 0.5, "tpr": 0.01}}
    return made.model_copy(update={"measured": made.measured.model_copy(update=bare | measured)})


def rows_of(ledger: Ledger, job: str) -> pd.DataFrame:
    table = harness.open(ledger.root).attacks
    return table[table["job"].eq(job)]


def test_the_verdict_shown_is_the_one_beside_the_other_attacks(small):
    _, ledger = small
    known = reconstruction(1, error=0.01, knowledge="none")
    outdone = reconstruction(2, "rmle", error=0.02, knowledge="gradients")
    for record in (known, outdone):
        ledger.publish_attack(record)
    row = rows_of(ledger, outdone.job.name).iloc[0]
    assert outdone.measured.verdict == "converged"
    reason = f"worse than {known.job.name}, which knows no more of the client"
    assert (row["verdict"], row["why"]) == ("limited", reason)
    assert rows_of(ledger, known.job.name)["why"].isna().all()


@pytest.mark.parametrize(("verdict", "marked"), [("limited", True), ("diverged", True), ("floor", False)])
def test_a_trial_is_marked_whose_deciding_attack_did_not_converge(small, verdict, marked):
    _, ledger = small
    ledger.publish_attack(reconstruction(verdict=verdict))
    row = harness.open(ledger.root).trials.iloc[0]
    assert (row["mse_attack"], row["mse_verdict"], row["ssim_verdict"]) == ("decoder-quick-1", verdict, verdict)
    assert row["limited"] == marked


def test_an_attack_that_decides_nothing_marks_nothing(small):
    _, ledger = small
    before = harness.open(ledger.root).trials.iloc[0]
    ledger.publish_attack(reconstruction(error=0.9, verdict="limited"))
    assert harness.open(ledger.root).trials.iloc[0]["limited"] == before["limited"]


@pytest.mark.parametrize(
    ("ended", "verdict", "marked"),
    [
        ("open", "guess", False),  # no better than the guess, but it worked on the undefended network: a floor
        ("floor", ALONE, True),  # nor was it there: inert
        ("diverged", ALONE, True),
        ("converged", "guess", False),
        ("limited", ALONE, True),
    ],
)
def test_a_guess_that_decides_is_believed_if_an_attack_got_as_far_as_it_can(small, ended, verdict, marked):
    _, ledger = small
    path = ledger.trial(0) / "attacks" / f"{JOB.name}.json"
    told = json.loads(path.read_text())
    told["measured"]["verdict"] = ended
    if ended in ("converged", "limited"):  # a record of 0.1
        told["measured"] = {name: value for name, value in told["measured"].items() if name != "gains"}
    path.write_text(json.dumps(told))
    record = ledger.read(0).record
    assert record is not None
    best = record.measured.floors["class_mean"].model_copy(
        update={"scores": scores(0.0002, 0.98), "selection": scores(0.0001, 0.99), "subsets": {}}
    )
    floors = record.measured.floors | {"class_mean": best}
    measured = record.measured.model_copy(update={"floors": floors})
    path = ledger.trial(0) / "record.json"
    path.write_text(record.model_copy(update={"measured": measured}).model_dump_json())
    row = harness.open(ledger.root).trials.iloc[0]
    assert (row["mse_attack"], row["mse_verdict"], row["limited"]) == ("class_mean", verdict, marked)
    assert 0 < row["mse_oracle"] <= row["mse_same_images"]


def test_a_probe_is_in_no_objective_and_in_a_table_of_its_own(small):
    study, ledger = small
    before = harness.open(ledger.root).trials.drop(columns=["seconds", "hours"])
    ledger.publish_attack(probe())
    pd.testing.assert_frame_equal(harness.open(ledger.root).trials.drop(columns=["seconds", "hours"]), before)
    assert not harness.open(ledger.root).attacks["attack"].eq("membership").any()
    found = read(write_tables(study, ledger, list(judged_trials(ledger))))
    assert dict(zip(found.probes["name"], found.probes["value"], strict=True)) == {"auc": 0.5, "tpr": 0.01}
    assert set(found.probes["job"]) == {"membership-quick-0"}


def test_a_failed_probe_is_one_row_without_a_score_and_leaves_the_trial_complete(small):
    study, ledger = small
    ledger.publish_attack(probe(probe=None, verdict="failed"))
    found = read(write_tables(study, ledger, list(judged_trials(ledger))))
    rows = found.probes
    assert (len(rows), rows["verdict"].iloc[0], rows["name"].isna().all()) == (1, "failed", True)
    assert harness.open(ledger.root).trials["state"].iloc[0] == "complete"
    assert ("0", "membership-quick-0", "failed") in [row[:3] for row in failures_table(found).rows]


def test_further_metrics_are_columns_and_why_one_is_missing_is_told(small):
    study, ledger = small
    extras = {"identification_1": 0.25, "lpips": None}
    ledger.publish_attack(reconstruction(extras=extras, null_reasons={"lpips": "needs weights"}))
    ledger.publish_attack(reconstruction(2, extras={"of_a_plug_in": 3.0}))
    found = read(write_tables(study, ledger, list(judged_trials(ledger))))
    assert {"identification_1", "lpips", "of_a_plug_in"} <= set(further_metrics(found.attacks))
    row = found.attacks[found.attacks["job"].eq("decoder-quick-1")].iloc[0]
    assert row["identification_1"] == 0.25
    assert row[["lpips", "of_a_plug_in"]].isna().all()
    assert "needs weights" in found.study["metric_notes"]["lpips"]


def test_a_further_metric_never_replaces_a_column_of_the_contract(small):
    _, ledger = small
    ledger.publish_attack(reconstruction(extras={"mse": 0.5, "trial": 9.0}))
    row = rows_of(ledger, "decoder-quick-1").iloc[0]
    assert (row["trial"], row["mse"]) == (0, 0.0001)


def test_other_reconstructions_of_a_job_are_variants(small):
    study, ledger = small
    ledger.publish_attack(reconstruction(variants={"m=4": scores(0.005), "for_ssim": scores(0.03)}))
    table = read(write_tables(study, ledger, list(judged_trials(ledger)))).variants
    rows = table[table["job"].eq("decoder-quick-1")]
    assert dict(zip(rows["variant"], rows["mse"], strict=True)) == {"m=4": 0.005, "for_ssim": 0.03}


def test_the_oracle_is_never_worse_than_the_best_single_attack_on_the_same_images(small):
    _, ledger = small
    with_scores(ledger, 48)
    row, each = (
        harness.open(ledger.root).trials.iloc[0],
        [scores_on(ledger, name, 48) for name in (JOB.name, "decoder-quick-1")],
    )
    assert row["oracle_images"] == 48
    assert row["mse_oracle"] <= min(table["mse"].mean() for table in each)
    assert row["ssim_oracle"] >= max(table["ssim"].mean() for table in each)
    blind = guessed(ledger).head(48)
    every = [*each, *({"mse": blind[f"{name}/mse"]} for name in ("mean_image", "class_mean"))]
    assert row["mse_oracle"] == pytest.approx(np.min([table["mse"] for table in every], axis=0).mean(), rel=1e-6)
    assert row["oracle_of"] == "2 attacks, 2 guesses"
    assert row["mse_same_images"] == pytest.approx(scores_on(ledger, row["mse_attack"], 48)["mse"].mean(), rel=1e-6)


def test_the_scores_of_guesses_image_by_image_have_the_recorded_means(small):
    _, ledger = small
    record = ledger.read(0).record
    assert record is not None
    for name in ("mean_image", "class_mean"):
        for score, mean in record.measured.floors[name].scores.model_dump().items():
            assert guessed(ledger)[f"{name}/{score}"].mean() == pytest.approx(mean, rel=1e-5)


def test_the_oracle_of_an_older_trial_has_no_guesses_and_says_so(small):
    """Of a lone attack it is then the attack."""
    _, ledger = small
    next(ledger.trial(0).glob("attempt-*/guesses.parquet")).unlink()
    row = harness.open(ledger.root).trials.iloc[0]
    assert row["oracle_of"] == "1 attack, no guess"
    assert row["mse_oracle"] == scores_on(ledger, JOB.name, 200)["mse"].astype(float).mean()


def test_the_guesses_of_another_training_are_not_in_the_oracle(small):
    _, ledger = small
    path = next(ledger.trial(0).glob("attempt-*/train.json"))
    told = json.loads(path.read_text())
    told["files"]["client.safetensors"] = "0" * 64
    path.write_text(json.dumps(told))
    assert harness.open(ledger.root).trials.iloc[0]["oracle_of"] == "1 attack, no guess"


def test_an_attack_whose_scores_are_not_there_is_left_out_of_the_oracle_and_that_is_said(small):
    _, ledger = small
    before = harness.open(ledger.root).trials.iloc[0]
    ledger.publish_attack(reconstruction())
    row = harness.open(ledger.root).trials.iloc[0]
    assert row["oracle_of"] == "1 of 2 attacks, 2 guesses"
    assert row["mse_oracle"] == before["mse_oracle"]
    assert np.isnan(row["mse_same_images"])


def test_there_is_no_oracle_without_the_scores_of_any_attack(small):
    _, ledger = small
    for path in ledger.trial(0).glob(f"attempt-*/{JOB.name}.parquet"):
        path.unlink()
    row = harness.open(ledger.root).trials.iloc[0]
    assert np.isnan(row["mse_oracle"])
    assert pd.isna(row["oracle_images"])


def test_an_attack_that_keeps_fewer_images_leaves_the_originals_of_the_others(small):
    study, ledger = small
    name = with_scores(ledger, 48)
    source = next(ledger.trial(0).glob(f"attempt-*/{JOB.name}.npz"))
    with np.load(source) as arrays:
        np.savez_compressed(source.with_name(f"{name}.npz"), x=arrays["x"][:5], x_hat=arrays["x_hat"][:5])
    found = read(write_tables(study, ledger, list(judged_trials(ledger))))
    assert {key: len(images) for key, images in found.images.items() if "original" in key or name in key} == {
        "original/validation": 24,
        f"00000/{name}": 5,
    }


def test_the_description_says_who_attacks_without_importing_a_plug_in(small):
    study, ledger = small
    ledger.publish_attack(reconstruction())
    ledger.publish_attack(reconstruction(0, "no_such_package.at_all:Attack"))
    told = json.loads((write_tables(study, ledger, list(judged_trials(ledger))) / "study.json").read_text())["attacks"]
    assert set(told) == {"decoder"}
    assert set(told["decoder"]) == {"kind", "knowledge", "threat", "cost", "reference"}


def test_records_of_before_these_fields_are_read_and_shown(small):
    study, ledger = small
    for path in ledger.root.glob("trials/*/attacks/*.json"):
        record = json.loads(path.read_text())
        record["measured"] = {name: value for name, value in record["measured"].items() if name not in NEW}
        for name in ("kind", "tune"):
            record["job"].pop(name)
        path.write_text(json.dumps(record))
    found = read(write_tables(study, ledger, list(judged_trials(ledger))))
    assert found.probes.empty
    assert further_metrics(found.attacks) == []
    assert "Nothing dominates" in page(found)


def test_a_trial_that_was_attacked_later_keeps_its_server(small):
    _, ledger = small
    fail(ledger)
    server = next(ledger.trial(2).glob("attempt-*/server.safetensors"))
    ledger.publish_attack(attack(2, JOB.model_copy(update={"seed": 1})))
    let_go(list(judged_trials(ledger)))
    assert server.exists()
    (ledger.trial(2) / "attacks" / f"{JOB.model_copy(update={'seed': 1}).name}.json").unlink()
    let_go(list(judged_trials(ledger)))
    assert not server.exists()


def test_a_partial_trial_keeps_its_server_for_a_retry(small):
    _, ledger = small
    let_go(list(judged_trials(ledger)))
    assert list(ledger.trial(2).glob("attempt-*/server.safetensors"))


def test_a_study_may_keep_all_servers(small):
    study, ledger = small
    fail(ledger)
    servers = sorted(ledger.root.glob("trials/*/attempt-*/server.safetensors"))
    write_report(study.model_copy(update={"keep": Keep(servers="all")}), ledger)
    assert sorted(ledger.root.glob("trials/*/attempt-*/server.safetensors")) == servers
    write_report(study, ledger)
    assert sorted(ledger.root.glob("trials/*/attempt-*/server.safetensors")) != servers


def fail(ledger: Ledger) -> None:
    """Let the partial trial fail when it is retried."""
    ledger.publish_record(ledger.read(2).record.model_copy(update={"state": "failed"}), again=True)


def with_scores(ledger: Ledger, images: int) -> str:
    """Add an attack to trial 0 that wins on every second of its images; return its job's name."""
    record = reconstruction()
    source = next(ledger.trial(0).glob(f"attempt-*/{JOB.name}.parquet"))
    each = pd.read_parquet(source).head(images)
    factor = np.where(np.arange(images) % 2, 0.5, 1.5)
    won = each.assign(mse=each["mse"] * factor, ssim=each["ssim"] / factor)
    won.to_parquet(source.with_name(f"{record.job.name}.parquet"))
    ledger.publish_attack(record.model_copy(update={"attempt": int(source.parent.name.split("-")[1])}))
    return record.job.name


def guessed(ledger: Ledger) -> pd.DataFrame:
    """Return the scores of trial 0's images under its guesses without z."""
    return pd.read_parquet(next(ledger.trial(0).glob("attempt-*/guesses.parquet")))


def scores_on(ledger: Ledger, name: str, images: int) -> pd.DataFrame:
    return pd.read_parquet(next(ledger.trial(0).glob(f"attempt-*/{name}.parquet"))).head(images)


def test_a_challenger_that_decides_is_named_with_its_base_and_the_error_of_the_estimate(small):
    """An attack on one release of the first 32 images that does four fifths of the decoder's error on each of them."""
    study, ledger = small
    own = ledger.read(0).attacks[0]
    table = pd.read_parquet(ledger.trial(0) / f"attempt-{own.attempt}" / f"{own.job.name}.parquet")
    first = pd.DataFrame({name: table[f"{name}_first"] for name in ("mse", "psnr", "ssim")})
    few = first.head(32).assign(mse=0.8 * first["mse"].head(32))  # of the one release that it sees
    found = scores(float(few["mse"].mean()), float(few["ssim"].mean()))
    job = own.job.model_copy(update={"attack": "costly"})
    errors = {score: float(few[score].std() / 32**0.5) for score in ("mse", "ssim")}
    changes = {"scores": found, "images": 32, "subsets": {}, "scored_subsets": {"32": found}, "errors": errors}
    measured = own.measured.model_copy(update=changes)
    ledger.publish_attack(own.model_copy(update={"job": job, "measured": measured}))
    few.to_parquet(ledger.trial(0) / f"attempt-{own.attempt}" / f"{job.name}.parquet")

    data = read(write_tables(study, ledger, list(judged_trials(ledger))))
    row = data.trials.iloc[0]
    assert (row["mse_attack"], row["mse_base"]) == (job.name, own.job.name)
    assert row["mse"] == pytest.approx(table["mse"].mean() - 0.2 * first["mse"].head(32).mean(), rel=1e-5)
    assert 0 < row["mse_se"] < float(few["mse"].std() / 32**0.5)
    told = "\n".join(cell for cells in front_table(data).rows for cell in cells)
    assert f"{job.name}\nbeside {own.job.name}, on 32 images" in told
