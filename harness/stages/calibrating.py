"""A job that measures what a study's jobs take: a few training steps of each defense, a few of each attack's loops."""

import queue
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from attacks.counted import skipping
from harness.ledger import open_attempt
from harness.ledger.disk import size_of
from harness.records import Asked, AttackJob, AttackRecord, Place, Progress, Trained, one_line
from harness.records.took import NOTHING, Took
from harness.stages.assignment import Assignment
from harness.stages.attacking import attack_stage
from harness.stages.building import build
from harness.stages.following import END_SECONDS, Over, end_thread
from harness.stages.ground import Meter, prepare
from harness.stages.jobs import drain
from harness.stages.loading import images_of
from harness.stages.optimising import Run
from harness.stages.priors import Priors, needs_prior, prior_stage
from harness.stages.reckoning import Reckoning, now
from harness.stages.training import train_stage

MOST_STEPS, FEW_STEPS = 20, 5
"""Steps of a training and of a loop that are run, and those after which a training's time may be up."""

SHARE = 0.25
"""Of the time, for all trainings together."""


@dataclass
class Calibrated:
    """What the jobs of a study take here."""

    device: str = "unknown"
    fixed: Took = NOTHING
    """Of a training, whatever its length."""
    steps: dict[str, Took] = field(default_factory=dict)
    """A training's step, by its branch."""
    epochs: dict[str, Took] = field(default_factory=dict)
    """What is done at the end of an epoch, by branch."""
    attacks: dict[str, Took] = field(default_factory=dict)
    """An attack, by its job's name."""
    begun: dict[str, Took] = field(default_factory=dict)
    """What an attack that the time did not suffice for takes at least, by its job's name."""
    priors: dict[str, Took] = field(default_factory=dict)
    """What is trained once for all trials, by the name of the job that starts from it."""
    images: int = 0
    """Of the training part."""
    memory_bytes: int = 0
    """Peak of the job that takes most."""
    attack_memory_bytes: int = 0
    """Peak of the attack that takes most; on a CPU with what this process had before."""
    disk_bytes: int = 0
    """Of one trial."""
    remarks: list[str] = field(default_factory=list)


class Underway(NamedTuple):
    """An attack that is being measured."""

    name: str
    reckoning: Reckoning
    start: Took


class Measurement(NamedTuple):
    """What is being measured."""

    found: Calibrated
    end: float
    """The clock's seconds at which its time is up."""
    underway: list[Underway]
    """The attack, while there is one."""


class Sketch(NamedTuple):
    """What a study's jobs are like."""

    trials: tuple[Asked, ...]
    """One of each branch."""
    place: Place
    seconds: float
    """That all may take."""


def calibrate(sketch: Sketch) -> Generator[Progress, None, Calibrated]:
    """Measure in a thread of its own, which ends when the time is up; return what was measured by then."""
    measurement = Measurement(Calibrated(), now().seconds + sketch.seconds, [])
    found, end, underway = measurement
    said: queue.SimpleQueue[Progress | None] = queue.SimpleQueue()

    def worked() -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="invfront-plan-", ignore_cleanup_errors=True) as folder:
                for progress in _measure(sketch, Path(folder), measurement):
                    said.put(progress)
        except Over:
            pass
        except Exception as error:  # what was measured before is worth having
            found.remarks.append(one_line(f"{type(error).__name__}: {error}"))
        finally:
            said.put(None)

    thread = threading.Thread(target=worked, name="calibrate", daemon=True)
    thread.start()
    try:
        while True:
            try:
                progress = said.get(timeout=max(0.0, end - now().seconds))
            except queue.Empty:
                found.remarks.append(f"measuring ended after {sketch.seconds:.0f} s")
                for attack in underway:
                    if (foreseen := attack.reckoning.foreseen()) is not None:
                        found.begun[attack.name] = foreseen.with_(attack.start, -1.0)
                break
            if progress is None:
                thread.join()
                break
            yield progress
    finally:
        end_thread(thread, 1.5 * END_SECONDS)  # it ends an attack's before its own
    return found


def _measure(sketch: Sketch, folder: Path, measurement: Measurement) -> Iterator[Progress]:
    first, begun = sketch.trials[0], now().seconds
    found, end, _ = measurement
    handed = Assignment(first, sketch.place, open_attempt(folder / "trials" / "00000"))
    yield Progress("training", 0, len(sketch.trials))
    for number, trial in enumerate(sketch.trials, start=1):
        until = begun + SHARE * (end - begun) * number / len(sketch.trials)
        _steps(handed._replace(asked=trial), found, until)
        yield Progress("training", number, len(sketch.trials))
    trained = _whole_training(handed, found)
    found.memory_bytes, found.disk_bytes = trained.circumstances.peak_memory_bytes, size_of(handed.attempt)
    yield from _attacks(handed, handed.attempt, first.attacks, measurement)
    attacked = Meter(first.shared(), "attack", prepare(first, "attack"), None).read()
    found.memory_bytes = max(found.memory_bytes, found.attack_memory_bytes, attacked.peak_memory_bytes)
    found.disk_bytes = size_of(handed.attempt)


def _whole_training(handed: Assignment, found: Calibrated) -> Trained:
    """Train for one step with all that stands around it, which is what a training takes at least."""
    asked = handed.asked
    batch = int(asked.settings["train/batch_size"] or 1)
    images = min(batch, int(asked.settings["train/images"] or batch))
    unheld = {"train/target_accuracy": None}  # of a single step no accuracy comes
    short = {"train/epochs": 1, "train/images": images} | unheld
    training = asked.model_copy(update={"settings": asked.settings | short})
    begun = now()
    trained = drain(train_stage(handed._replace(asked=training)), lambda told: None)
    found.fixed, found.device = now().with_(begun, -1.0), trained.circumstances.device
    return trained


def _steps(handed: Assignment, found: Calibrated, until: float) -> None:
    """Take some steps in the middle of a training, after an epoch's end."""
    asked = handed.asked
    branch = str(asked.settings["defense/name"])
    data = images_of(asked.settings, handed.place, prepare(asked, "train"))
    run = Run(build(asked, data), asked, data)
    found.images = len(run.part.y)
    most, begun = min(MOST_STEPS, run.epochs * run.steps - 1), now()
    run.take_step()
    found.steps[branch] = now().with_(begun, -1.0)
    run.step, begun = run.steps, now()
    run.end_epoch()
    found.epochs[branch] = now().with_(begun, -1.0)
    run.step = run.epochs * run.steps // 2
    last = run.epochs * run.steps - 1
    begun, taken = now(), 0
    while taken < most and (taken < FEW_STEPS or now().seconds < until):  # a schedule has no more steps than its own
        run.take_step()
        run.step = min(run.step, last)
        taken += 1
    if taken:  # else the first one, which takes longer, is all there is
        found.steps[branch] = NOTHING.with_(now().with_(begun, -1.0), 1 / taken)


def _attacks(
    handed: Assignment, weights: Path, jobs: Sequence[AttackJob], measurement: Measurement
) -> Iterator[Progress]:
    """Run each attack with loops of a few steps; what fails is charged for what it did until then."""
    priors = Priors(handed.asked.shared(), handed.place, handed.attempt.parents[2] / "priors")
    found, end, underway = measurement
    begun = now().seconds
    for number, job in enumerate(jobs, start=1):
        reckoning = Reckoning(MOST_STEPS, begun + (end - begun) * number / (len(jobs) + 1))
        with skipping(reckoning):
            if needs_prior(job):
                found.priors[job.name] = _took(reckoning, prior_stage(priors, job), job, found)
            underway.append(Underway(job.name, reckoning, reckoning.now()))
            found.attacks[job.name] = _took(reckoning, attack_stage(handed, weights, job), job, found)
            underway.clear()
        yield Progress(job.name, number, len(jobs))


def _took(reckoning: Reckoning, stage: Generator[Progress, None, object], job: AttackJob, found: Calibrated) -> Took:
    """Return what a stage took, until it failed if it did: networks that saw a few steps may be past its bounds."""
    start = reckoning.now()
    try:
        ended = drain(stage, lambda told: None)
        if isinstance(ended, AttackRecord):
            found.attack_memory_bytes = max(found.attack_memory_bytes, ended.circumstances.peak_memory_bytes)
    except Exception as error:
        found.remarks.append(one_line(f"{job.name} failed while it was measured: {type(error).__name__}: {error}"))
    return reckoning.now().with_(start, -1.0)
