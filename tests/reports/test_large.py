"""A page of many trials draws, lists and tells as much as it can, and says of how many."""

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from reports import points
from reports.card import MOST, PAGE, Card, Note
from reports.cards.front import drawn_of
from reports.dominance import OBJECTIVES
from reports.formats import Hinted, Table
from reports.hovers import hovers
from reports.page import make, page_of, unpacked_plotly
from reports.separated import FORMULA_STARTS, to_csv
from reports.study import Study
from reports.tables import read
from reports.thinning import CELL, HEIGHT, WIDTH, thinned
from reports.tried import MOST_FAILED, MOST_NEAR, chosen
from tests.synthetic_study import write_study


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Study:
    return Study(read(write_study(tmp_path_factory.mktemp("plain"), 12)))


def crowd(given: Study, count: int, failed: int = 0) -> Study:
    """Return a study of many trials in all directions, the last of which failed."""
    towards = np.abs(np.random.default_rng(count).normal(size=(count, 3)))
    towards *= (np.linspace(0.4, 1, count) / np.linalg.norm(towards, axis=1))[:, None]
    ended = np.arange(count) >= count - failed
    scores = (towards * [1, 0.05, -1] + [0, 0, 1]).T
    known = {name: np.where(ended, np.nan, own) for name, own in zip(OBJECTIVES, scores, strict=True)}
    trials = given.data.trials.iloc[np.arange(count) % 7].reset_index(drop=True)
    trials = trials.assign(trial=range(count), anchor=False, feasible=True, **known)
    trials = trials.assign(state=np.where(ended, "failed", "complete"))
    return Study(dataclasses.replace(given.data, trials=trials))


@pytest.mark.parametrize("most", [200, 900])
def test_of_marks_upon_marks_as_many_are_drawn_as_may_be_and_each_other_is_near_one_that_looks_alike(most):
    rng = np.random.default_rng(0)
    shares, groups = rng.random((3000, 2)) ** 2, rng.integers(0, 3, 3000)
    found = thinned(shares, groups, most)
    assert 0.4 * most < found.kept.sum() <= most
    for group in range(3):
        own = shares[groups == group] * [WIDTH, HEIGHT]
        assert cdist(own, own[found.kept[groups == group]]).min(axis=1).max() <= found.within


def test_points_that_are_few_are_all_drawn_and_equal_ones_once():
    shares = np.full((500, 2), 0.5)
    assert thinned(shares, np.zeros(500, dtype=int), 500) == (pytest.approx(np.ones(500)), 0)
    found = thinned(shares, np.arange(500) % 2, 499)
    assert (found.kept.sum(), found.within) == (2, pytest.approx(2**0.5 * CELL))


def test_a_figure_says_how_many_trials_it_draws(plain):
    pair = crowd(plain, 7000).pair("accuracy", "mse")
    assert len(pair.points) < 7000 == len(pair.points) + pair.hidden
    assert f"Drawn: {len(pair.points):,} of 7,000 trials" in drawn_of(pair)
    assert pair.points["kind"].eq("front").sum() <= points.MOST_FRONT
    assert drawn_of(plain.pair("accuracy", "mse")) == ""


def test_numbers_are_written_only_where_there_is_room(plain):
    pair = crowd(plain, 3000).pair("accuracy", "mse")
    extent = pair.points[["x", "y"]].max() - pair.points[["x", "y"]].min()
    written = pair.points.loc[pair.points["label"].ne(""), ["x", "y"]] / extent / [0.035, 0.06]
    assert len(written) > 1
    assert all(np.abs(one - other).max() >= 0.9 for one, other in pairwise(written.to_numpy()))


def test_of_what_is_near_the_front_and_of_what_failed_a_number_is_listed(plain):
    given = crowd(plain, 9000, failed=2 * MOST_FAILED)
    kinds = points.kinds(given.data.trials)[chosen(given).index].value_counts()
    assert kinds["front"] == len(given.front)
    assert kinds["failed"] == MOST_FAILED
    assert kinds["dominated"] <= MOST_NEAR + 2000
    assert chosen(given)["trial"].is_monotonic_increasing


def test_a_long_table_shows_its_first_rows_carries_more_and_says_of_how_many(plain):
    rows = [(str(row), Hinted(f"lam = {row}", f"defense/x/lam = {row}"), "`a`") for row in range(MOST + 50)]
    table = Table("Many.", ("trial", "settings", "step"), rows, frozenset({"trial"}), roomy=frozenset({"step"}))
    card = Card(name="many", title="Many", group="Mine", compute=lambda study: [table, Note("after")])
    html = page_of(plain, make(plain, (card,)))
    section = html.split('<section id="many">')[1].split("</section>")[0]
    assert section.count("<tr>") == PAGE + 1
    assert f"{PAGE} of {MOST + 50:,} rows" in section
    assert f"The first {MOST:,} are listed here" in section
    carried = json.loads(html.split('id="payload">')[1].split("</script>")[0])["pages"]["table-1"]
    assert carried["of"] == MOST + 50
    assert carried["classes"] == ["number", "settings", "roomy"]
    assert carried["rows"][0] == [str(PAGE), [f"lam = {PAGE}", f"defense/x/lam = {PAGE}"], "`a`"]
    assert len(carried["rows"]) == MOST - PAGE


def test_plotly_is_carried_at_a_third_of_its_size(plain):
    html = page_of(plain, make(plain, ()))
    assert len(html) < 0.5 * len(unpacked_plotly())


def test_what_the_page_says_of_trials_is_said_of_those_that_it_names(plain):
    numbers = {1, 3}
    assert hovers(plain.data, numbers) == {n: hovers(plain.data)[n] for n in numbers}


def test_csv_is_that_of_pandas():
    odd = pd.DataFrame(
        {
            "text": ["=1,2", 'a "quoted"', "two\nlines", None, "", "-x", np.nan],
            "truth": [True, None, False, True, True, None, False],
            "mixed": [1, "1", 1.0, True, None, 2.5, "=2"],
            "number": [1.5, np.nan, 1e-7, 1e22, np.inf, -0.0, 100.0],
            "=whole": pd.array([1, None, 3, 4, 5, 6, 7], dtype="Int64"),
            "perhaps": pd.array([True, None, True, True, None, True, False], dtype="boolean"),
        }
    )
    safe = odd.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell)
    expected = safe.rename(columns={"=whole": "'=whole"}).to_csv(index=False, lineterminator="\n")
    assert to_csv(odd).decode() == expected
    assert to_csv(odd[:0]).decode() == expected.splitlines(keepends=True)[0]
