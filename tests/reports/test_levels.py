"""The card of what more images give the attacker: a curve for each trial and attack, beside the study's own numbers."""

from pathlib import Path

import pandas as pd
import pytest

from reports.curves import shown_trials
from reports.figures import draw_levels
from reports.levels import WORST, drawn_curves, level_curves, levels_table
from reports.page import page
from reports.pictures import draw_levels as draw_picture
from reports.points import looks
from reports.sections import failures_table
from reports.tables import StudyData, read
from tests.synthetic_study import write_study

JOBS = ("decoder-quick-0", "decoder-quick-1")
HELD = ((40, "n40", 3.0), (160, "n160", 1.5), (320, None, 1.0), (820, "members", 0.8))
"""Number of images, level, and mse over that of the study's own attacker."""


def with_levels(folder: Path) -> Path:
    """Write a study whose front's trials and anchors were attacked at three other levels, one of them in vain."""
    written = write_study(folder, 4)
    numbers = [int(number) for number in shown_trials(read(written).trials)["trial"]]
    attacks = pd.read_parquet(written / "attacks.parquet")
    own = attacks[attacks["trial"].isin(numbers)].assign(attacker="same", attacker_images=320)
    beside = [
        own.assign(
            job=own["job"] + f"-{level}", level=level, mse=own["mse"] * times, attacker_images=images, verdict="failed"
        )
        for images, level, times in HELD
        if level
    ]
    pd.concat([attacks.assign(level=None), *beside]).to_parquet(written / "attacks.parquet", index=False)
    rows = [
        {
            "trial": number, "attacker": "members" if level == "members" else "same", "attacker_images": images,
            "level": level, "mse": times * mse, "ssim": 0.5, "mse_attack": JOBS[0], "ssim_attack": JOBS[0],
            "mse_se": 0.0004, "ssim_se": 0.01, "over": ", ".join(JOBS),
        }
        for number, mse in own[own["job"].eq(JOBS[0])][["trial", "mse"]].itertuples(index=False)
        for images, level, times in HELD
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(written / "levels.parquet", index=False)
    return written


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> StudyData:
    return read(with_levels(tmp_path_factory.mktemp("levels")))


def test_each_trial_has_the_worst_of_its_attacks_and_each_attack(data):
    curves = level_curves(data)
    numbers = sorted(shown_trials(data.trials)["trial"])
    assert [(curve.trial, curve.attack) for curve in curves] == [(n, name) for n in numbers for name in (WORST, *JOBS)]
    for curve in curves:
        assert [point.images for point in curve.points] == [40, 160, 320, 820]
        assert curve.points[0].mse == pytest.approx(3 * curve.points[2].mse)
        assert [point.members for point in curve.points] == [False, False, False, True]


def test_the_table_has_a_column_for_what_the_attacker_holds(data):
    told = levels_table(data)
    assert told.headers == (
        "trial",
        "defense",
        "attack",
        "n = 40",
        "n = 160",
        "n = 320\nthe study's own",
        "members\nn = 820",
    )
    assert all(" ± " in cell for row in told.rows for cell in row[3:])


def test_a_figure_joins_numbers_of_images_and_never_members(data):
    figure = draw_levels(level_curves(data)[:3], looks(data.trials))
    assert {tuple(trace.x) for trace in figure.data} == {(40, 160, 320), (820,)}
    assert [trace.error_y.visible for trace in figure.data][:4] == [True, True, False, False]


def test_of_too_many_curves_the_worst_cases_are_drawn(data):
    assert {curve.attack for curve in drawn_curves(data, 4)} == {WORST}


def test_what_is_beside_the_study_is_no_row_of_its_attacks(data):
    assert set(data.attacks["job"]) == set(JOBS)
    assert set(data.beside["level"]) == {"n40", "n160", "members"}


def test_the_card_stands_on_the_page_and_in_a_picture(data):
    assert 'id="attacker-levels"' in page(data)
    assert draw_picture(level_curves(data)[:3], looks(data.trials)).startswith(b"\x89PNG")


def test_a_level_that_failed_is_told(data):
    assert {row[1] for row in failures_table(data).rows} >= set(data.beside["job"])


def test_a_study_without_levels_has_no_card(tmp_path):
    plain = page(read(write_study(tmp_path, 2)))
    assert 'id="levels"' not in plain
    assert "attacker-levels" not in plain
