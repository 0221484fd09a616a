"""The page begins with what confirming has shown, and says what it has not."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from reports import figures, pictures
from reports.columns import CANDIDATES
from reports.confirmed import answer_words, applicable, candidates_of, confirmed_table, confirmed_words
from reports.confirmed_front import confirmed_chart, confirmed_pair
from reports.confirmed_gains import gains, gains_table, gains_words
from reports.points import looks
from reports.tables import StudyData, read
from tests.synthetic_study import write_study
from tests.synthetic_suite import write_suite


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> StudyData:
    return read(write_suite(tmp_path_factory.mktemp("confirmed"), confirms=["confirm 1, 2026-01-01T00:00Z: trials 0"]))


def with_runs(data: StudyData, runs: pd.DataFrame) -> StudyData:
    return dataclasses.replace(data, confirmed=runs)


def test_a_study_that_nobody_confirmed_says_how(tmp_path):
    assert "`invfront confirm`" in applicable(read(write_study(tmp_path)))


def test_a_candidate_has_its_columns_and_its_settings(data):
    rows = candidates_of(data)
    assert {*CANDIDATES} <= {*rows}
    assert rows["seeds"].eq(3).all()
    assert (rows["mse_low"] < rows["mse"]).all()
    assert "defense/laplace/scale" in rows


def test_the_table_shows_what_the_search_saw_beside_what_was_confirmed(data):
    rows = candidates_of(data)
    table = confirmed_table(data, rows)
    first = dict(zip(table.headers, table.rows[0], strict=True))
    searched = data.trials.set_index("trial").loc[int(first["trial"])]
    assert first["accuracy, searched"] == f"{searched['accuracy']:.3f}"
    assert float(first["accuracy ↑"].split()[0]) < searched["accuracy"]
    probabilities = [float(row[table.headers.index("p(front)")]) for row in table.rows]
    assert probabilities == sorted(probabilities, reverse=True)


def test_the_words_tell_who_is_on_the_front_how_far_the_search_was_off_and_who_read_the_test_part(data):
    words = " ".join([*answer_words(candidates_of(data)), *confirmed_words(data, candidates_of(data))])
    assert "On the confirmed front with 95 % or more" in words
    assert "too good" in words
    assert "The test part was read by confirm 1" in words


def test_one_seed_says_nothing_of_probability(data):
    single = with_runs(data, data.confirmed[data.confirmed["seed"].eq(0)])
    assert "with a second one" in " ".join(answer_words(candidates_of(single)))
    assert gains_table(candidates_of(single), gains(single, candidates_of(single))).rows
    assert confirmed_pair(single, candidates_of(single), "accuracy", "mse").points["x_low"].notna().all()


def test_trainings_that_failed_are_told_and_count_for_nothing(data):
    runs = data.confirmed.copy()
    runs.loc[runs["trial"].eq(1), ["mse", "ssim"]] = np.nan
    failed = with_runs(data, runs)
    rows = candidates_of(failed)
    assert "3 trainings failed" in " ".join(confirmed_words(failed, rows))
    assert 1 not in confirmed_pair(failed, rows, "accuracy", "ssim").points["trial"].tolist()
    assert 1 not in gains(failed, rows)["first"].tolist()
    all_failed = with_runs(data, runs.assign(mse=np.nan, ssim=np.nan))
    assert answer_words(candidates_of(all_failed))
    assert gains_words(candidates_of(all_failed), gains(all_failed, candidates_of(all_failed))) is not None


def test_a_defense_is_held_against_an_undefended_network_that_is_as_accurate(data):
    rows = candidates_of(data)
    found = gains(data, rows)
    means = rows.set_index("trial")
    assert means.loc[found["second"], "defense/name"].eq("none").all()
    assert (means.loc[found["second"], "accuracy"].to_numpy() >= means.loc[found["first"], "accuracy"] - 0.005).all()
    told = " ".join(gains_words(rows, found))
    better = found[found["verdict"].eq("better") & found["objective"].eq("mse")]
    assert len(better)
    ratios = means.loc[better["first"], "mse"].to_numpy() / means.loc[better["second"], "mse"].to_numpy()
    most = better.iloc[int(ratios.argmax())]
    assert f"(trial {most['first']}): its mse is {ratios.max():.2f} times that of the most private undefended" in told
    paid = found[found["first"].eq(most["first"]) & found["objective"].eq("accuracy")]["difference"].iloc[0]
    assert f" for {-100 * paid:.1f} points of accuracy" in told
    alone = rows[rows["defense/name"].ne("none")]
    assert "No confirmed undefended network is as accurate" in " ".join(gains_words(alone, gains(data, alone)))


def test_bands_and_intervals_are_drawn_and_names_are_text(data):
    trials = data.trials.assign(**{"defense/name": data.trials["defense/name"].replace("laplace", "<b>$x_1")})
    odd = dataclasses.replace(data, trials=trials)
    pair = confirmed_pair(odd, candidates_of(odd), "accuracy", "ssim")
    assert [*pair.bands] == ["best", "median", "worst"]
    assert pair.ranges[1][0] > pair.ranges[1][1]
    chart = confirmed_chart(pair, looks(trials))
    assert "&lt;b&gt;$x_1" in [trace.name for trace in figures.draw(chart).data]
    assert pictures.saved(pictures.draw(chart))["png"].startswith(b"\x89PNG")
