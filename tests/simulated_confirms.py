"""Confirms whose truth is known: candidates with true means, trained with seeds that move all of them a little."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.dominance import DIRECTIONS, OBJECTIVES, non_dominated
from reports.statistics.candidates import candidates
from reports.statistics.racing import FIRST, out_of_the_race

SPREAD = np.array([0.008, 0.0008, 0.015])
"""Standard deviations over seeds, in the order of ``OBJECTIVES``; each candidate's own are some factor of them."""

SHARED = 0.3
"""Share of the variance over seeds that all candidates have in common."""

CORRELATION = np.array([[1.0, -0.3, 0.2], [-0.3, 1.0, -0.6], [0.2, -0.6, 1.0]])
"""Of the objectives within a training."""


class Confirm(NamedTuple):
    """A confirm and the truth about it."""

    runs: pd.DataFrame
    means: np.ndarray
    """True means, ``(m, 3)``."""
    on_front: np.ndarray
    """Who is truly on the front, ``(m,)``."""


def confirmed(rng: np.random.Generator, seeds: int, count: int = 8, racing: bool = False) -> Confirm:
    """Return a confirm of candidates along a trade-off, some a little behind it; racing, half may be left out."""
    strength = rng.random(count)
    means = np.column_stack([0.65 - 0.15 * strength, 0.010 + 0.02 * strength, 0.6 - 0.4 * strength])
    means += rng.exponential(size=(count, 1)) * [-0.01, -0.001, 0.02]  # how far behind the trade-off
    means += rng.standard_normal((count, 3)) * [0.003, 0.0003, 0.006]
    own = SPREAD * np.exp(rng.normal(0, 0.3, size=(count, 1)))
    root = np.linalg.cholesky(CORRELATION)
    common = rng.standard_normal((1, seeds, 3)) @ root.T
    noise = rng.standard_normal((count, seeds, 3)) @ root.T
    values = means[:, None] + own[:, None] * (SHARED**0.5 * common + (1 - SHARED) ** 0.5 * noise)
    grid = pd.MultiIndex.from_product([range(count), range(seeds)], names=["trial", "seed"])
    runs = pd.DataFrame(values.reshape(-1, 3), columns=[*OBJECTIVES], index=grid).reset_index()
    if racing:
        first = runs[runs["seed"] < FIRST]
        out = out_of_the_race(
            pd.concat([first, runs[runs["trial"] < count // 2]]).drop_duplicates(), range(count // 2, count)
        )
        runs = runs[~runs["trial"].isin(out.index) | (runs["seed"] < FIRST)]
    signs = np.array([DIRECTIONS[name] for name in OBJECTIVES])
    return Confirm(runs, means, non_dominated(means * signs))


class Seen(NamedTuple):
    """What many confirms showed."""

    coverage: dict[str, float]
    """Share of the intervals that hold the true mean, by objective."""
    believed: np.ndarray
    """Every probability of being on the front."""
    true: np.ndarray
    """Whether that candidate truly was."""
    left_out: tuple[int, int]
    """How many candidates raced and were left out, and how many of these are truly on the front."""

    def calibration(self, bins: int = 5) -> list[tuple[float, float, int]]:
        """Return mean probability, share that truly was on the front, and number, by equal bins of probability."""
        which = np.minimum((self.believed * bins).astype(int), bins - 1)
        kept = [which == number for number in range(bins) if (which == number).any()]
        return [(float(self.believed[each].mean()), float(self.true[each].mean()), int(each.sum())) for each in kept]


def simulated(confirms: int, seeds: int, racing: bool, seed: int = 0, count: int = 8) -> Seen:
    """Return what so many confirms showed."""
    rng = np.random.default_rng(seed)
    hits, believed, true, left_out, wrongly = {name: [] for name in OBJECTIVES}, [], [], 0, 0
    settings = pd.DataFrame({"trial": range(count), "defense/name": "none"})
    for _ in range(confirms):
        found = confirmed(rng, seeds, count, racing)
        table = candidates(found.runs, settings)
        for column, name in enumerate(OBJECTIVES):
            truth = found.means[:, column]
            hits[name].append((table[f"{name}_low"] <= truth) & (truth <= table[f"{name}_high"]))
        believed.append(table["p_on_front"])
        true.append(found.on_front)
        out = (table["seeds"] < seeds).to_numpy()
        left_out, wrongly = left_out + int(out.sum()), wrongly + int((out & found.on_front).sum())
    coverage = {name: float(np.concatenate(each).mean()) for name, each in hits.items()}
    return Seen(coverage, np.concatenate(believed), np.concatenate(true), (left_out, wrongly))
