"""A study's tables as data frames, for whoever analyses it in Python."""

import functools
from pathlib import Path

import pandas

from harness.judging import Front, JudgedTrial, confirmed, judged_trials
from harness.judging.images import PerImage
from harness.ledger import Ledger, find_study
from harness.tables.attacks import levels, probes, reconstructions, variants
from harness.tables.confirmed import confirmed_table
from harness.tables.trials import curves, floors, per_images, trials_table
from reports.statistics import candidates


class StudyTables:
    """A study as it stood when its first table was asked for; a study may run meanwhile.

    The tables are those of ``report/data/``, whose columns `reports.columns` documents, read from the directory itself.

    Args:
        study: The study's directory, or the ``--out`` that holds just one.

    Raises:
        UserError: there is none, or more than one; of a table, that a file cannot be read.
    """

    def __init__(self, study: str | Path) -> None:
        self.root: Path = find_study(Path(study))
        """The study's directory."""

    @functools.cached_property
    def trials(self) -> pandas.DataFrame:
        """One row per trial that was asked: state, every setting by its path, objectives, ``on_front``."""
        return trials_table(self._trials, self._images)

    @property
    def front(self) -> pandas.DataFrame:
        """The trials that nothing dominates over the attacks that all of them have."""
        return self.trials[self.trials["on_front"]].reset_index(drop=True)

    @property
    def unsettled(self) -> tuple[str, ...]:
        """The attacks that some trials have and the front does not count, since some of its trials lack them."""
        return Front(self._trials).unsettled

    @functools.cached_property
    def attacks(self) -> pandas.DataFrame:
        """One row per reconstruction job of a finished trial: verdict, scores with standard errors, seconds.

        Those with a ``level`` are of another attacker than the study's own, and no objective is over them.
        """
        return reconstructions(self._trials, self._images)

    @functools.cached_property
    def levels(self) -> pandas.DataFrame:
        """One row per trial and what its attacker holds: the worst case over the attacks that all levels have."""
        return levels(self._images)

    @functools.cached_property
    def probes(self) -> pandas.DataFrame:
        """One row per score of a probe."""
        return probes(self._trials)

    @functools.cached_property
    def variants(self) -> pandas.DataFrame:
        """One row per further reconstruction that a job made of the same images."""
        return variants(self._trials)

    @functools.cached_property
    def floors(self) -> pandas.DataFrame:
        """One row per guess without z."""
        return floors(self._trials)

    @functools.cached_property
    def curves(self) -> pandas.DataFrame:
        """One row per point of a training's or an attack's curve."""
        return curves(self._trials)

    @functools.cached_property
    def confirmed(self) -> pandas.DataFrame:
        """One row per training that confirms a trial with a seed of its own, scored on the test part."""
        return confirmed_table(confirmed(Ledger(self.root)))

    @functools.cached_property
    def candidates(self) -> pandas.DataFrame:
        """One row per confirmed trial: settings, objectives over the seeds with intervals, ``p_on_front``."""
        own = self.trials[["trial", *(path for path in self.trials if "/" in path)]]
        return candidates(self.confirmed, own, next((trial.asked.floor for trial in self._trials), None))

    @functools.cached_property
    def _trials(self) -> list[JudgedTrial]:
        return list(judged_trials(Ledger(self.root)))

    @functools.cached_property
    def _images(self) -> dict[int, PerImage]:
        return per_images(self._trials)
