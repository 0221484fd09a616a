"""The pages without plotly in a real browser: no request, no complaint, as narrow as a telephone, sorted by a click."""

import pytest

from reports import claims, comparison
from reports.tables import read
from reports.unlike import Named
from tests.reports.test_chromium import WIDTH, complaints, foreign
from tests.reports.test_claims import folder, found  # noqa: F401  # fixtures
from tests.synthetic_study import write_study

COLUMN = "[...document.querySelectorAll('table')].at(-1).tBodies[0].rows"
SORT = "[...document.querySelectorAll('table')].at(-1).tHead.rows[0].cells[{column}].firstElementChild.click()"


@pytest.fixture(scope="module")
def pages(tmp_path_factory, found):  # noqa: F811
    """The page of claims, and that of three studies, each as a file."""
    folder = tmp_path_factory.mktemp("pages")  # noqa: F811
    names = ("one", "two", "a-study-whose-name-is-rather-long")
    studies = [Named(name, read(write_study(folder / name, 16, seed=seed))) for seed, name in enumerate(names)]
    (folder / "claims.html").write_text(claims.page(found.claims, found.refused))
    (folder / "comparison.html").write_text(comparison.page(studies))
    return folder


@pytest.mark.parametrize("name", ["claims", "comparison"])
def test_a_plain_page_asks_for_nothing_complains_of_nothing_and_fits_a_telephone(tab, pages, name):
    tab.send("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    tab.open(pages / f"{name}.html")
    assert tab.evaluate(WIDTH) <= 0
    assert [complaints(tab), foreign(tab)] == [[], []]
    tab.send("Emulation.clearDeviceMetricsOverride")


@pytest.mark.parametrize(("name", "column"), [("claims", 4), ("comparison", 1)])
def test_a_click_on_a_header_sorts_by_its_numbers_and_a_second_one_turns_round(tab, pages, name, column):
    tab.open(pages / f"{name}.html")
    values = f"[...{COLUMN}].map((row) => parseFloat(row.cells[{column}].textContent))"
    tab.evaluate(SORT.format(column=column))
    ascending = tab.evaluate(values)
    tab.evaluate(SORT.format(column=column))
    assert ascending == sorted(ascending)
    assert tab.evaluate(values) == ascending[::-1]
