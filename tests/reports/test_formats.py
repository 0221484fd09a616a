"""How settings and lines are told: what every page and figure writes alike."""

import io

import pandas as pd
import pytest

from reports import formats
from reports.chart import Axis, Chart, Level, Series
from reports.separated import to_csv


def test_a_setting_that_no_trial_has_tells_none_apart():
    trials = pd.DataFrame(
        {
            "defense/name": ["none", "laplace"],
            "data/size": [None, None],
            "train/epochs": [8, 8],
            "defense/laplace/scale": [None, 0.1],
        }
    )
    assert formats.varying_settings(trials) == ["defense/name", "defense/laplace/scale"]


def test_the_words_of_a_line_right_of_all_points_stand_left_of_it():
    chart = Chart(Axis("mse"), Axis("row"), (Series([0.01, 0.02], [0, 1]),))
    assert chart.beyond(Level(0.06, "mean image", upright=True))
    assert not chart.beyond(Level(0.015, "mean image", upright=True))
    assert not chart.beyond(Level(3.0, "most", upright=False))


@pytest.mark.parametrize("cell", ["-0.012", "+3", "-0.72 (6)", "-0.98 (-0.99 to -0.93)", "-1e-05"])
def test_a_number_in_words_is_no_formula(cell):
    (written,) = pd.read_csv(io.BytesIO(to_csv(pd.DataFrame({"cell": [cell]}))), dtype=str)["cell"]
    assert written == cell


@pytest.mark.parametrize("cell", ["-1+cmd|' /C calc'!A0", "=1", "-A1", "+1 (A1)", "-2+3", "@SUM(1)"])
def test_what_a_spreadsheet_might_run_is_kept_from_it(cell):
    (written,) = pd.read_csv(io.BytesIO(to_csv(pd.DataFrame({"cell": [cell]}))), dtype=str)["cell"]
    assert written == f"'{cell}"
