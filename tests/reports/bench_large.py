"""What the report of a large study takes, from its folder of tables to every file, and how fast its page opens:
`make bench`.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import chromium
from tests.synthetic_study import write_study
from tests.synthetic_suite import SPECTRUM

MOST_BYTES, MOST_PAGE, MOST_OPENING = 2 * 2**30, 8_000_000, 2.0
"""Of memory and of the page; seconds from the page's address to its load event."""

RENDER = """
import json, resource, sys, time
from pathlib import Path
from reports import page

pictured, with_pictures = 0.0, page.with_pictures

def timed(*given, **forms):
    global pictured
    start = time.process_time()
    found = with_pictures(*given, **forms)
    pictured += time.process_time() - start
    return found

page.with_pictures = timed
cpu, wall = time.process_time(), time.perf_counter()
page.render(Path(sys.argv[1]), Path(sys.argv[2]), pdf=True)
spent = {"cpu": time.process_time() - cpu - pictured, "pictures": pictured, "wall": time.perf_counter() - wall}
print(json.dumps({**spent, "peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


class Spent(NamedTuple):
    """What a report took."""

    cpu: float
    """Processor seconds of page and tables, imports apart."""
    pictures: float
    """Likewise of the figures as PNG and PDF."""
    wall: float
    """Seconds of all."""
    peak: int
    """Bytes of memory, at most."""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("count", "most_cpu", "most_wall"), [(10_000, 4.0, 8.0), (100_000, 10.0, 20.0)])
def test_the_report_of_a_large_study(tmp_path, benchmark, count, most_cpu, most_wall):
    images = {"spectrum": SPECTRUM, "classes": 10, "pixels": 3072}
    data = write_study(tmp_path / "study", count, wide=True, images=images)
    found: list[Spent] = []
    benchmark.pedantic(lambda: found.append(_rendered(data, tmp_path / "report")), rounds=1)
    (spent,) = found
    page = tmp_path / "report" / "index.html"
    opening = _opening(page, tmp_path / "profile")
    size = page.stat().st_size
    told = "no Chromium"
    if opening is not None:
        told = f"it opens in {opening.page:.1f} s (at most {MOST_OPENING:g}), a figure {opening.figure:.1f} s later"
    print(
        f"\n{count:,} trials: {spent.cpu:.1f} s of processor time (at most {most_cpu:g}), {spent.pictures:.1f} s for "
        f"PNG and PDF, all in {spent.wall:.1f} s (at most {most_wall:g}); {spent.peak / 2**30:.2f} GiB (at most 2); "
        f"a page of {size / 1e6:.1f} MB (at most 8), {told}"
    )
    assert spent.cpu <= most_cpu
    assert spent.wall <= most_wall
    assert spent.peak <= MOST_BYTES
    assert size <= MOST_PAGE
    assert opening is None or opening.page <= MOST_OPENING


def _rendered(data: Path, out: Path) -> Spent:
    """Make the report in a process of its own, whose memory is nobody else's."""
    command = [sys.executable, "-c", RENDER, str(data), str(out)]
    return Spent(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


class Opening(NamedTuple):
    """Seconds of a reader's."""

    page: float
    """From the address to the load event."""
    figure: float
    """From there to the first figure."""


FIGURE = """new Promise((done) => {
  const look = () => (document.querySelector(".plot .main-svg") ? done(true) : setTimeout(look, 20));
  look();
})"""


def _opening(page: Path, profile: Path) -> Opening | None:
    """Return what a page takes to open; null without a browser."""
    executable = chromium.find()
    if executable is None:
        return None
    with chromium.browse(executable, profile) as tab:
        start = time.perf_counter()
        tab.open(page)
        opened = time.perf_counter()
        tab.evaluate(FIGURE)
        return Opening(opened - start, time.perf_counter() - opened)
