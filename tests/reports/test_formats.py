"""How settings and lines are told: what every page and figure writes alike."""

import pandas as pd

from reports import formats
from reports.chart import Axis, Chart, Level, Series


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
