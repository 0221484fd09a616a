"""An attack's own small study: settings that leak most on attacker-validation, the same number for every defense.

It maximises leakage, where the study around it minimises it: the attacker moves second. Its rows live in memory, since
the job that runs it is the unit that is run again.
"""

from collections.abc import Iterator
from typing import Any

import optuna

from attacks.base import Attack, Span, Tunable

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Tuner:
    """Asks for settings and is told the error on attacker-validation that they gave.

    Args:
        kind: The attack's class; ``tunable`` says what is tuned.
        settings: The budget's own settings, which are tried first.
        count: Settings in all, >= 1.
        seed: Of the sampler.
    """

    def __init__(self, kind: type[Attack], settings: dict[str, Any], count: int, seed: int) -> None:
        self._tunable, self._settings, self._count = kind.tunable, settings, count
        sampler = optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=max(2, count // 3))
        self._rows = optuna.create_study(direction="minimize", sampler=sampler)
        self._rows.enqueue_trial({name: settings[name] for name in self._tunable})

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield number and settings, the next once the last was told."""
        for number in range(self._count):
            row = self._rows.ask()
            yield number, self._settings | {name: _drawn(row, name, kind) for name, kind in self._tunable.items()}

    def tell(self, number: int, error: float | None) -> None:
        """Say what the attack's mean squared error on attacker-validation was; None if it failed or diverged."""
        state = optuna.trial.TrialState.FAIL if error is None else None
        self._rows.tell(number, error, state=state)


def _drawn(row: optuna.Trial, name: str, kind: Tunable) -> Any:
    if not isinstance(kind, Span):
        return row.suggest_categorical(name, list(kind))
    if isinstance(kind.low, int) and isinstance(kind.high, int):
        return row.suggest_int(name, kind.low, kind.high, log=kind.log)
    return row.suggest_float(name, kind.low, kind.high, log=kind.log)
