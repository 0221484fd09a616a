"""The display of a running study: plain lines for a log, a picture for a terminal."""

import io
import itertools
import os
import sys

import pytest
from rich.console import Console

from harness.display import watching
from harness.display.lines import Lines
from harness.display.live import Picture
from harness.display.story import Story
from harness.display.words import duration
from harness.judging import settings_line
from harness.ledger.files import Ledger
from harness.records.circumstances import Failure
from harness.records.progress import Progress
from harness.search.reconciling import Reconciled
from harness.study.check import load_checked
from tests.values import asked, attack, book_of, record, trial_of

NOTHING = Reconciled(finished=0, told=0, again=0, unstarted=0)
CEM = {"defense/name": "cem_paper", "defense/cem_paper/lam": 0.0312345, "model/sigma": 0.1}


@pytest.fixture
def study(tmp_path):
    space = tmp_path / "space.yaml"
    space.write_text("{name: small, data: {name: digits}, defense: {none: {}}, search: {trials: 6}}")
    return load_checked(space)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "small")


def failed(number):
    error = Failure(stage="train", type="FloatingPointError", message="epoch 2:\ntask loss nan: not finite")
    measured = record(number).measured.model_copy(update={"accuracy": None, "objectives": None, "feasible": None})
    return record(number, state="failed", error=error, measured=measured, verdicts={})


def publish(ledger, value):
    """Put a trial's record on storage, as a driver does before it tells the watcher."""
    ledger.publish_asked(value.asked)
    if value.state == "complete":
        ledger.publish_attack(attack(value.number))
    ledger.publish_record(value)
    return value


def ended(ledger, value):
    """Publish a trial's record; return what a driver then tells of it."""
    publish(ledger, value)
    return trial_of(ledger, value.number), book_of(ledger).standing()


def clock(step):
    """A clock that advances by ``step`` seconds at every look."""
    return itertools.count(0.0, step).__next__


def play(watcher, study, ledger):
    """A study of six: one complete, one failed, two under way."""
    watcher.opened(study, ledger.root, NOTHING, book_of(ledger).standing())
    for number in (0, 1):
        watcher.started(asked(number, settings=CEM))
    watcher.progress(0, Progress("train", 3, 8, 0.5))
    watcher.finished(*ended(ledger, record(0, accuracy=0.81234)))
    watcher.finished(*ended(ledger, failed(1)))
    for number in (2, 3):
        watcher.started(asked(number, settings=CEM))
    watcher.progress(2, Progress("train", 3, 8, 0.5))
    watcher.progress(3, Progress("train", 8, 8, 0.5))
    watcher.progress(3, Progress("decoder-quick-0", 0, 1))


def test_lines_tell_every_event_that_matters_without_control_codes(study, ledger):
    output = io.StringIO()
    play(Lines(output, Story(clock(1.0))), study, ledger)
    lines = output.getvalue().splitlines()
    assert len(lines) == 7
    assert lines[0] == f"study small in {ledger.root}: 6 trials; nothing done yet"
    assert lines[1] == "trial 0 started: cem_paper lam=0.0312, sigma=0.1"
    assert "trial 0 finished: complete, accuracy 0.812, mse 0.0200, ssim 0.400 (decoder-quick-0)" in lines[3]
    assert "1/6 done, time left " in lines[3]
    assert "trial 1 finished: failed, train: FloatingPointError: epoch 2: task loss nan: not finite" in lines[4]
    assert "\x1b" not in output.getvalue()


def test_lines_and_picture_say_what_the_sampler_does_not_model(study, ledger):
    search = study.search.model_copy(update={"sampler": "nsga2"})
    output, console = io.StringIO(), Console(file=io.StringIO(), width=200, color_system=None)
    for watcher in (Lines(output, Story()), Picture(console, Story())):
        watcher.opened(study.model_copy(update={"search": search}), ledger.root, NOTHING, book_of(ledger).standing())
    for said in (output.getvalue(), console.file.getvalue()):
        assert "sampler nsga2 models only what all branches share" in said


def test_a_reader_that_has_gone_does_not_stop_the_study(study, ledger):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", closefd=False) as output:
        play(Lines(output, Story()), study, ledger)
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)
    os.close(writing)


def draw(width, study, ledger, terminal=True):
    console = Console(file=io.StringIO(), width=width, height=40, force_terminal=terminal, color_system=None)
    picture = Picture(console, Story(clock(1.0)))
    play(picture, study, ledger)
    with console.capture() as captured:
        console.print(picture.draw())
    return captured.get()


def test_the_picture_shows_what_runs_what_was_found_and_what_failed(study, ledger):
    picture = draw(80, study, ledger)
    assert "2/6" in picture
    assert "epoch 3/8" in picture
    assert "decoder-quick-0" in picture
    assert "acc 0.812 mse 0.0200 ssim 0.400" in picture
    assert "accuracy up to 0.812 (0)" in picture
    assert "1 failed or partial" in picture
    assert "time left about " in picture


def stages_of(*told, width=80):
    """What the picture says of one trial's stage after some progress."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    picture = Picture(console, Story())
    picture.started(asked(0))
    for progress in told:
        picture.progress(0, progress)
    with console.capture() as captured:
        console.print(picture.draw())
    return captured.get()


def test_a_running_trial_shows_its_epoch_from_the_first_one_and_then_its_attacks_step():
    train, first, second = "train", "decoder-quick-0", "rmle-standard-0"
    begun = Progress(train, 0, 8)
    assert "starting" in stages_of()
    assert "epoch 0/8" in stages_of(begun)
    assert "epoch 5/8 accuracy 0.81" in stages_of(begun, Progress(train, 5, 8, 0.81))
    trained = stages_of(begun, Progress(train, 8, 8, 0.9))
    assert "trained, attacks start" in trained
    assert "starting" not in trained
    attacked = (begun, Progress(train, 8, 8, 0.9), Progress(first, 0, 1), Progress(first, 120, 500))
    assert "decoder-quick-0 step 120/500" in stages_of(*attacked)
    both = (*attacked, Progress(second, 0, 1))
    assert "decoder-quick-0 step 120/500 +1" in stages_of(*both)
    assert "rmle-standard-0" in stages_of(*both, Progress(first, 1, 1))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_picture_is_never_wider_than_the_terminal_nor_taller_than_a_screen(study, ledger, width):
    lines = draw(width, study, ledger).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 20


def test_many_trials_are_cut_to_what_fits(study, ledger):
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    picture = Picture(console, Story())
    picture.opened(study, ledger.root, NOTHING, book_of(ledger).standing())
    for number in range(30):
        picture.started(asked(number))
    with console.capture() as captured:
        console.print(picture.draw())
    assert "and 22 more" in captured.get()


def test_time_left_is_unknown_until_a_trial_has_finished_then_scales_with_what_is_left(study, ledger):
    now = [0.0]
    story = Story(lambda: now[0])
    story.opened(study, ledger.root, book_of(ledger).standing())
    for number in (0, 1):
        story.started(asked(number))
    assert story.left() is None
    now[0] = 10.0
    story.ended(*ended(ledger, record(0)))
    story.ended(*ended(ledger, record(1)))
    assert story.left() == pytest.approx(4 * 10 / 2)
    for number in (2, 3):
        story.started(asked(number))
    now[0] = 14.0
    assert story.left() == pytest.approx((2 * 6 + 2 * 10) / 2)
    now[0] = 40.0
    assert story.left() == pytest.approx((2 * 3 + 2 * 10) / 2)


def test_nothing_is_left_of_a_finished_study(study, ledger):
    story = Story()
    for number in range(6):
        publish(ledger, record(number))
    story.opened(study, ledger.root, book_of(ledger).standing())
    assert (story.standing.finished, story.left()) == (6, 0.0)


def test_a_resumed_study_shows_what_was_found_before(study, ledger):
    publish(ledger, record(0, accuracy=0.9))
    publish(ledger, failed(1))
    story = Story()
    story.opened(study, ledger.root, book_of(ledger).standing())
    standing = story.standing
    assert (standing.finished, [member.number for member in standing.front], standing.failures) == (2, [0], 1)


def test_output_that_is_no_terminal_gets_lines(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with watching() as watcher:
        assert isinstance(watcher, Lines)


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "unknown"), (0.4, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (90061, "25:01:01")]
)
def test_durations_read_as_clocks(seconds, text):
    assert duration(seconds) == text


def test_a_composed_defense_names_both_parts_and_their_settings():
    composed = {"defense/name": "laplace", "defense/laplace/scale": 0.2, "term/name": "cem_paper"}
    settings = composed | {"term/cem_paper/lam": 1e-3, "model/sigma": 0.1}
    assert settings_line(asked(settings=settings)) == "laplace + cem_paper scale=0.2, lam=0.001, sigma=0.1"


def test_what_was_seen_of_the_images_is_one_line_on_a_log_and_above_a_picture():
    line = "left out: 3 hidden files, [1] unreadable"
    log, screen = io.StringIO(), io.StringIO()
    Lines(log, Story()).noted(line)
    assert log.getvalue() == f"{line}\n"
    picture = Picture(Console(file=screen, width=100, force_terminal=False), Story())
    picture.noted(line)
    assert screen.getvalue() == f"{line}\n"
