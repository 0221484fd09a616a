"""What a forecast is worth: quickstart is planned, then run, and what it took stands beside it: `make bench`.

Steps are measured just before the run, and its first third tells once more; nothing else should run on the machine
meanwhile.
"""

import json
from typing import Any

import pytest

from harness.cli import main

TRIALS, SEED = 4, 2

MOST_WRONG = 0.3
"""Of the hours of processors."""

pytestmark = pytest.mark.timeout(3600)


def test_a_forecast_of_quickstart_holds_what_it_then_takes(tmp_path, capsys, benchmark):
    asked = ["quickstart", "--trials", str(TRIALS), "--set", f"search/seed={SEED}"]
    before = planned(asked, capsys)
    assert main(["run", *asked, "--out", str(tmp_path), "--no-tracking"]) == 0
    after = planned([str(tmp_path / "quickstart")], capsys)
    seconds, hours = after["was"]["seconds"], after["was"]["cpu_hours"]
    with capsys.disabled():
        print(f"\nquickstart, {TRIALS} trials: {seconds:.0f} s, {hours:.3f} hours of processors")
        for by, told in {"steps that were measured": before, "its first third": after}.items():
            print(f"by {by}: {shown(told['seconds'], 0)} s, {shown(told['cpu_hours'], 3)} hours")
    wrong = before["cpu_hours"]["mid"] / hours - 1
    benchmark.extra_info |= {"seconds": seconds, "foretold": before["seconds"]["mid"], "hours_wrong": wrong}
    benchmark.pedantic(lambda: None, rounds=1)
    assert abs(wrong) <= MOST_WRONG
    assert before["seconds"]["low"] <= seconds <= before["seconds"]["high"]


def planned(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what `invfront plan` says."""
    capsys.readouterr()
    assert main(["plan", *arguments, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def shown(interval: dict[str, float], digits: int) -> str:
    """Return an interval in words."""
    low, mid, high = (f"{interval[end]:.{digits}f}" for end in ("low", "mid", "high"))
    return f"{mid} ({low} to {high})"
