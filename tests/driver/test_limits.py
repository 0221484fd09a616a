"""A study ends where its limits say: well, with a line, or resumable where its trials fail and fail."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.driver.failing import WINDOW, Failing
from harness.driver.limits import Gained, Limits
from harness.judging import Front, reserved_seconds
from harness.ledger import Ledger
from harness.records import Failure
from harness.study.check import load_checked
from harness.study.limits import Gain
from tests.planted import plant
from tests.slight import NAME
from tests.values import book_of, trial_of

FLAW = Failure(stage="train", type="ValueError", message="loss is nan at step 31")
OTHER = Failure(stage="attack", type="TypeError", message="no such layer")
SPACE = """
name: limited
data: {name: digits}
model: {'%s': {}, cut: 1, sigma: {choices: [0.05, 0.1]}}
train: {recipe: fast, epochs: 1, batch_size: 64, images: 64}
defense: {'tests.plugins:Flawed': {folder: %s}}
attacks: {'tests.plugins:Grey': quick}
search: {trials: 6, sampler: random, allocate: joint}
"""
HERE = ["--address", "in-process", "--no-tracking"]
REFERENCE = {"accuracy": 0.0, "mse": 0.0, "ssim": 1.0}


class Clock:
    """Seconds, as a test sets them."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def space(tmp_path):
    """A study whose trainings fail for as long as ``notes/flawed`` is there."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "space.yaml").write_text(SPACE % (NAME, tmp_path / "notes"))
    return tmp_path / "space.yaml"


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A study with six finished trials of a second each, one after another, and what a driver knows of them."""
    study = load_checked("quickstart", ["search/anchors=[]"], 12)
    ledger = Ledger(tmp_path_factory.mktemp("planted") / "quickstart")
    plant(study.model_copy(update={"ledger": "0" * 8 + "-0000-4000-8000-" + "0" * 12}), ledger, range(6))
    return study, ledger, book_of(ledger)


def limits_of(planted, clock, **limits) -> Limits:
    study, ledger, book = planted
    shares = {"train": {"cpu": 1.0, "gpu": 1.0}, "attack": {"cpu": 1.0, "gpu": 0.25}}
    section = study.search.model_copy(update={"limits": study.search.limits.model_copy(update=limits)})
    resources = study.resources.model_validate(study.resources.model_dump() | shares)
    return Limits(study.model_copy(update={"search": section, "resources": resources}), ledger, book, clock)


def status_of(root: Path, capsys) -> dict:
    capsys.readouterr()
    assert main(["status", str(root), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_trials_that_all_fail_alike_stop_the_study_and_show_the_cause_once_and_its_hours_end_it_well(space, capsys):
    root = space.parent / "limited"
    (space.parent / "notes" / "flawed").touch()
    assert main(["run", str(space), "--out", str(space.parent), *HERE]) == 130
    said = (
        "the first 3 trials failed alike: train: ValueError: the plug-in has a flaw; mend it, then "
        f"`invfront retry {root} failed partial` and `invfront resume {root}`"
    )
    assert capsys.readouterr().err == f"invfront: {said}\n"
    assert [Ledger(root).read(number).record.state for number in Ledger(root).numbers()] == ["failed"] * 3
    assert status_of(root, capsys)["ended"] == said
    assert main(["resume", str(root), "--set", "search/limits/hours=1e-9", *HERE]) == 0
    now = status_of(root, capsys)
    assert (now["states"]["failed"], now["states"]["waiting"]) == (3, 3)
    assert now["ended"].startswith("search/limits/hours: ")


@pytest.mark.slow
def test_a_study_that_failed_goes_on_once_it_is_mended_and_ends_well_at_a_limit(space, capsys):
    root, flaw = space.parent / "limited", space.parent / "notes" / "flawed"
    flaw.touch()
    assert main(["run", str(space), "--out", str(space.parent), *HERE]) == 130
    assert main(["retry", str(root), "0", *HERE]) == 3  # which the limit that ended it does not excuse
    flaw.unlink()
    assert main(["retry", str(root), "failed", *HERE]) == 0
    assert main(["resume", str(root), "--set", "search/limits/hours=1e-9", *HERE]) == 0
    now = status_of(root, capsys)
    assert (now["states"]["complete"], now["states"]["waiting"]) == (3, 3)
    assert re.match(r"search/limits/hours: its trials ran for 0\.0\d of 1e-09 hours; `invfront resume", now["ended"])
    described = json.loads((root / "report" / "data" / "study.json").read_text())
    assert described["warnings"][0].endswith(now["ended"])
    assert main(["resume", str(root), "--set", "search/limits=null", *HERE]) == 2
    assert main(["resume", str(root), "--set", "search/limits={}", *HERE]) == 0
    assert (status_of(root, capsys)["states"]["complete"], status_of(root, capsys)["ended"]) == (6, None)


def test_limits_are_no_part_of_what_a_study_is_and_silence_is_the_default():
    plain = load_checked("quickstart")
    limited = load_checked("quickstart", ["search/limits={hours: 2, failures: null}"])
    assert limited.digest() == plain.digest()
    assert "limits" not in plain.dump()
    assert "failures: null" in limited.dump()


@pytest.mark.parametrize(
    ("failures", "state", "said"),
    [
        ([FLAW] * 2, False, None),
        ([FLAW] * 3, False, r"^the first 3 trials failed alike: train: ValueError: loss is nan at step 31$"),
        ([FLAW.model_copy(update={"message": f"loss is nan at step {step}"}) for step in (3, 4, 5)], False, "alike"),
        ([FLAW, OTHER, FLAW], False, None),
        ([FLAW] * 3, True, None),
        ([None, FLAW] * 10, False, None),
        (
            [None, FLAW] * 9 + [FLAW, OTHER],
            False,
            r"^11 of the last 20 trials .*\.5\), the last one for attack: TypeEr",
        ),
        ([FLAW] * 11 + [None] * 20, True, None),
    ],
)
def test_when_failures_are_enough(failures, state, said):
    failing = Failing(0.5, proven=state)
    for error in failures:
        failing.hear("failed" if error else "complete", error)
    assert failing.enough() is None if said is None else re.search(said, failing.enough())


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(["complete", "failed", "partial"]), max_size=50), st.floats(0.05, 1.0))
def test_no_share_of_failures_above_the_limit_is_let_go_on(states, share):
    failing = Failing(share, proven=True)
    for state in states:
        failing.hear(state, None if state == "complete" else FLAW)
    last = states[-WINDOW:]
    assert (failing.enough() is not None) == (last.count("failed") + last.count("partial") > share * WINDOW)


def test_hours_count_earlier_sessions_and_a_trial_that_was_begun_is_finished(planted):
    clock = Clock()
    limits = limits_of(planted, clock, hours=10 / 3600)  # the planted ones took part of them
    assert limits.open()
    clock.now = 100.0  # nothing runs yet
    assert limits.open()
    limits.started(6)
    clock.now = 109.9
    assert not limits.open()
    assert limits.open(unfinished=True)
    limits.end()


def test_gpu_hours_are_what_trials_reserved_those_that_run_included(planted):
    clock = Clock()
    _, ledger, _ = planted
    used = reserved_seconds(limits_trials(ledger), 1.0)
    assert used > 0
    limits = limits_of(planted, clock, gpu_hours=(used + 20) / 3600)
    limits.started(6)
    limits.started(7)
    clock.now = 3600.0  # they wait for their places
    assert limits.open()
    limits.began(6)
    limits.began(7)
    clock.now += 9.9
    limits.began(6)  # a further sign
    assert limits.open()
    clock.now += 0.2
    assert not limits.open()
    assert re.match(r"search/limits/gpu_hours: its trials took 0\.01 of 0\.0\d+ GPU hours", limits.reached.text)


def limits_trials(ledger: Ledger) -> list:
    return [trial_of(ledger, number) for number in ledger.numbers()]


def test_a_search_that_finds_nothing_more_has_stalled(planted):
    _, _, book = planted
    outlines = list(book.outlines.values())
    best = max(outlines, key=lambda outline: outline.objectives.mse)
    same = [best._replace(number=6 + number) for number in range(4)]
    said = "the last 4 trials added 0.00% to the hypervolume, less than 1.00%"
    assert stalled(Gain(trials=4, gain=0.01), [*outlines, *same]) == {10: said}
    assert stalled(Gain(trials=5, gain=0.01), outlines[:5]) == {}  # too few to tell
    better = best._replace(number=6, objectives=best.objectives.model_copy(update={"accuracy": 0.999}))
    assert 7 not in stalled(Gain(trials=1, gain=1e-9), [*outlines, better])
    # so does a driver that was started anew, once it knows of the sixth; of several at once it hears too little
    everything = [*outlines, *same]
    for begun in range(11):
        front = on_front(everything[:begun])
        gained = Gained(Gain(trials=4, gain=0.01), everything[:begun], REFERENCE)
        assert gained.stalled(begun, front) == (said if begun == 10 else None)
        assert gained.stalled(10, on_front(everything)) == (said if begun >= 6 else None)


def on_front(outlines: list) -> list:
    """Those on the front."""
    numbers = Front(outlines).numbers
    return [outline for outline in outlines if outline.number in numbers]


def stalled(limit: Gain, outlines: list) -> dict[int, str]:
    """What is said after so many trials, heard one by one."""
    gained = Gained(limit, [], REFERENCE)
    told = {count: gained.stalled(count, on_front(outlines[:count])) for count in range(len(outlines) + 1)}
    return {count: line for count, line in told.items() if line}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("hours=0", "search/limits/hours"),
        ("failures=2", "search/limits/failures"),
        ("hypervolume={trials: 5}", "search/limits/hypervolume/gain"),
        ("minutes=3", "search/limits/minutes"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_by_its_path(setting, said, capsys):
    assert main(["check", "quickstart", "--set", f"search/limits/{setting}"]) == 2
    told = capsys.readouterr()
    assert said in told.out + told.err
