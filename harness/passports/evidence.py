"""What stands behind a claim: each training of a trial's settings, and the attacks that its scores are over."""

from collections.abc import Iterable
from typing import NamedTuple

from harness.judging import JudgedTrial, Training, candidates, objectives_over, worst_case
from harness.judging.confirmed import common_jobs
from harness.records import Asked, AttackRecord, Objectives, Record


class Evidence(NamedTuple):
    """One training as it was asked, measured and attacked."""

    asked: Asked
    record: Record
    attacks: tuple[AttackRecord, ...]
    """Those that its scores are over."""

    def objectives(self, *further: AttackRecord) -> Objectives | None:
        """Return the objectives over its attacks, the guesses and further attacks; null if it is not complete."""
        measured = self.record.measured
        if self.record.state != "complete" or measured.accuracy is None:
            return None
        found = candidates(measured.floors, (*self.attacks, *further), measured.images)
        return worst_case(measured.accuracy, found) if found else None


class Source(NamedTuple):
    """A training of a study, and the evidence that it gives."""

    trial: JudgedTrial
    evidence: Evidence


def searched(trial: JudgedTrial) -> list[Source]:
    """Return the training that a trial of the search is; none if it is not complete."""
    return [_source(trial, trial.counting)] if trial.objectives is not None else []


def confirming(found: list[Training], number: int) -> list[Source]:
    """Return the complete trainings that confirm a trial, by seed, each over the attacks that all that the study has
    confirmed were attacked by, as its tables compare them.

    Args:
        found: Every training that the study has confirmed trials by (`harness.judging.confirmed`).
        number: The trial.
    """
    jobs = common_jobs([each.trial for each in found])
    own = [each for each in found if each.run.trial == number and _is_whole(each, jobs)]
    return [_source(each.trial, (one for one in each.trial.counting if one.job.name in jobs)) for each in own]


def _is_whole(training: Training, jobs: frozenset[str]) -> bool:
    return training.objectives is not None and objectives_over(training.trial, jobs) is not None


def _source(trial: JudgedTrial, attacks: Iterable[AttackRecord]) -> Source:
    if trial.record is None:
        raise ValueError(f"trial {trial.number} has no record")
    return Source(trial, Evidence(trial.asked, trial.record, tuple(one for one in attacks if one.measured.scores)))
