"""The front and its hypervolume obey their definitions."""

import moocore
import numpy as np
import pandas as pd
import pytest

from reports.dominance import OBJECTIVES, joined, non_dominated
from reports.front import PAIRS, front, hypervolume, hypervolume_history, on_front
from reports.statistics import near_front

WORST = {"accuracy": 0.0, "mse": 0.0, "ssim": 1.0}
SIGNS = np.array([1.0, 1.0, -1.0])


def drawn(count: int, seed: int, digits: int = 2) -> pd.DataFrame:
    """Return trials with objectives uniform in [0, 1], rounded so that ties occur."""
    values = np.random.default_rng(seed).random((count, 3)).round(digits)
    table = pd.DataFrame(values, columns=list(OBJECTIVES))
    return table.assign(trial=range(count), state="complete", feasible=True)


def dominates(first: pd.Series, second: pd.Series, names: tuple[str, ...] = OBJECTIVES) -> bool:
    signs = {"accuracy": 1, "mse": 1, "ssim": -1}
    gains = [signs[name] * (first[name] - second[name]) for name in names]
    return min(gains) >= 0 and max(gains) > 0


@pytest.mark.parametrize("names", [OBJECTIVES, *PAIRS])
@pytest.mark.parametrize("seed", range(3))
def test_a_row_is_off_the_front_exactly_when_another_dominates_it(names, seed):
    trials = drawn(60, seed, digits=1)
    rows = [row for _, row in trials.iterrows()]
    expected = [not any(dominates(other, row, names) for other in rows) for row in rows]
    assert on_front(trials, names).tolist() == expected


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("digits", [1, 9])
def test_points_of_any_width_stand_exactly_if_nothing_dominates_them_and_equals_together(width, digits):
    for count in (0, 1, 2, 9, 120):
        points = np.random.default_rng(count).random((count, width)).round(digits)
        points = np.vstack([points, points[: count // 3]])
        better = (points[None] >= points[:, None]).all(axis=2) & (points[None] > points[:, None]).any(axis=2)
        assert non_dominated(points).tolist() == (~better.any(axis=1)).tolist()


def test_every_row_off_the_front_is_dominated_by_a_member():
    trials = drawn(60, 4)
    members = [row for _, row in front(trials).iterrows()]
    others = [row for _, row in trials[~on_front(trials)].iterrows()]
    assert others
    assert all(any(dominates(member, row) for member in members) for row in others)


def test_a_dominated_point_changes_nothing():
    trials = drawn(30, 5)
    worse = front(trials).iloc[[0]].assign(trial=30, mse=lambda row: row["mse"] - 0.001)
    extended = pd.concat([trials, worse], ignore_index=True)
    assert front(extended)["trial"].tolist() == front(trials)["trial"].tolist()
    assert hypervolume(extended, WORST) == pytest.approx(hypervolume(trials, WORST), rel=1e-12)


def test_order_and_index_of_the_rows_do_not_matter():
    trials = drawn(50, 6, digits=1)
    shuffled = trials.sample(frac=1, random_state=0)
    assert on_front(shuffled).sort_index().equals(on_front(trials))
    assert hypervolume(shuffled, WORST) == pytest.approx(hypervolume(trials, WORST), rel=1e-12)


def test_equal_trials_stand_together():
    trials = pd.concat([drawn(1, 7)] * 3, ignore_index=True)
    assert on_front(trials).tolist() == [True] * 3


def test_only_complete_feasible_trials_with_finite_objectives_count():
    best = {"accuracy": 0.9, "mse": 0.9, "ssim": 0.1}
    rows = [
        {"state": "complete", "feasible": True, "accuracy": 0.5, "mse": 0.5, "ssim": 0.5},
        {"state": "partial", "feasible": True, **best},
        {"state": "complete", "feasible": False, **best},
        {"state": "complete", "feasible": None, **best},
        {"state": "complete", "feasible": True, **best, "mse": np.nan},
        {"state": "complete", "feasible": True, **best, "ssim": np.inf},
        {"state": "running", "feasible": None, "accuracy": None, "mse": None, "ssim": None},
    ]
    assert on_front(pd.DataFrame(rows)).tolist() == [True] + [False] * 6


@pytest.mark.parametrize("digits", [1, 6])
@pytest.mark.parametrize("seed", range(5))
def test_a_front_that_a_point_joins_is_that_of_the_union(seed, digits):
    rng = np.random.default_rng(seed)
    for count in range(60):
        points = rng.random((count, 3)).round(digits)
        members, point = points[non_dominated(points * SIGNS)], rng.random(3).round(digits)
        members.flags.writeable = point.flags.writeable = False
        *remain, stands = non_dominated(np.vstack([members, point]) * SIGNS).tolist()
        kept = joined(members, point)
        assert (kept is not None) == stands
        assert remain == ([True] * len(members) if kept is None else kept.tolist())


def test_a_point_equal_to_a_member_stands_beside_it():
    members = np.array([[0.9, 0.01, 0.5], [0.8, 0.02, 0.5]])
    for member in members:
        kept = joined(members, member)
        assert kept is not None
        assert kept.all()


def test_no_trials_have_an_empty_front_and_no_volume():
    trials = drawn(0, 0)
    assert on_front(trials).empty
    assert on_front(trials).dtype == bool
    assert hypervolume(trials, WORST) == 0
    assert hypervolume_history(trials, WORST).empty


def test_hypervolume_of_one_point_is_its_box():
    point = pd.DataFrame([{"accuracy": 0.8, "mse": 0.05, "ssim": 0.4}])
    assert hypervolume(point, {"accuracy": 0.1, "mse": 0.01, "ssim": 1.0}) == pytest.approx(0.7 * 0.04 * 0.6)


def test_hypervolume_of_two_points_is_inclusion_and_exclusion():
    points = pd.DataFrame({"accuracy": [0.9, 0.5], "mse": [0.2, 0.6], "ssim": [0.5, 0.3]})
    boxes = 0.9 * 0.2 * 0.5 + 0.5 * 0.6 * 0.7
    assert hypervolume(points, WORST) == pytest.approx(boxes - 0.5 * 0.2 * 0.5)


def test_hypervolume_of_a_staircase_has_a_closed_form():
    steps = np.arange(1, 101) / 100
    points = pd.DataFrame({"accuracy": steps, "mse": 1.01 - steps, "ssim": 0.0})
    assert hypervolume(points, WORST) == pytest.approx(0.505, rel=1e-12)


def test_hypervolume_is_that_of_moocore():
    points = drawn(400, 11, digits=6)
    of_others = moocore.hypervolume(-points[list(OBJECTIVES)].to_numpy() * SIGNS, ref=[0, 0, 1])
    assert hypervolume(points, WORST) == pytest.approx(of_others, rel=1e-12)


def test_points_no_better_than_the_reference_add_nothing():
    points = pd.DataFrame({"accuracy": [0.2, 0.9], "mse": [0.9, 0.0], "ssim": [0.5, 0.5]})
    assert hypervolume(points, {"accuracy": 0.2, "mse": 0.0, "ssim": 1.0}) == 0


def test_hypervolume_agrees_with_monte_carlo():
    points = drawn(40, 8, digits=6)
    sample = np.random.default_rng(9).random((100_000, 3))
    covered = np.zeros(len(sample), dtype=bool)
    for accuracy, mse, ssim in points[list(OBJECTIVES)].to_numpy():
        covered |= (sample <= [accuracy, mse, 1 - ssim]).all(axis=1)
    assert hypervolume(points, WORST) == pytest.approx(covered.mean(), abs=4 * 0.5 / np.sqrt(len(sample)))


def test_hypervolume_history_is_that_of_each_prefix():
    trials = drawn(25, 10, digits=1).sample(frac=1, random_state=1)
    trials.loc[trials["trial"] == 3, "state"] = "failed"
    history = hypervolume_history(trials, WORST)
    prefixes = [front(trials[trials["trial"] <= number]) for number in range(25)]
    assert history["trial"].tolist() == list(range(25))
    np.testing.assert_allclose(history["hypervolume"], [hypervolume(prefix, WORST) for prefix in prefixes], rtol=1e-12)


def test_hypervolume_history_of_more_trials_than_a_block_ends_where_the_hypervolume_does():
    trials = drawn(1300, 12, digits=3)
    history = hypervolume_history(trials, WORST)["hypervolume"]
    for number in (511, 512, 700, 1299):
        assert history[number] == pytest.approx(hypervolume(trials[: number + 1], WORST), rel=1e-12)


def test_a_point_is_near_the_front_exactly_if_nothing_beats_it_by_more_than_the_margin():
    points = drawn(300, 13, digits=2)[list(OBJECTIVES)].to_numpy()
    margins = np.array([0.01, 0.05, 0.02]) * np.column_stack([np.ones(300), points[:, 1], np.ones(300)])
    slack = points * SIGNS + margins
    beaten = ((points * SIGNS)[None] > slack[:, None]).all(axis=2).any(axis=1)
    assert near_front(points).tolist() == (~beaten).tolist()
