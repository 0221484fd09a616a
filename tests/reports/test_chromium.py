"""The page in a real browser: it asks for nothing, complains of nothing, and draws the front."""

import functools
import json

import plotly.graph_objects as go
import pytest

from reports.card import Card, Plot
from reports.formats import Table
from reports.page import page, render
from reports.tables import read
from tests.synthetic_study import write_study
from tests.synthetic_suite import write_suite

HOSTILE = (
    "</script><script>document.title='taken'</script><img src=http://example.invalid/x onerror=\"document.title=1\">"
)
POINTS = "document.querySelectorAll('#front-accuracy-mse .scatterlayer path.point').length"
SHOWN = """(() => {
  const plot = document.getElementById("front-accuracy-mse");
  const shown = new Set([...document.querySelectorAll(".gallery")].map((one) => Number(one.dataset.trial)));
  plot.scrollIntoView({ block: "center", behavior: "instant" });
  for (const trace of plot._fullData.filter((each) => each.meta === "trials")) {
    const at = [...trace.customdata].findIndex((trial) => shown.has(trial));
    if (at < 0) continue;
    const { x, y } = plot.getBoundingClientRect();
    const { xaxis, yaxis } = plot._fullLayout;
    const place = [x + xaxis._offset + xaxis.d2p(trace.x[at]), y + yaxis._offset + yaxis.d2p(trace.y[at])];
    return [trace.customdata[at], ...place];
  }
})()"""
"""A trial whose reconstructions are on the page, and where its point is."""
DRAWN = "document.querySelector('#curve .scatterlayer path') !== null"
WIDTH = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What returns where the page of a synthetic study lies, which is written once."""

    @functools.cache
    def write_page(count, hostile="", write=write_study):
        folder = tmp_path_factory.mktemp("page")
        path = folder / "index.html"
        path.write_text(page(read(write(folder, count, hostile=hostile))))
        return path

    return write_page


def complaints(tab):
    """Return what the page wrote to the console or raised."""
    said = tab.seen("Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    return said + [event for event in tab.seen("Log.entryAdded") if event["entry"]["level"] in ("warning", "error")]


def foreign(tab):
    """Return the addresses that were asked for beyond the page itself and what it carries."""
    addresses = [event["request"]["url"] for event in tab.seen("Network.requestWillBeSent")]
    return [address for address in addresses if not address.startswith(("file:", "data:", "blob:"))]


@pytest.mark.parametrize("count", [0, 1, 24])
def test_the_page_opens_without_a_request_or_a_complaint_and_draws_every_trial(tab, written, count):
    tab.open(written(count))
    drawn = {0: 0, 1: 1, 24: 22}[count]  # one of 24 failed and one is partial
    assert tab.evaluate(POINTS) >= drawn
    assert bool(tab.evaluate(POINTS)) == bool(drawn)
    assert [complaints(tab), foreign(tab)] == [[], []]
    assert len([url for url in tab.seen("Network.requestWillBeSent") if url["request"]["url"].startswith("file:")]) == 1


@pytest.mark.parametrize("write", [pytest.param(write_study, marks=pytest.mark.slow), write_suite])
def test_hostile_text_does_nothing(tab, written, write):
    tab.open(written(12, HOSTILE, write))
    assert tab.evaluate("document.title").endswith("· invfront")
    assert tab.evaluate("document.querySelectorAll('img:not([src^=\"data:\"])').length") == 0
    assert [complaints(tab), foreign(tab)] == [[], []]


@pytest.mark.parametrize("write", [pytest.param(write_study, marks=pytest.mark.slow), write_suite])
def test_the_page_fits_a_narrow_screen(tab, written, write):
    path = written(12, write=write)
    tab.send("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    tab.open(path)
    tab.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert tab.evaluate(WIDTH) <= 0
    tab.send("Emulation.clearDeviceMetricsOverride")


def test_a_long_table_shows_more_of_itself_when_asked(tab, tmp_path):
    rows = [(str(row), "front", f"`invfront show {row}`") for row in range(450)]
    table = Table("Many.", ("trial", "standing", "step"), rows, roomy=frozenset({"step"}))
    card = Card(name="many", title="Many", group="Mine", compute=lambda study: [table])
    path = tmp_path / "index.html"
    path.write_text(page(read(write_study(tmp_path, 1)), [card]))
    tab.open(path)
    more, shown = "document.querySelector('#many button')", "document.querySelectorAll('#many tbody tr').length"
    assert tab.evaluate(shown) == 100
    tab.evaluate(f"{more}.click()")
    assert [tab.evaluate(shown), tab.evaluate("document.querySelector('#many output').value")] == [
        400,
        "400 of 450 rows",
    ]
    tab.evaluate(f"{more}.click()")
    assert [tab.evaluate(shown), tab.evaluate(f"{more}.hidden")] == [450, True]
    assert tab.evaluate("document.querySelector('#many tbody tr:last-child code').textContent") == "invfront show 449"
    assert [complaints(tab), foreign(tab)] == [[], []]


@pytest.mark.parametrize(("count", "first"), [(9000, False), (90, True)])
def test_a_page_of_many_points_is_there_before_its_figures_are_drawn(tab, tmp_path, count, first):
    line = go.Scatter(x=[*range(count)], y=[*range(count)], mode="lines")
    curve = go.Figure(line, {axis: {"title": {"text": axis}} for axis in ("xaxis", "yaxis")})
    card = Card(name="c", title="C", group="Mine", compute=lambda study: [Plot("curve", "A curve.", curve)])
    path = tmp_path / "index.html"
    path.write_text(page(read(write_study(tmp_path, 1)), [card]))
    noted = tab.send("Page.addScriptToEvaluateOnNewDocument", source=f"addEventListener('load', () => (was = {DRAWN}))")
    tab.open(path)
    tab.send("Page.removeScriptToEvaluateOnNewDocument", **noted)
    assert tab.evaluate("was") == first
    tab.evaluate(f"new Promise((done) => {{ const look = () => ({DRAWN} ? done() : setTimeout(look, 20)); look(); }})")
    assert [complaints(tab), foreign(tab)] == [[], []]


def test_the_table_filters_and_sorts_the_brush_keeps_and_the_legend_hides(tab, written):
    tab.open(written(12, write=write_suite))
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


def press(tab, key, code, text=None):
    """Press a key as a person does."""
    typed = {"text": text} if text else {}
    for kind in ("keyDown", "keyUp"):
        held = typed if kind == "keyDown" else {}
        tab.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **held)


def test_a_keyboard_hides_a_defense_sorts_and_filters(tab, written):
    tab.open(written(12, write=write_suite))
    before = tab.evaluate(POINTS)
    tab.evaluate("document.querySelectorAll('#legend button')[1].focus()")
    press(tab, "Enter", 13, "\r")
    assert tab.evaluate(POINTS) < before
    press(tab, " ", 32, " ")
    assert tab.evaluate(POINTS) == before
    order = "[...document.querySelectorAll('#tried-view tbody tr')].map((row) => row.cells[0].textContent).join()"
    unsorted = tab.evaluate(order)
    tab.evaluate("document.querySelectorAll('#tried-view th button')[3].focus()")
    press(tab, "Enter", 13, "\r")
    assert tab.evaluate(order) != unsorted
    tab.evaluate("document.querySelector('#tried-view input').focus()")
    tab.send("Input.insertText", text="laplace")
    assert tab.evaluate("document.querySelectorAll('#tried-view tbody tr').length") == 3
    assert tab.evaluate("[...document.querySelectorAll('.scroll')].every((part) => part.tabIndex === 0)")
    assert [complaints(tab), foreign(tab)] == [[], []]


def test_a_point_says_what_trial_it_is_and_shows_its_reconstructions(tab, written):
    tab.open(written(12, write=write_suite))
    trial, x, y = tab.evaluate(SHOWN)
    tab.send("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    tab.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    said = "document.querySelector('#front-accuracy-mse .hoverlayer').textContent"
    told = f"{said}.startsWith('trial {trial}: ')"
    tab.evaluate(f"new Promise((done) => {{ const look = () => {told} ? done() : setTimeout(look, 20); look(); }})")
    assert tab.evaluate("document.querySelectorAll('#tip img').length") == 6
    assert complaints(tab) == []


@pytest.mark.slow
def test_the_theme_is_the_readers_and_paper_is_white(tab, written):
    path = written(12, write=write_suite)
    ink = "getComputedStyle(document.querySelector('#front-accuracy-mse .xtick text')).fill"
    page = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    for theme in ("light", "dark"):
        tab.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        tab.open(path)
        seen[theme] = (tab.evaluate(page), tab.evaluate(ink))
    assert seen["light"] == ("rgb(246, 247, 249)", "rgb(28, 33, 38)")
    assert seen["dark"] == ("rgb(20, 23, 26)", "rgb(230, 233, 236)")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.send("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert [tab.evaluate(page), tab.evaluate(ink)] == ["rgb(255, 255, 255)", "rgb(28, 33, 38)"]
    assert tab.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert len(tab.send("Page.printToPDF", printBackground=True)["data"]) > 10_000
    tab.send("Emulation.setEmulatedMedia", media="", features=[])
    assert complaints(tab) == []


def test_a_watched_page_offers_a_newer_one_and_asks_for_nothing_but_that(tab, tmp_path):
    data = write_study(tmp_path, 0)  # nothing to draw
    page_file = render(data, tmp_path, watched=True)
    tab.open(page_file)
    told = "document.getElementById('newer').hidden"
    loaded = (
        "new Promise((done) => { const known = newer; newer = (found) => { known(found); newer = known; done(); }; "
        "look(); })"
    )
    tab.evaluate(loaded)
    assert tab.evaluate(told) is True
    assert complaints(tab) == []
    described = json.loads((data / "study.json").read_text())
    (data / "study.json").write_text(json.dumps({**described, "updated": "2026-01-01T02:00:00+00:00"}))
    render(data, tmp_path, watched=True)
    tab.evaluate(loaded)
    assert tab.evaluate(told) is False
    tab.send("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    assert tab.evaluate(WIDTH) <= 0
    tab.send("Emulation.clearDeviceMetricsOverride")
    tab.open(page_file)
    tab.evaluate(loaded)
    assert tab.evaluate(told) is True
    assert [complaints(tab), foreign(tab)] == [[], []]
