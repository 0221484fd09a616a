"""Attacks whose prior is being trained beside them, and would hold a place in vain."""

import time
from collections.abc import Callable
from typing import Any

from harness.records import AttackJob
from harness.stages import attempt_of
from harness.stages.underway import Waiting, folder_of

AGAIN_SECONDS = 1.0
"""For so long a prior that is being trained is not looked at again, however many attacks wait for it."""


def waits_for_prior(waiting: Waiting) -> Callable[[tuple[Any, ...]], bool]:
    """Return what says whether a job is an attack whose prior another process trains.

    Args:
        waiting: The attacks of one study that wait.
    """
    until: dict[str, float] = {}

    def held(job: tuple[Any, ...]) -> bool:
        attempt, attack = attempt_of(job), job[-1]
        if attempt is None or not isinstance(attack, AttackJob):
            return False
        now = time.monotonic()
        if until.get(attack.name, now) > now:
            return True
        if not waiting.must(folder_of(attempt.parent), attack):
            return False
        until[attack.name] = now + AGAIN_SECONDS
        return True

    return held


def prior_over(waiting: Waiting, job: tuple[Any, ...]) -> None:
    """Hear of a job that it will not run any more."""
    if isinstance(attack := job[-1], AttackJob):
        waiting.ended(attack)
