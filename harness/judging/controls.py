"""The positive control: whether an attack that reads nothing of a defended network reads something of the undefended.

An attack that is no better than a guess may have met a defense, or may not work. The same attack with the same settings
on the study's undefended network, with the largest sigma that is at most the trial's, tells.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from harness.ledger import Ledger
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
    """The undefended networks of a study; none is read before an attack reads nothing, and each once.

    Args:
        ledger: The study's; null for a trial that is looked at alone.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger
        self._found: dict[int, _Undefended | None] = {}
        """Of trials that are finished; null of one that is defended."""

    def of(self, asked: Asked) -> Control:
        """Return the control of a trial's attacks."""
        return lambda attack: self._beats(asked, attack)

    def _beats(self, asked: Asked, attack: AttackRecord) -> bool | None:
        sigma, model = _sigma(asked), _model(asked)
        able = [
            (found.sigma, other)
            for found in self._undefended()
            if found.sigma <= sigma and found.model == model
            for other in found.attacks
            if _alike(other, attack)
        ]
        if not able:
            return None
        _, other = max(able, key=lambda pair: pair[0])
        return other.measured.verdict not in ("floor", "inert", "diverged")

    def _undefended(self) -> Iterator[_Undefended]:
        for number in self._ledger.numbers() if self._ledger else ():
            if number not in self._found:
                self._read(number)
            found = self._found.get(number)
            if found is not None:
                yield found

    def _read(self, number: int) -> None:
        assert self._ledger is not None
        files = self._ledger.read(number)
        if files.record is not None:
            network = _Undefended(_sigma(files.asked), _model(files.asked), files.attacks)
            self._found[number] = network if is_undefended(files.asked) else None


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
