"""A study whose trainings are held to an accuracy: what strengths start from, and what it cannot be."""

import math

import defenses
from harness.study.distributions import Choices, Range, Setting, probes
from harness.study.problem import Problem
from harness.study.study import Study

PATH = "train/target_accuracy"


def started(study: Study) -> Study:
    """Return a study whose defenses' strengths have one value each, to start from, if its trainings are held.

    A range of a strength gives its middle, a logarithmic one its geometric middle: it is not drawn from, since the
    training finds the strength.

    Raises:
        Problem: a strength is one of several choices, or 0.
    """
    if study.train.target_accuracy is None:
        return study
    held = {}
    for branch, entries in study.defense.items():
        strength = _strength(branch)
        if strength in entries:
            held[branch] = entries | {strength: _start(f"defense/{branch}/{strength}", entries[strength])}
    return study.model_copy(update={"defense": dict(study.defense) | held})


def check_target(study: Study) -> None:
    """Refuse what cannot be held to an accuracy.

    Raises:
        Problem: names the path, the value and the way out.
    """
    target = study.train.target_accuracy
    if target is None:
        return
    if None in probes(target):
        raise Problem(PATH, "null among others: trials would be trained on other images; make two studies of it")
    if study.protocol == "cem":
        raise Problem(PATH, "the published protocol fixes the images, and this takes some out of train; take strict")


def _strength(branch: str) -> str | None:
    """Return a defense's strength; null of one that is unknown, which is refused elsewhere."""
    try:
        return defenses.resolve(branch).strength
    except ValueError:
        return None


def _start(path: str, entry: Setting) -> Setting:
    if isinstance(entry, Choices):
        raise Problem(path, f"{entry.plain()}: under {PATH} it is found, not drawn; give one value to start from")
    if isinstance(entry, Range):
        low, high = float(entry.low), float(entry.high)
        return math.sqrt(low * high) if entry.log else (low + high) / 2
    if entry == 0:
        raise Problem(path, f"0: under {PATH} it is moved in proportion; give a value above 0 to start from")
    return entry
