"""How far a study is: its trials by state, and those that nothing dominates."""

from collections import Counter
from collections.abc import Iterable, Mapping

from harness.judging.shared import Front, contestant_of
from harness.judging.trials import RUNNING, JudgedTrial
from harness.judging.versions import Pooled
from harness.records import DIRECTIONS, Ended, Value

STATES = ("complete", "failed", "partial", "pruned", RUNNING, "waiting")


class Status(Value):
    """What ``invfront status --json`` prints."""

    name: str
    digest: str
    budget: int
    states: dict[str, int]
    """Trials by state; they add up to the budget."""
    front: tuple[int, ...]
    """Numbers of the trials that nothing dominates over the attacks that all of them have."""
    objectives: dict[str, str]
    """Direction of each objective."""
    unsettled: tuple[str, ...] = ()
    """Attacks that some trials have and the front does not count, since some of its trials lack them."""
    mixed: tuple[str, ...] = ()
    """What is there in two versions, and should not be compared: recipes, defenses, terms, attacks; a line each."""
    ended: str | None = None
    """What ended it before its trials were spent, and how to go on; null if nothing has."""

    def ended_by(self, why: Ended | None) -> "Status":
        """Return it with what ended the study."""
        return self.model_copy(update={"ended": why.text if why else None})


def states(trials: Iterable[JudgedTrial], budget: int) -> dict[str, int]:
    """Return the number of trials by state; waiting are those of the budget that were not asked yet."""
    return counted_states(Counter(trial.state for trial in trials), budget)


def counted_states(counts: Counter[str], budget: int) -> dict[str, int]:
    """Return what ``states`` returns, of trials that were counted."""
    waiting = max(budget - counts.total(), 0)
    return {state: waiting if state == "waiting" else counts[state] for state in STATES}


def status(identity: Mapping[str, str], budget: int, trials: Iterable[JudgedTrial]) -> Status:
    """Return the state of a study.

    Args:
        identity: Its ``name`` and ``digest``.
        budget: Trials it was given; more may have been asked.
        trials: Those that were asked.
    """
    listed, pooled = [], Pooled()
    for trial in trials:
        pooled.add(trial)
        listed.append(contestant_of(trial))
    return status_of(identity, budget, Counter(trial.state for trial in listed), Front(listed), pooled)


def status_of(identity: Mapping[str, str], budget: int, counts: Counter[str], front: Front, pooled: Pooled) -> Status:
    """Return what ``status`` returns, of trials that were counted by state and whose front and versions are known."""
    return Status(
        **identity,
        budget=max(budget, counts.total()),
        states=counted_states(counts, budget),
        front=front.numbers,
        objectives=dict(DIRECTIONS),
        unsettled=front.unsettled,
        mixed=pooled.lines(),
    )
