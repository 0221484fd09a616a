"""What a study's confirms say together: each training's objectives over the attacks that all of them have had."""

from typing import NamedTuple

from harness.judging.controls import Controls
from harness.judging.shared import held, objectives_over
from harness.judging.trials import JudgedTrial, judged
from harness.ledger import Confirms, Ledger, Run, TrialFiles
from harness.records import AttackJob, Objectives, Round, Value


class Confirmed(Value):
    """How far confirming is."""

    candidates: int
    """Trials that were to be confirmed, by any confirm."""
    seeds: int
    """Seeds that each was to get, by the confirm that asked for most."""
    waiting: int
    """Trainings that have not ended, or lack an attack; a race that is not decided counts as won."""


class Training(NamedTuple):
    """A training that confirms a trial."""

    run: Run
    trial: JudgedTrial
    objectives: Objectives | None
    """Over the attacks that all complete trainings have; null if it is not complete."""


def confirmed(ledger: Ledger) -> list[Training]:
    """Return the trainings that were asked for, by trial and seed; errors as in ``Ledger.trials``.

    An attack that some complete training lacks counts for none: a later confirm with another suite changes what is
    compared once all have had it.
    """
    controls: dict[int, Controls] = {}
    found = [
        (run, judged(files, controls=controls.setdefault(run.seed, Controls(ledger.of_seed(run.seed)))))
        for run, files in Confirms(ledger).runs()
    ]
    jobs = common_jobs([trial for _, trial in found])
    return [Training(run, trial, objectives_over(trial, jobs)) for run, trial in found]


def common_jobs(trials: list[JudgedTrial]) -> frozenset[str]:
    """Return the attacks that all complete trainings have scores of."""
    had = [held(trial) for trial in trials if trial.objectives is not None]
    return frozenset.intersection(*had) if had else frozenset()


def confirmed_so_far(ledger: Ledger) -> Confirmed:
    """Return how far confirming is; errors as in ``Ledger.trials``."""
    confirms = Confirms(ledger)
    rounds = confirms.rounds()
    wanted = {run: one for one in rounds for run in confirms.planned_of(one)}
    waiting = sum(not is_done(confirms.read(run), one.attacks) for run, one in wanted.items())
    return Confirmed(
        candidates=len({trial for one in rounds for trial in one.trials}),
        seeds=max((one.seeds for one in rounds), default=0),
        waiting=waiting,
    )


def is_done(files: TrialFiles | None, jobs: tuple[AttackJob, ...]) -> bool:
    """Say whether a training has ended and, if it has a network, was attacked by all of these."""
    if files is None or files.record is None:
        return False
    return files.record.state == "failed" or not lacking(files, jobs)


def lacking(files: TrialFiles, jobs: tuple[AttackJob, ...]) -> list[AttackJob]:
    """Return the attacks that a training has not had; one that failed was had."""
    had = {attack.job.name for attack in files.attacks}
    return [job for job in jobs if job.name not in had]


def read_line(one: Round) -> str:
    """Return when a round read the test part, for whom and by what, in a line."""
    trials = ", ".join(map(str, one.trials[:20])) + (f" and {len(one.trials) - 20} more" if one.trials[20:] else "")
    suite = ", ".join(dict.fromkeys(f"{job.attack}:{job.budget}" for job in one.attacks))
    race = f"; of these {len(one.raced)} raced" if one.raced else ""
    return f"confirm {one.number}, {one.time[:16]}Z: trials {trials} with {one.seeds} seeds each, by {suite}{race}"
