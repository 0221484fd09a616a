"""The card of what more images give the attacker: a curve for each trial and attack, beside the study's own numbers."""

import pytest

from reports import figures, pictures
from reports.cards.failures import failures_table
from reports.cards.levels import WORST, drawn_curves, level_curves, levels_chart, levels_table
from reports.curves import shown_trials
from reports.page import page
from reports.points import looks
from reports.tables import StudyData, read
from tests.synthetic_levels import add_levels
from tests.synthetic_study import write_study

JOBS = ("decoder-quick-0", "decoder-quick-1")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> StudyData:
    return read(add_levels(write_study(tmp_path_factory.mktemp("levels"), 4)))


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
    figure = figures.draw(levels_chart(level_curves(data)[:3], looks(data.trials)))
    assert {tuple(trace.x) for trace in figure.data} == {(40, 160, 320), (820,)}
    assert [trace.error_y.array is not None for trace in figure.data][:4] == [True, True, False, False]


def test_of_too_many_curves_the_worst_cases_are_drawn(data):
    assert {curve.attack for curve in drawn_curves(data, 4)} == {WORST}


def test_what_is_beside_the_study_is_no_row_of_its_attacks(data):
    assert set(data.attacks["job"]) == set(JOBS)
    assert set(data.beside["level"]) == {"n40", "n160", "members"}


def test_the_card_stands_on_the_page_and_in_a_picture(data):
    assert 'id="attacker-levels"' in page(data)
    drawn = pictures.saved(pictures.draw(levels_chart(level_curves(data)[:3], looks(data.trials))))
    assert drawn["png"].startswith(b"\x89PNG")


def test_a_level_that_failed_is_told(data):
    assert {row[1] for row in failures_table(data).rows} >= set(data.beside["job"])


def test_a_study_without_levels_has_no_card(tmp_path):
    plain = page(read(write_study(tmp_path, 2)))
    assert 'id="levels"' not in plain
    assert "attacker-levels" not in plain
