"""A study's confirms as its directory holds them: ``confirm/<trial>/<seed>/``, each like a trial's, and the rounds."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.ledger.files import Ledger, TrialFiles
from harness.ledger.keys import CONFIRM
from harness.records import Raced, Round


class Run(NamedTuple):
    """One training of a confirm: a trial's settings with a seed of its own."""

    trial: int
    seed: int


class Confirms:
    """The confirms of one study; errors as in ``Ledger.trials``.

    Args:
        ledger: The study's.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._folder = ledger.root / CONFIRM

    def rounds(self) -> list[Round]:
        """Return the rounds in their order."""
        there = [path for path in self._folder.glob("round-*.json") if path.stem.removeprefix("round-").isdecimal()]
        return [self._ledger.parsed(path, Round) for path in sorted(there, key=_number)]

    def raced(self, number: int) -> Raced | None:
        """Return who was left out of a round; null while that is not decided."""
        path = self._folder / f"round-{number}-raced.json"
        return self._ledger.parsed(path, Raced) if path.exists() else None

    def publish_round(self, found: Round) -> None:
        """Put a round on storage, before its first job starts."""
        self._ledger.publish(self._folder / f"round-{found.number}.json", found)

    def publish_raced(self, found: Raced) -> None:
        """Put on storage who was left out of a round."""
        self._ledger.publish(self._folder / f"round-{found.number}-raced.json", found)

    def planned(self) -> dict[Run, None]:
        """Return the trainings of all rounds, in the order in which they are to run, each once."""
        return {run: None for each in self.rounds() for run in self.planned_of(each)}

    def planned_of(self, one: Round) -> list[Run]:
        """Return the trainings of a round; those that wait for the race to be decided are among them."""
        raced = self.raced(one.number)
        out = {left.trial for left in raced.left_out} if raced else set()
        return [
            Run(trial, seed)
            for seed in range(one.seeds)
            for trial in one.trials
            if not (seed >= one.first and trial in out)
        ]

    def read(self, run: Run) -> TrialFiles | None:
        """Return what is on storage of a training; null if it was not asked for yet."""
        ledger = self._ledger.of_seed(run.seed)
        return ledger.read(run.trial) if ledger.was_asked(run.trial) else None

    def runs(self) -> Iterator[tuple[Run, TrialFiles]]:
        """Yield every training that was asked for, by trial and seed."""
        asked = [path.parts[-3:-1] for path in self._folder.glob("*/*/asked.json")]
        for run in sorted(Run(int(trial), int(seed)) for trial, seed in asked if (trial + seed).isdecimal()):
            yield run, self._ledger.of_seed(run.seed).read(run.trial)


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("round-"))
