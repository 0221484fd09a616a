"""What a training that was to be held to an accuracy says in a table."""

from harness.judging import JudgedTrial
from harness.records import Scalar

TARGET = "train/target_accuracy"


def held(trial: JudgedTrial) -> dict[str, Scalar]:
    """Return how a training that was to be held to an accuracy ended; nothing of any other."""
    if trial.record is None or trial.asked.settings.get(TARGET) is None:
        return {}
    last = {point.name: point.value for point in trial.record.measured.curve}
    known = {name: last.get(name) for name in ("control_accuracy", "strength")}
    return {"controlled": known["strength"] is not None, **known}
