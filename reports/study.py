"""A study as cards see it: its tables, and what several cards derive from them, each computed once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import pandas as pd

from reports import points
from reports.formats import defense_names, varying_settings
from reports.front import eligible, on_front
from reports.points import Look, Pair
from reports.statistics import candidates
from reports.tables import StudyData, settings

Found = TypeVar("Found")


@dataclass(frozen=True)
class Study:
    """Everything that a card is computed from."""

    data: StudyData

    @cached_property
    def names(self) -> dict[int, str]:
        """The defense of every trial."""
        return dict(zip(self.data.trials["trial"], defense_names(self.data.trials), strict=True))

    @cached_property
    def looks(self) -> dict[str, Look]:
        """How each defense is drawn, wherever it is."""
        return points.looks(self.data.trials)

    @cached_property
    def eligible(self) -> pd.DataFrame:
        """The trials that may be on a front."""
        return self.data.trials[eligible(self.data.trials)]

    @cached_property
    def front(self) -> pd.DataFrame:
        """The trials that nothing dominates."""
        return self.data.trials[on_front(self.data.trials)]

    @cached_property
    def varying(self) -> list[str]:
        """The settings that tell trials apart."""
        return varying_settings(self.data.trials)

    @cached_property
    def candidates(self) -> pd.DataFrame | None:
        """``candidates.parquet``: what is confirmed; null if nothing is."""
        if self.data.confirmed.empty:
            return None
        own = self.data.trials[["trial", *settings(self.data.trials)]]
        return candidates(self.data.confirmed, own, self.data.study["floor"])

    def once(self, compute: "Callable[[Study], Found]") -> Found:
        """Return what is computed of this study, which several parts of a page ask for."""
        if compute not in self._found:
            self._found[compute] = compute(self)
        found: Found = self._found[compute]
        return found

    @cached_property
    def _found(self) -> dict[Callable[["Study"], Any], Any]:
        return {}

    @cached_property
    def _pairs(self) -> dict[tuple[str, str], Pair]:
        return {}

    def pair(self, x: str, y: str) -> Pair:
        """Return what the picture of two objectives shows."""
        if (x, y) not in self._pairs:
            self._pairs[x, y] = points.pair(self.data, x, y, self.once(_placed))
        return self._pairs[x, y]


def _placed(study: Study) -> pd.DataFrame:
    return points.placed(study.data.trials)
