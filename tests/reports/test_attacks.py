"""The page of a study under the whole suite: verdicts, further metrics, repeated releases, other leakages."""

import re
import shutil
from html import unescape

import pandas as pd
import pytest

from reports import attack_tables, points
from reports.attack_tables import MOST_ROWS
from reports.cards import leakages, oracle
from reports.cards import repeats as repeated
from reports.cards import trials as front_trials
from reports.cards.repeats import most_telling, repeats, repeats_table
from reports.columns import ALONE
from reports.curves import MOST, attack_curves
from reports.front import front, on_front
from reports.page import _write_tables, make, page, page_of, with_pictures
from reports.study import Study
from reports.suites import lacking
from reports.tables import read
from reports.words import ORACLE, cautions
from tests.reports.test_page import HOSTILE, markup
from tests.synthetic_study import write_study
from tests.synthetic_suite import ATTACKS, PROBES, write_suite


@pytest.fixture(scope="module")
def html(suited, made):
    return markup(page_of(suited, made))


def section(html: str, name: str) -> str:
    """Return a section's text as a reader sees it."""
    part = html.split(f'<section id="{name}">')[1].split("</section>")[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", part)).split())


def test_the_page_has_a_section_for_repeated_releases_and_one_for_other_leakages(html):
    assert "m = 64" in section(html, "repeated")
    assert [name for name in PROBES if f"<h3>{name}</h3>" in html] == list(PROBES)
    for anchor in ("repeated", "leakages"):
        assert f'<a href="#{anchor}">' in html


def test_a_study_without_the_new_tables_has_neither_section(tmp_path):
    html = markup(page(read(write_study(tmp_path, 3))))
    assert 'id="leakages"' not in html
    assert 'id="repeated"' not in html


def test_each_probe_states_its_threat_model(html):
    text = section(html, "leakages")
    for name in PROBES:
        assert f"Whoever reads the traffic, and holds what {name} needs." in text
        assert f"Somebody, Something about {name}, 2020." in text


def test_the_front_names_who_decided_each_objective_and_how_it_ended(suite):
    rows = {row[0].split()[0]: row[6] for row in front_trials.front_table(read(suite)).rows}
    assert rows["0"] == "decoder_xl-quick-0\ntight"
    assert rows["5"] == "mse: decoder_xl-quick-0\ntight\nssim: class_mean\na guess without z"


def test_a_trial_whose_deciding_attack_did_not_converge_is_marked(suite):
    data = read(suite)
    table = front_trials.front_table(data)
    marked = {int(row[0].split()[0]) for row in table.rows if "↓" in row[0]}
    members = front(data.trials)
    assert marked == set(members.loc[members["limited"], "trial"])
    assert marked
    assert all(("open ↓" in row[6]) == ("↓" in row[0]) for row in table.rows)
    assert all(str(trial) in cautions(data)[0] for trial in marked)


def test_a_guess_beside_which_no_attack_converged_is_marked_and_told(tmp_path):
    data = write_suite(tmp_path, 6)
    trials = pd.read_parquet(data / "trials.parquet")
    trials.loc[trials["trial"].eq(5), ["ssim_verdict", "limited", "on_front"]] = [ALONE, True, True]
    trials.to_parquet(data / "trials.parquet")
    found = read(data)
    rows = {row[0]: row[6] for row in front_trials.front_table(found).rows}
    assert rows["5 ↓"].endswith("class_mean\na guess without z, no attack works ↓")
    assert any("a guess without z in 1 trial, where no attack works" in told for told in cautions(found))


def test_trials_under_different_attacks_are_marked_and_told(tmp_path):
    folder = write_suite(tmp_path, 6)
    assert lacking(read(folder)) == {}
    assert not any("attacked alike" in told for told in cautions(read(folder)))
    attacks = pd.read_parquet(folder / "attacks.parquet")
    later = attacks[attacks["trial"].eq(0) & attacks["job"].eq("rmle-quick-0")]
    gone = attacks["trial"].eq(5) & attacks["job"].eq("decoder-quick-0")
    attacks = pd.concat([attacks[~gone], later.assign(job="rmle-strong-0", budget="strong")])
    attacks.to_parquet(folder / "attacks.parquet")
    data = read(folder)
    assert lacking(data) == {
        **{trial: ["rmle:strong"] for trial in (1, 2, 3, 4)},
        5: ["decoder:quick tuned over 6", "rmle:strong"],
    }
    marked = {int(row[0].split()[0]) for row in front_trials.front_table(data).rows if "≠" in row[0]}
    assert marked == set(front(data.trials)["trial"]) - {0}
    told = next(told for told in cautions(data) if "attacked alike" in told)
    assert "decoder:quick tuned over 6 is missing from 1 trial (5)" in told
    assert "rmle:strong is missing from 5 trials (1, 2, 3, 4 and 5)" in told


def test_an_unsettled_front_is_drawn_over_what_it_shares_and_says_how_it_is_settled(tmp_path):
    """One trial alone had a stronger attack: over all its attacks it would leave the front, over shared ones not."""
    folder = write_suite(tmp_path, 6, unsettled=["rmle-strong-0"])
    trials, attacks = pd.read_parquet(folder / "trials.parquet"), pd.read_parquet(folder / "attacks.parquet")
    member = int(trials.loc[trials["on_front"], "trial"].iloc[0])
    own = attacks[attacks["trial"].eq(member) & attacks["job"].eq("rmle-quick-0")]
    later = own.assign(job="rmle-strong-0", budget="strong", mse=1e-6, ssim=0.999)
    pd.concat([attacks, later]).to_parquet(folder / "attacks.parquet")
    trials = trials.assign(mse_shared=trials["mse"], ssim_shared=trials["ssim"])
    trials.loc[trials["trial"].eq(member), ["mse", "ssim", "accuracy"]] = [1e-6, 0.999, 0.1]
    before = on_front(trials.drop(columns=["mse_shared", "ssim_shared"]))
    assert not before[trials["trial"].eq(member)].any()
    trials.loc[trials["trial"].eq(member), "mse_shared"] = 1.0
    trials.to_parquet(folder / "trials.parquet")
    data = read(folder)
    assert member in set(front(data.trials)["trial"])
    drawn = points.pair(data, "accuracy", "mse").points.set_index("trial")
    assert (drawn.loc[member, "y"], drawn.loc[member, "kind"]) == (1.0, "front")
    told = next(told for told in cautions(data) if "unsettled" in told)
    assert "rmle:strong is missing from" in told
    assert "`invfront attack STUDY front --until-stable" in told


def test_an_attack_that_failed_is_one_that_the_trial_lacks(tmp_path):
    folder = write_suite(tmp_path, 2)
    attacks = pd.read_parquet(folder / "attacks.parquet")
    attacks.loc[attacks["trial"].eq(1) & attacks["attack"].eq("dip"), "verdict"] = "failed"
    attacks.to_parquet(folder / "attacks.parquet")
    assert lacking(read(folder)) == {1: ["dip:quick"]}


def test_the_oracle_stands_beside_the_deciding_attack_on_the_same_images(suite):
    data = read(suite)
    table = oracle.oracle_table(data)
    assert [row[0] for row in table.rows] == [row[0].split()[0] for row in front_trials.front_table(data).rows]
    assert all(float(row[4]) <= float(row[3]) and float(row[6]) >= float(row[5]) for row in table.rows)
    assert {row[-1] for row in table.rows} == {"9 attacks, 2 guesses"}
    assert ORACLE in cautions(data)


def test_no_oracle_is_spoken_of_where_there_is_none(tmp_path):
    data = read(write_study(tmp_path, 3))
    assert oracle.oracle_table(data).rows == []
    assert ORACLE not in cautions(data)


def test_verdicts_are_counted_with_what_lowered_them(suite):
    data = read(suite)
    rows = {row[0]: row for row in attack_tables.verdicts_table(data).rows}
    jobs = len(data.attacks) // len(ATTACKS)
    assert set(rows) == set(ATTACKS)
    headers = attack_tables.verdicts_table(data).headers
    assert headers == ("attack", "budget", "part", "tight", "open", "failed", "because")
    assert all(sum(map(int, row[3:6])) == jobs for row in rows.values())
    assert rows["gan_prior"][6] == f"worse than decoder_xl-quick-0, which knows no more of the client ({jobs})"


def test_a_column_that_says_nothing_is_left_out(tmp_path):
    data = read(write_study(tmp_path, 3))
    words = set(data.attacks["verdict"])
    assert set(attack_tables.verdicts_table(data).headers[3:]) == words
    assert not {"part", "knows", "tuned over", "remark"} & set(attack_tables.attacks_table(data).headers)


def test_an_open_objective_says_what_a_better_attacker_could_reach(suite, html):
    data = read(suite)
    found = data.trials[data.trials["mse_within"].notna()]
    assert len(found)
    front = {row[0].split()[0]: " ".join(row[4].split()) for row in front_trials.front_table(data).rows}
    for row in found[found["on_front"]].to_dict("records"):
        assert f"(a better attacker could reach {row['mse_within']:.4f})" in front[str(row["trial"])]
    assert "a better attacker could reach" in " ".join(html.split())
    tight = data.trials[data.trials["mse_verdict"].eq("tight") & data.trials["on_front"]]
    assert not any("could reach" in front[str(trial)] for trial in tight["trial"])


def test_gains_stand_with_their_intervals_and_flags_are_remarks(suite):
    table = attack_tables.attacks_table(read(suite))
    rows = [dict(zip(table.headers, row, strict=True)) for row in table.rows]
    of_xl = next(row for row in rows if row["job"] == "decoder_xl-quick-0")
    assert of_xl["twice the steps gain"] == "2.0% (1.0 to 4.0)"
    assert of_xl["twice the images gain"] == "1.0% (0.5 to 2.0)"
    assert "twice the width gains" not in table.headers
    assert any("seeds disagree" in row["remark"] for row in rows if row["job"] == "dip-quick-0")


def test_further_metrics_are_told_with_their_meaning_and_why_one_is_missing(suite, html):
    data = read(suite)
    table = attack_tables.deciding_metrics_table(data)
    assert "identification 1" in table.headers
    assert "lpips" not in table.headers
    meanings = dict(attack_tables.meanings(data))
    assert meanings["identification_1"] == "what identification_1 means"
    assert "Missing: needs the weights" in meanings["lpips"]
    assert meanings["lpips"] in section(html, "attacks")


def test_a_figure_of_many_attacks_draws_those_that_decided(suite):
    curves = attack_curves(read(suite))
    assert 0 < len(curves) <= MOST
    assert {curve.job for curve in curves} == {"decoder_xl-quick-0"}


def test_a_lone_trials_attacks_are_told_apart_by_colour(tmp_path):
    curves = attack_curves(read(write_suite(tmp_path, 1)))
    assert len(curves) == len(ATTACKS)
    assert len({(curve.look.colour, curve.look.plotly) for curve in curves}) == len(ATTACKS)


def test_of_very_many_attacks_those_of_the_front_are_listed(tmp_path):
    data = read(write_suite(tmp_path, 80))
    listed = attack_tables.attacks_table(data)
    assert len(data.attacks) > MOST_ROWS
    assert {int(row[0]) for row in listed.rows} == {*front(data.trials)["trial"], 0}
    assert listed.caption.startswith(f"Of {len(data.attacks)} attacks, those on the front's trials")


def test_repeated_releases_start_from_the_jobs_own_scores(suite):
    data = read(suite)
    first = repeats(data)[0]
    job = data.attacks[data.attacks["trial"].eq(first.trial) & data.attacks["job"].eq(first.job)].iloc[0]
    assert list(first.mse) == [1, 4, 16, 64]
    assert first.mse[1] == job["mse"]
    assert len(repeats_table([first]).rows[0]) == 3 + 8


def test_a_figure_of_repeated_releases_has_one_line_a_trial(suite):
    found = repeats(read(suite))
    worse = [repeat._replace(job="other", mse={m: 2 * mse for m, mse in repeat.mse.items()}) for repeat in found]
    assert most_telling([*worse, *found]) == found[:MOST]


def test_probes_that_failed_or_took_time_are_told(html):
    assert "gradient-quick-0" in section(html, "failures")
    assert "probe gradient, quick" in section(html, "cost")
    assert "probes." in section(html, "cost")


def test_a_probe_on_no_trial_that_is_shown_says_where_its_scores_are(suite):
    data = read(suite)
    dominated = set(data.trials["trial"]) - set(front(data.trials)["trial"]) - {0}
    probes = data.probes[data.probes["trial"].isin(dominated)]
    alone = leakages.leakages(type(data)(**{**vars(data), "probes": probes}))
    assert [leakage.table.rows for leakage in alone] == [[]] * len(PROBES)


def test_hostile_text_is_shown_as_text_wherever_attacks_speak(tmp_path):
    html = page(read(write_suite(tmp_path, 4, hostile=HOSTILE)))
    assert "<script>document.title" not in html
    assert "<img src=http" not in html
    assert html.count("</script>") == 3
    told = "&lt;/script&gt;&lt;script&gt;document.title"
    for place in (
        "which knows no more of the client",
        "auc release",
        "what lpips means",
        "for_ssim",
        "plugin metric",
        "gradient needs.",
    ):
        assert f"{place}{told}" in html


def test_probes_and_variants_are_exported(tmp_path):
    data = read(write_suite(tmp_path, 2))
    study = Study(data)
    _write_tables(study, tmp_path)
    with_pictures(make(study, [repeated.CARD]), tmp_path / "figures")
    for name in ("probes", "variants"):
        assert len(pd.read_parquet(tmp_path / f"{name}.parquet")) == len(getattr(data, name))
        assert len(pd.read_csv(tmp_path / f"{name}.csv")) == len(getattr(data, name))
    assert (tmp_path / "figures" / "repeated-releases.png").exists()
    assert r"$^\downarrow$ \\" in (tmp_path / "front.tex").read_text()


def test_columns_of_nullable_types_give_the_same_page(suite, suited, made, tmp_path):
    data = shutil.copytree(suite, tmp_path / "data")
    for path in data.glob("*.parquet"):
        pd.read_parquet(path).convert_dtypes().to_parquet(path)
    assert page(read(data)) == page_of(suited, made)


def test_every_table_has_a_caption(html):
    assert html.count("<table>") == html.count("<caption>")
