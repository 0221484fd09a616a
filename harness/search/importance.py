"""Which settings decide an objective, by Optuna's conditional PED-ANOVA.

References:
    Watanabe, Bansal, Hutter, PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces, 2023.
    Conditional PED-ANOVA: Hyperparameter Importance in Hierarchical and Dynamic Search Spaces, 2026.
"""

import logging
import warnings
from collections.abc import Iterable, Sequence

import optuna
import pandas
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState, create_trial

from harness.judging import JudgedTrial
from harness.records import DIRECTIONS
from harness.search.drawing import distributions, settled
from harness.search.informed import values_of
from harness.study import Space

_LOG = logging.getLogger(__name__)

LEAST, MOST = 10, 2000
"""Trials below which nothing is said; trials that are looked at, evenly chosen where there are more."""

QUANTILE = 0.1
"""Share of the trials, the best by an objective, whose settings are held against those of all."""

COLUMNS = {"objective": str, "setting": str, "importance": float, "trials": int}


def importances(space: Space, trials: Iterable[JudgedTrial]) -> pandas.DataFrame:
    """Return one row per objective and setting, of ``COLUMNS``; the importances of an objective add up to 1.

    A setting is important for an objective if the best tenth of the trials by it has other values of the setting than
    all trials have. No rows where fewer than ``LEAST`` trials are complete, or where Optuna fails, which is logged:
    tables and page stand without it.

    Args:
        space: What the settings were drawn from.
        trials: In order.
    """
    complete = [trial for trial in trials if trial.objectives is not None]
    step = -(-len(complete) // MOST) or 1
    rows = [row for trial in complete[::step] if (row := _row(trial, space))]
    found = list[dict[str, object]]()
    if len(rows) >= LEAST:
        try:
            found = _ranked(rows)
        except Exception as error:
            _LOG.warning("the importance of settings was not told: %s", type(error).__name__, exc_info=True)
    if not found:
        return pandas.DataFrame({name: pandas.Series(dtype=kind) for name, kind in COLUMNS.items()})
    return pandas.DataFrame(found, columns=[*COLUMNS])


def _ranked(rows: Sequence[FrozenTrial]) -> list[dict[str, object]]:
    study = optuna.create_study(directions=["minimize"] * len(DIRECTIONS))
    study.add_trials(rows)
    found = list[dict[str, object]]()
    for index, (name, direction) in enumerate(DIRECTIONS.items()):
        for setting, value in _of_one(study, index, 1.0 if direction == "minimize" else -1.0).items():
            found.append({"objective": name, "setting": setting, "importance": value, "trials": len(rows)})
    return found


def _of_one(study: optuna.Study, index: int, sign: float) -> dict[str, float]:
    evaluator = PedAnovaImportanceEvaluator(target_quantile=QUANTILE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of every target that it takes lower values of as better
        return get_param_importances(study, evaluator=evaluator, target=lambda row: sign * row.values[index])


def _row(trial: JudgedTrial, space: Space) -> FrozenTrial | None:
    """Return a trial as Optuna's row; null for one that the space cannot have asked, as of before it was widened."""
    assert trial.objectives is not None
    try:
        drawn = distributions(space, trial.asked.settings)
        params = settled(space, {path: trial.asked.settings[path] for path in drawn})
        values = values_of(trial.objectives)
        return create_trial(state=TrialState.COMPLETE, values=values, params=params, distributions=drawn)
    except (KeyError, ValueError):
        return None
