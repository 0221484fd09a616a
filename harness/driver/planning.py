"""What a forecast rests on: earlier trials, or a few steps of each kind; and how it compares with what was."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from harness.cluster import OWN_PACKAGES, runner, threads
from harness.driver.conditions import place_of, plugins, precision_of
from harness.driver.costs import MEASURED_DOUBT, Costs, Observed, costs_of, kind_of, mean, steps_of
from harness.driver.forecast import HOUR, Forecast, Machine, forecast
from harness.errors import UserError
from harness.judging import JudgedTrial, covered, judged_trials, spans, train_seconds
from harness.ledger import Ledger
from harness.ledger.disk import size_of
from harness.records import Asked, Circumstances, Scalar, Tell, derive, failure_line
from harness.records.took import NOTHING, Took
from harness.stages import CALIBRATE, Submit
from harness.stages.calibrating import Calibrated, Sketch
from harness.study import Choices, Range, Setting, Study
from harness.study.jobs import attack_jobs

LEAST = 2
"""Trials of a study from which the others are forecast."""

LONGEST_SECONDS, ENDING_SECONDS, LEAST_SECONDS = 180.0, 15.0, 60.0
"""That measuring takes in all; of these, until what is underway has ended; left for steps, however long nodes took."""


class Known(NamedTuple):
    """What a forecast rests on."""

    costs: Costs
    images: int
    """Of the training part."""


class Compared(NamedTuple):
    """A forecast of a finished study, and what was."""

    forecast: Forecast
    from_trials: int
    """Its first ones, that the forecast was made from; 0 where steps were measured."""
    seconds: float
    """In which trials ran."""
    cpu_hours: float


def learnt(ledger: Ledger) -> Known:
    """Return what a study's complete trials took.

    Raises:
        UserError: it has none.
    """
    trials = complete(ledger)
    if not trials:
        raise UserError(f"{ledger.root}: has no complete trial to learn from; run it first, or leave --from away")
    return _known(trials)


def measured(study: Study, ledger: Ledger, address: str, tell: Tell = lambda progress: None) -> Known:
    """Return what a few steps of each kind of a study's jobs took, where it is to run.

    Args:
        study: The study, whose images are there.
        ledger: Its directory; it need not be there.
        address: Of a cluster, or of this process.
        tell: Hears of the progress.

    Raises:
        UserError: they could not be measured, or find no place there.
    """
    begun, packages, broken = time.monotonic(), [*OWN_PACKAGES, *plugins(study, study.attacks)], list[str]()
    with runner(address, "the local Ray died", packages) as fleet:
        fleet.refuse(study.resources)
        submit: Submit = fleet.jobs(study.resources)
        longest = min(study.resources.timeout or LEAST_SECONDS, LEAST_SECONDS)
        soon = study.resources.model_copy(update={"timeout": longest})
        trials = sketched(study, ledger, fleet.everywhere(soon), broken.append)
        sketch = Sketch(trials, place_of(study), seconds_left(time.monotonic() - begun))
        (outcome,) = submit(CALIBRATE, [(sketch,)], "train", tell)
    if outcome.value is None:
        raise UserError(f"{study.name}: could not be measured: {failure_line(outcome.failure)}; take --from STUDY")
    found: Calibrated = outcome.value
    if not found.steps or not (found.attacks or found.begun):
        raise UserError(f"{study.name}: too little could be measured: {'; '.join(found.remarks)}; take --from STUDY")
    found.remarks.extend(broken)
    return Known(costs_measured(found, study), found.images)


def seconds_left(spent: float) -> float:
    """Return how long steps may be measured, seconds.

    Args:
        spent: Seconds that connecting, nodes and images took.
    """
    return max(LEAST_SECONDS, LONGEST_SECONDS - ENDING_SECONDS - spent)


def costs_measured(found: Calibrated, study: Study) -> Costs:
    """Return what trials take by what a few steps took; an attack that was not measured takes what the dearest did."""
    jobs = {job.name: job for job in attack_jobs(study)}
    attacks = {kind_of(jobs[name]): took for name, took in found.attacks.items()}
    begun = {kind_of(jobs[name]): took for name, took in found.begun.items()}
    dearest = max([*attacks.values(), *begun.values()], key=lambda took: took.seconds)
    missed = dict.fromkeys(kind for kind in map(kind_of, jobs.values()) if kind not in attacks)
    lines = [_missed(kind, begun.get(kind), dearest) for kind in missed]
    once = NOTHING
    for took in found.priors.values():
        once = once.with_(took)
    return Costs(
        fixed=found.fixed,
        steps=found.steps,
        epochs=found.epochs,
        attacks=attacks | dict.fromkeys(missed, dearest),
        once=once,
        gap_seconds=0.0,
        spread=0.0,
        seen=1,
        memory_bytes=found.memory_bytes,
        attack_memory_bytes=found.attack_memory_bytes or found.memory_bytes,
        disk_bytes=found.disk_bytes,
        device=found.device,
        doubt=MEASURED_DOUBT,
        calibrated=True,
        remarks=(*lines, *found.remarks),
    )


def _missed(kind: str, begun: Took | None, dearest: Took) -> str:
    """Return what is said of an attack that was not measured to its end."""
    reached = "not reached" if begun is None else "its end was not reached"
    by = "by the steps of it that were run" if begun == dearest else "to be as slow as the slowest that was"
    return f"attack {kind}: {reached} in time; taken {by}"


def sketched(study: Study, ledger: Ledger, submit: Submit, noted: Callable[[str], None]) -> tuple[Asked, ...]:
    """Return a trial of each branch of a study's defenses, in the middle of all that it may draw; arguments and errors
    as of ``precision_of``.
    """
    space, resources = study.space(), study.resources
    term: dict[str, Scalar | Setting] = {}
    terms = list((space.term or {}).items())
    for name, entries in [one for one in terms if one[0] != "none"][:1] or terms[:1]:  # what costs more is told
        term = {"term/name": name, **entries}
    kinds = {kind_of(job): job for job in reversed(attack_jobs(study))}
    precision = precision_of(study, ledger, submit, noted)
    found = []
    for number, (branch, own) in enumerate(space.defense.items()):
        settings = dict(space.shared) | {"defense/name": branch} | dict(own) | term
        found.append(
            Asked(
                study=study.name,
                ledger=str(study.ledger),
                number=number,
                settings={path: middle(entry) for path, entry in settings.items()},
                attacks=tuple(reversed(kinds.values())),
                seed=derive(study.search.seed, "trial", number),
                study_seed=study.search.seed,
                threads={"train": threads(resources.train.cpu), "attack": threads(resources.attack.cpu)},
                precision=precision,
                anchor=False,
                floor=None,
            )
        )
    return tuple(found)


def middle(entry: Scalar | Setting) -> Scalar:
    """Return a value that a setting can take, in its middle."""
    if isinstance(entry, Choices):
        return entry.values[len(entry.values) // 2]
    if isinstance(entry, Range):
        size = entry.size()
        return mean(entry) if size is None else entry.at(size // 2)
    return entry


def complete(ledger: Ledger) -> list[JudgedTrial]:
    """Return a study's complete trials."""
    return [trial for trial in judged_trials(ledger) if trial.state == "complete"]


def observed(trial: JudgedTrial, shares: Mapping[str, float] | None = None) -> Observed:
    """Return what a complete trial took.

    Args:
        trial: The trial.
        shares: CPUs that its jobs reserved, ``train`` and ``attack``, which they are charged with where nobody recorded
            those that they used; by default, their threads.
    """
    record = trial.record
    if record is None:
        raise ValueError(f"trial {trial.number} is not finished")
    given = shares or {kind: float(count) for kind, count in trial.asked.threads.items()}
    own = [attack for attack in trial.attacks if attack.job in trial.asked.attacks]
    each = [(kind_of(attack.job), _took(attack.circumstances, given["attack"])) for attack in own]
    times = spans([trial])
    peaks = [attack.circumstances.peak_memory_bytes for attack in own]
    lasted = (max(time.end for time in times) - min(time.start for time in times)).total_seconds() if times else 0.0
    return Observed(
        branch=str(trial.asked.settings["defense/name"]),
        steps=steps_of(trial.asked.settings, _images([trial])),
        train=_training(trial, [took for _, took in each], given["train"]),
        attacks=each,
        gap_seconds=max(0.0, lasted - covered(times)),
        memory_bytes=max([record.circumstances.peak_memory_bytes, *peaks]),
        attack_memory_bytes=max(peaks, default=0),
        disk_bytes=size_of(trial.path),
    )


def compared(study: Study, ledger: Ledger, machine: Machine, known: Known | None = None) -> Compared:
    """Return what would have been forecast of a finished study from its first third, and what was.

    Args:
        study: The study.
        ledger: Its directory.
        machine: Where it ran.
        known: What the forecast rests on in place of the first third.

    Raises:
        UserError: too few of its trials are complete.
    """
    trials = complete(ledger)
    if len(trials) <= LEAST:
        raise UserError(f"{ledger.root}: has {len(trials)} complete trials; takes at least {LEAST + 1} to compare")
    first = trials[: max(LEAST, len(trials) // 3)]
    costs, images = known or _known(first)
    whole = study.search.model_copy(update={"trials": len(trials)})
    found = forecast(study.model_copy(update={"search": whole}), costs, machine, images)
    total = NOTHING
    for one in map(observed, trials):
        total = total.with_(one.train)
        for _, took in one.attacks:
            total = total.with_(took)
    return Compared(found, 0 if known else len(first), covered(spans(trials)), total.cpu_seconds / HOUR)


def _known(trials: Sequence[JudgedTrial]) -> Known:
    first = trials[0]
    device = first.record.circumstances.device if first.record else "unknown"
    return Known(costs_of([observed(one) for one in trials], first.asked.settings, device), _images(trials))


def _took(cost: Circumstances, share: float) -> Took:
    return Took(cost.seconds, share * cost.seconds if cost.cpu_seconds is None else cost.cpu_seconds)


def _training(trial: JudgedTrial, attacks: Sequence[Took], share: float) -> Took:
    """Return what a trial's training took: of processors what its record's sum has beside the attacks."""
    seconds = train_seconds(trial)
    whole = trial.record.circumstances.cpu_seconds if trial.record else None
    if whole is None:
        return Took(seconds, share * seconds)
    return Took(seconds, max(0.0, whole - sum(took.cpu_seconds for took in attacks)))


def _images(trials: Sequence[JudgedTrial]) -> int:
    """Return how many images trials were trained on."""
    known = [trial.record.measured.images.get("train", 0) for trial in trials if trial.record]
    return max([*known, 1])
