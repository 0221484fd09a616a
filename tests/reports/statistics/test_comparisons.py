"""Differences, matched accuracy and ranks agree with scipy and scikit-posthocs, and decide as they say."""

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from scipy import stats

from reports.statistics import ROPE, candidates, differences, matched, paired, ranks, seeds_needed
from reports.statistics.differences import holm
from reports.statistics.seeds_needed import power

COLUMNS = ["trial", "seed", "accuracy", "mse", "ssim"]


def runs_of(table: dict[int, list[tuple[float, float, float]]]) -> pd.DataFrame:
    rows = [(trial, seed, *values) for trial, found in table.items() for seed, values in enumerate(found)]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_a_paired_difference_is_scipys():
    first, second = np.random.default_rng(0).normal(size=(2, 6))
    found, theirs = paired(first - second, rope=0.0), stats.ttest_rel(first, second)
    low, high = theirs.confidence_interval(0.95)
    assert (found.difference, found.low, found.high, found.p) == pytest.approx(
        ((first - second).mean(), low, high, theirs.pvalue)
    )


def test_equivalence_is_two_one_sided_tests():
    values = np.random.default_rng(1).normal(0.002, 0.004, 8)
    lower = stats.ttest_1samp(values, -0.01, alternative="greater").pvalue
    upper = stats.ttest_1samp(values, 0.01, alternative="less").pvalue
    assert paired(values, rope=0.01).p_apart == pytest.approx(max(lower, upper))


def test_holms_correction_is_the_published_one():
    """Holm 1979: .01, .02, .03, .04 of four become .04, .06, .06, .06; what is unknown counts for nothing."""
    assert holm(np.array([0.04, np.nan, 0.01, 0.03, 0.02])) == pytest.approx(
        [0.06, np.nan, 0.04, 0.06, 0.06], nan_ok=True
    )
    assert holm(np.array([0.9, 0.8])).max() == 1.0


def test_pairs_are_told_better_worse_equivalent_or_undecided():
    noise = np.array([-1e-4, 0.0, 1e-4, 2e-4, -2e-4])
    strong = [(0.70 + e, 0.030 + e, 0.40) for e in noise]
    weak = [(0.70 - e, 0.010, 0.402) for e in noise]
    loose = [(0.70 + 40 * e, 0.020 + 20 * e, 0.40 + 90 * e) for e in noise]
    found = differences(runs_of({0: strong, 1: weak, 2: loose}), [(0, 1), (1, 0), (0, 2)])
    told = found.set_index(["first", "second", "objective"]).sort_index()["verdict"]
    assert told[0, 1].to_dict() == {"accuracy": "equivalent", "mse": "better", "ssim": "equivalent"}
    assert told[1, 0]["mse"] == "worse"
    assert told[0, 2]["ssim"] == "undecided"
    assert (found["more_seeds"] > 0).tolist() == (found["verdict"] == "undecided").tolist()
    assert found["difference"][2] == pytest.approx(0.002)


def test_after_so_many_more_seeds_most_comparisons_are_decided():
    more = seeds_needed(0.01, 0.012, rope=0.0, seeds=3)
    rng = np.random.default_rng(2)
    drawn = rng.normal(0.01, 0.012, size=(2000, 3 + more))
    assert np.mean(stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.05)


def test_equal_candidates_are_decided_by_equivalence_alone():
    more = seeds_needed(0.0, 0.005, rope=ROPE["accuracy"], seeds=2)
    drawn = np.random.default_rng(3).normal(0, 0.005, size=(500, 2 + more))
    apart = [paired(values, ROPE["accuracy"]).p_apart for values in drawn]
    assert np.mean(np.array(apart) < 0.05) >= 0.6
    assert seeds_needed(0.0, 0.005, rope=0.0, seeds=2) is None
    assert seeds_needed(0.01, float("nan"), rope=0.0, seeds=1) is None


def test_more_seeds_never_decide_less():
    chances = power(0.01, 0.02, 0.0, np.arange(2, 60))
    assert (np.diff(chances) >= -1e-9).all()


def test_ranks_are_those_of_scikit_posthocs():
    scores = pd.DataFrame(np.random.default_rng(4).normal([0, 0.5, 1.5, 0.1], 1, size=(12, 4)), columns=[*"abcd"])
    found = ranks(scores)
    nemenyi = scikit_posthocs.posthoc_nemenyi_friedman(scores)
    for one in scores:
        for other in scores:
            apart = abs(found.mean[one] - found.mean[other]) > found.critical_difference
            assert apart == (nemenyi.loc[one, other] < 0.05)
            together = any({one, other} <= set(group) for group in found.groups)
            assert one == other or together != apart
    assert found.p == pytest.approx(stats.friedmanchisquare(*scores.to_numpy().T).pvalue)
    assert found.mean.index[0] == "c"


def test_the_critical_difference_is_the_published_one():
    """Demšar 2006, section 3.2.2: four classifiers on 14 data sets, q = 2.569, CD = 1.25."""
    scores = pd.DataFrame(np.random.default_rng(5).random((14, 4)))
    assert ranks(scores).critical_difference == pytest.approx(1.25, abs=0.005)


def test_a_study_without_a_defense_is_not_ranked():
    with pytest.raises(ValueError, match="b"):
        ranks(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, float("nan")]}))
    assert ranks(pd.DataFrame({"a": [1.0]})).groups == []


MATCHED = {
    0: [(0.70, 0.010, 0.6), (0.71, 0.011, 0.6), (0.69, 0.009, 0.6)],
    1: [(0.65, 0.014, 0.5), (0.66, 0.015, 0.5), (0.65, 0.013, 0.5)],
    2: [(0.70, 0.020, 0.4), (0.70, 0.022, 0.4), (0.70, 0.018, 0.4)],
    3: [(0.60, 0.040, 0.2), (0.61, 0.040, 0.2), (0.60, 0.041, 0.2)],
}
NAMES = {0: "none", 1: "none", 2: "vib", 3: "vib"}


def test_a_defense_is_held_against_the_undefended_network_at_its_accuracy():
    found = matched(runs_of(MATCHED), NAMES, accuracy=0.70).set_index("defense")
    assert (found["trials"]["none"], found["trials"]["vib"]) == ((0,), (2,))
    assert found["value"]["vib"] == pytest.approx(0.020)
    gains = np.array([0.010, 0.011, 0.009])
    assert found["gain"]["vib"] == pytest.approx(gains.mean())
    assert found["gain_low"]["vib"] == pytest.approx(stats.t.interval(0.95, 2, gains.mean(), stats.sem(gains))[0])
    assert found["gain"].isna()["none"]


def test_at_a_lower_accuracy_the_undefended_network_may_be_noisier():
    found = matched(runs_of(MATCHED), NAMES, accuracy=0.60, objective="ssim").set_index("defense")
    assert (found["trials"]["none"], found["trials"]["vib"]) == ((1,), (3,))
    assert found["gain"]["vib"] == pytest.approx(0.3)


def test_whoever_does_not_reach_an_accuracy_buys_nothing_there():
    found = matched(runs_of(MATCHED), NAMES, accuracy=0.9).set_index("defense")
    assert found[["value", "gain"]].isna().all(axis=None)


def test_the_luckiest_of_many_equals_is_not_taken_at_its_luck():
    """Twenty candidates of one mean: the best of them on its own seeds would seem better than they are."""
    rng = np.random.default_rng(6)
    values = []
    for _ in range(15):
        table = {trial: [(0.7, 0.01 + e, 0.5) for e in rng.normal(0, 0.001, 3)] for trial in range(20)}
        values.append(matched(runs_of(table), dict.fromkeys(table, "none"), 0.7)["value"][0])
    assert np.mean(values) == pytest.approx(0.01, abs=0.0004)


def test_the_table_of_candidates_has_a_row_each_with_settings_intervals_and_probability():
    settings = pd.DataFrame(
        {
            "trial": [0, 1, 2, 3, 4],
            "defense/name": ["none", "none", "vib", "vib", "x"],
            "defense/x/a": [None] * 4 + [1.0],
        }
    )
    failed = pd.DataFrame([(4, 0, 0.5, np.nan, np.nan)], columns=COLUMNS)
    found = candidates(pd.concat([runs_of(MATCHED), failed]), settings)
    scores = [f"{name}{end}" for name in ("accuracy", "mse", "ssim") for end in ("", "_low", "_high")]
    assert [*found] == ["trial", "defense/name", "defense/x/a", "seeds", *scores, "p_on_front"]
    assert found["seeds"].tolist() == [3, 3, 3, 3, 0]
    assert found["mse"].tolist()[:3] == pytest.approx([0.010, 0.014, 0.020])
    assert found.loc[4, ["mse", "p_on_front"]].isna().all()
    assert found["p_on_front"][:4].between(0, 1).all()
