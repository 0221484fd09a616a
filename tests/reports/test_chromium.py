"""The page in a real browser: it asks for nothing, complains of nothing, and draws the front."""

import pytest

from reports.page import page
from reports.tables import read
from tests.synthetic_study import write_study
from tests.synthetic_suite import write_suite

HOSTILE = (
    "</script><script>document.title='taken'</script><img src=http://example.invalid/x onerror=\"document.title=1\">"
)
POINTS = "document.querySelectorAll('#front-accuracy-mse .scatterlayer path.point').length"
WIDTH = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def written(folder, count, hostile="", write=write_study):
    """Write the page of a synthetic study and return its path."""
    path = folder / "index.html"
    path.write_text(page(read(write(folder, count, hostile=hostile))))
    return path


def complaints(tab):
    """Return what the page wrote to the console or raised."""
    said = tab.seen("Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    return said + [event for event in tab.seen("Log.entryAdded") if event["entry"]["level"] in ("warning", "error")]


def foreign(tab):
    """Return the addresses that were asked for beyond the page itself and what it carries."""
    addresses = [event["request"]["url"] for event in tab.seen("Network.requestWillBeSent")]
    return [address for address in addresses if not address.startswith(("file:", "data:", "blob:"))]


@pytest.mark.parametrize("count", [0, 1, 24])
def test_the_page_opens_without_a_request_or_a_complaint_and_draws_every_trial(tab, tmp_path, count):
    tab.open(written(tmp_path, count))
    drawn = {0: 0, 1: 1, 24: 22}[count]  # one of 24 failed and one is partial
    assert tab.evaluate(POINTS) >= drawn
    assert bool(tab.evaluate(POINTS)) == bool(drawn)
    assert [complaints(tab), foreign(tab)] == [[], []]
    assert len([url for url in tab.seen("Network.requestWillBeSent") if url["request"]["url"].startswith("file:")]) == 1


@pytest.mark.parametrize("write", [write_study, write_suite])
def test_hostile_text_does_nothing(tab, tmp_path, write):
    tab.open(written(tmp_path, 12, HOSTILE, write))
    assert tab.evaluate("document.title").endswith("· invfront")
    assert tab.evaluate("document.querySelectorAll('img:not([src^=\"data:\"])').length") == 0
    assert [complaints(tab), foreign(tab)] == [[], []]


@pytest.mark.parametrize("write", [write_study, write_suite])
def test_the_page_fits_a_narrow_screen(tab, tmp_path, write):
    path = written(tmp_path, 8, write=write)
    tab.send("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    tab.open(path)
    tab.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert tab.evaluate(WIDTH) <= 0
    tab.send("Emulation.clearDeviceMetricsOverride")


def test_the_table_filters_and_sorts_the_brush_keeps_and_the_legend_hides(tab, tmp_path):
    tab.open(written(tmp_path, 12, write=write_suite))
    rows = "document.querySelectorAll('#tried-view tbody tr').length"
    assert tab.evaluate(rows) == 12
    search = "(() => {{ const field = document.querySelector('#tried-view input'); field.value = '{}'; "
    search += "field.dispatchEvent(new Event('input')); }})()"
    tab.evaluate(search.format("laplace scale > 0"))
    assert tab.evaluate(rows) == 3
    tab.evaluate(search.format(""))
    tab.evaluate("document.querySelectorAll('#tried-view th button')[3].click()")
    told = "[...document.querySelectorAll('#tried-view tbody tr')].map((row) => Number(row.cells[3].textContent))"
    accuracies = [value for value in tab.evaluate(told) if value is not None]
    assert accuracies == sorted(accuracies)
    handle = "document.querySelector('#parallel-view .handle')"
    tab.evaluate(f"{handle}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    x, top, width, height = tab.evaluate(
        f"(() => {{ const box = {handle}.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }})()"
    )
    for kind, share in (("mousePressed", 0.02), ("mouseMoved", 0.2), ("mouseMoved", 0.3), ("mouseReleased", 0.3)):
        options = {"x": x + width / 2, "y": top + share * height, "button": "left", "buttons": 1, "clickCount": 1}
        tab.send("Input.dispatchMouseEvent", type=kind, **options)
    assert 0 < tab.evaluate(rows) < 12
    assert tab.evaluate("document.querySelectorAll('#parallel-view polyline:not(.off)').length") == tab.evaluate(rows)
    before = tab.evaluate(POINTS)
    tab.evaluate("document.querySelectorAll('#legend button')[1].click()")
    assert tab.evaluate(POINTS) < before
    assert [complaints(tab), foreign(tab)] == [[], []]
