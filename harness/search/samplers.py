"""Optuna's samplers by name, with what each of them does not model."""

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

CAVEATS = {
    "nsga2": "models only what all branches share; a branch's own settings are drawn at random",
    "nsga3": "models only what all branches share; a branch's own settings are drawn at random",
    "gp": "models only what all branches share, and takes seconds a draw beyond some 300 trials",
    "qmc": "spreads only what all branches share; a branch's own settings are drawn at random",
}
"""What a user of a sampler should know, by its name."""


def make_sampler(name: str, study_seed: int, seed: int) -> BaseSampler:
    """Return a sampler, a new one for each draw.

    Its state cannot be stored, so one that lived on would draw what a resumed driver would not.

    Args:
        name: ``tpe``, ``nsga2``, ``nsga3``, ``gp``, ``qmc``, ``random`` or ``grid`` (enumerated by the search itself).
        study_seed: Seed of the study; only the quasi-random sequence keeps it, its position is in the storage.
        seed: Seed that differs from ask to ask, so that nothing is drawn twice after a resume.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match name:
            case "tpe":
                return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)
            case "nsga2":
                return NSGAIISampler(seed=seed)
            case "nsga3":
                return NSGAIIISampler(seed=seed)
            case "gp":
                return GPSampler(seed=seed)
            case "qmc":
                independent = RandomSampler(seed=seed)
                return QMCSampler(seed=study_seed % 2**32, scramble=True, independent_sampler=independent)
            case _:
                return RandomSampler(seed=seed)
