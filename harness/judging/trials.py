"""A trial with what its records together say of it: its state, its worst case, how each attack on it ended."""

import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.judging.controls import NO_CONTROLS, Controls
from harness.judging.suite import ALL, Suite, suite_of
from harness.judging.verdicts import Judgement, verdicts
from harness.judging.worst import OBJECTIVE_PARTS, Candidate, candidates, worst_case
from harness.ledger import Ledger, TrialFiles
from harness.records import Asked, AttackRecord, Objectives, Record

RUNNING = "running"
"""State of a trial that was asked and has no record."""


@dataclass(frozen=True, kw_only=True)
class JudgedTrial:
    """One trial of a ledger. What is derived from its files is computed once, when it is first asked for."""

    number: int
    path: Path
    asked: Asked
    record: Record | None
    attacks: tuple[AttackRecord, ...]
    """Those of its record, and those that were run later."""
    tries: int = 1
    """How often it came to a record."""
    suite: Suite = ALL
    """Which attacks of the study do not count yet."""
    controls: Controls = NO_CONTROLS
    """The study's undefended networks."""

    @property
    def state(self) -> str:
        """``complete``, ``failed``, ``partial``, ``pruned`` or ``running``."""
        return self.record.state if self.record else RUNNING

    @property
    def feasible(self) -> bool:
        """Whether its accuracy is known and reaches the study's floor."""
        return bool(self.record and self.record.measured.feasible)

    @functools.cached_property
    def objectives(self) -> Objectives | None:
        """The objectives over all its attacks that count; null if it is not complete.

        An attack run later that failed leaves them as they are.
        """
        record = self.record
        if record is None or record.state != "complete" or record.measured.accuracy is None:
            return None
        return worst_case(record.measured.accuracy, self.candidates)

    @functools.cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """What its worst case is taken over: its attacks that count, and the guesses; nothing without a record."""
        if self.record is None:
            return ()
        return candidates(self.record.measured.floors, self.counting, self.record.measured.images)

    @property
    def counting(self) -> list[AttackRecord]:
        """Its attacks that count: all but those of the study that some complete trial still lacks, and those of another
        attacker than the study's own.
        """
        return [attack for attack in self.attacks if attack.job.counts and attack.job not in self.suite.lacking]

    @functools.cached_property
    def asked_suite(self) -> frozenset[str]:
        """The jobs that it was asked with whose scores are objectives, and count."""
        scored = [job for job in self.asked.attacks if job.kind == "reconstruction" and job.part in OBJECTIVE_PARTS]
        return _names(tuple(job.name for job in scored if job not in self.suite.lacking))

    @functools.cached_property
    def verdicts(self) -> Mapping[str, Judgement]:
        """How each attack ended beside the others, by the job's name; none of a trial without a record."""
        control = self.controls.of(self.asked)
        return verdicts(self.record.measured.floors, self.attacks, control) if self.record else {}

    @functools.cached_property
    def mark(self) -> str:
        """Digest of its tries, when its attacks were run, how they ended and which do not count: what a view shows."""
        withheld = [attack.job.name for attack in self.attacks if attack.job in self.suite.lacking]
        again = [f"record-{self.tries}"] if self.tries > 1 else []
        return mark_of(self.attacks, self.verdicts, [*withheld, *again]) if self.record else ""

    @property
    def later(self) -> list[AttackRecord]:
        """The attacks that were run after the record, by the study's own attacker."""
        later = (attack for attack in self.attacks if attack.job not in self.asked.attacks)
        return [attack for attack in later if attack.job.level is None]

    @property
    def moved(self) -> bool:
        """Whether its objectives may be others than those of its record, or than they were once."""
        return bool(self.later) or not self.suite.added.isdisjoint(self.asked.attacks)


@functools.lru_cache
def _names(jobs: tuple[str, ...]) -> frozenset[str]:
    """Return one set for all trials that were asked alike."""
    return frozenset(jobs)


def mark_of(attacks: Iterable[AttackRecord], judgements: Mapping[str, Judgement], withheld: Sequence[str] = ()) -> str:
    """Return a digest of when attacks were run, how they ended, and of those that do not count."""
    started = {attack.job.name: attack.circumstances.started for attack in attacks}
    told = [(name, judgements[name].verdict, judgements[name].why, time) for name, time in started.items()]
    return hashlib.sha256(json.dumps([*told, *withheld]).encode()).hexdigest()[:16]


def judged(files: TrialFiles, suite: Suite = ALL, controls: Controls = NO_CONTROLS) -> JudgedTrial:
    """Return a trial's files as a trial; alone, without its study's ``suite``, over all attacks that it had."""
    return JudgedTrial(**files._asdict(), suite=suite, controls=controls)


def judged_trials(ledger: Ledger) -> Iterator[JudgedTrial]:
    """Yield every trial that was asked, in the order of their numbers; errors as in ``Ledger.trials``."""
    suite, controls = suite_of(ledger), Controls(ledger)
    return (judged(files, suite, controls) for files in ledger.trials())
