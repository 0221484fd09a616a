"""What a study was when its driver wrote it, and what it has become since: who widened it, when, by what."""

from typing import Literal

from harness.records.asked import AttackJob
from harness.records.value import Value


class Change(Value):
    """One path at which a study was widened."""

    path: str
    was: str
    """JSON, or ``absent``."""
    now: str


class Extension(Value):
    """A study that became a wider one."""

    digest: str
    """Of the wider study."""
    parent: str
    """Digest of the study that it was."""
    time: str
    """When, ISO 8601."""
    asked: int
    """Trials that were asked by then; the others were asked of the wider study."""
    changes: tuple[Change, ...]
    attacks: tuple[AttackJob, ...]
    """Jobs that trials have had since."""


class Lineage(Value):
    """A study's identities, in order."""

    version: Literal[1] = 1
    study: str
    """``study.yaml`` as its driver wrote it last: what a hand has changed since shows beside it."""
    extensions: tuple[Extension, ...] = ()

    @property
    def added(self) -> tuple[AttackJob, ...]:
        """Attacks that came after the first trials, by now part of the suite."""
        return tuple(job for extension in self.extensions for job in extension.attacks)
