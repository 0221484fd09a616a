"""The positive control: whether an attack that reads nothing of a defended network reads something of the undefended.

An attack that is no better than a guess may have met a defense, or may not work. The same attack with the same settings
on the study's undefended network, with the largest sigma that is at most the trial's, tells.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from harness.ledger import Ledger, TrialFiles
from harness.records import Asked, AttackRecord, Scalar

Control = Callable[[AttackRecord], bool | None]
"""Whether an attack beats the guess on the undefended network; null where there is none that it ran on."""

SIGMA = "model/sigma"


def uncontrolled(attack: AttackRecord) -> bool | None:
    """Know of no undefended network."""
    return None


class _Undefended(NamedTuple):
    sigma: float
    model: Mapping[str, Scalar]
    attacks: tuple[AttackRecord, ...]


class Controls:
    """The undefended networks of a study; the directory is read once, when an attack first reads nothing.

    Args:
        ledger: The study's; null for a trial that is looked at alone.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger
        self._found: list[_Undefended] | None = None
        """Null until the directory is read."""

    def hear(self, files: TrialFiles) -> None:
        """Take in a trial that has finished since: whoever goes on for long tells each."""
        if self._found is not None:
            self._found.extend(_undefended([files]))

    def of(self, asked: Asked) -> Control:
        """Return the control of a trial's attacks."""
        return lambda attack: self._beats(asked, attack)

    def _beats(self, asked: Asked, attack: AttackRecord) -> bool | None:
        if self._ledger is None:
            return None
        if self._found is None:
            self._found = list(_undefended(self._ledger.trials()))
        sigma, model = _sigma(asked), _model(asked)
        able = [
            (found.sigma, other)
            for found in self._found
            if found.sigma <= sigma and found.model == model
            for other in found.attacks
            if _alike(other, attack)
        ]
        if not able:
            return None
        _, other = max(able, key=lambda pair: pair[0])
        return other.measured.verdict not in ("floor", "inert", "diverged")


def _undefended(trials: Iterable[TrialFiles]) -> Iterator[_Undefended]:
    for files in trials:
        if files.record is not None and is_undefended(files.asked):
            yield _Undefended(_sigma(files.asked), _model(files.asked), files.attacks)


NO_CONTROLS = Controls()
"""Of a trial that is looked at alone."""


def is_undefended(asked: Asked) -> bool:
    """Say whether a trial has neither defense nor term."""
    return all(asked.settings.get(f"{role}/name", "none") == "none" for role in ("defense", "term"))


def _sigma(asked: Asked) -> float:
    return float(str(asked.settings.get(SIGMA, 0.0)))


def _model(asked: Asked) -> Mapping[str, Scalar]:
    """Return what a network is but for its noise: only the same can be a control."""
    return {path: value for path, value in asked.settings.items() if path.startswith("model/") and path != SIGMA}


def _alike(one: AttackRecord, other: AttackRecord) -> bool:
    """Say whether two ran the same attack with the same settings, and the one neither failed nor was halved."""
    same = one.job == other.job and one.measured.version == other.measured.version
    return same and one.measured.settings == other.measured.settings and one.measured.verdict != "failed"
