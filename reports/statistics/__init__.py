"""What repeated trainings say: intervals, who is on the front, bands, comparisons. Pure functions over tables.

A table of ``runs`` has one row per candidate and defense seed, ``trial, seed, accuracy, mse, ssim``; an equal seed
means equal initialisation, order of data and attackers for all candidates, so differences at equal seeds are paired.
"""

from reports.statistics.attainment import attained, bands
from reports.statistics.candidates import candidates, complete_runs
from reports.statistics.certified import blind, least_error, most_recovered
from reports.statistics.correlation import RankCorrelation, rank_correlations
from reports.statistics.differences import ROPE, differences, paired
from reports.statistics.intervals import LEVEL, Interval, interval, seed_means
from reports.statistics.matched import matched
from reports.statistics.membership import on_front_probability
from reports.statistics.nearness import MARGIN, near_front
from reports.statistics.racing import ERROR, FIRST, out_of_the_race
from reports.statistics.ranks import Ranks, ranks
from reports.statistics.seeds_needed import seeds_needed
from reports.statistics.volumes import volume, volumes
from reports.statistics.vorobev import Expectation, expectation

__all__ = [
    "ERROR",
    "FIRST",
    "LEVEL",
    "MARGIN",
    "ROPE",
    "Expectation",
    "Interval",
    "RankCorrelation",
    "Ranks",
    "attained",
    "bands",
    "blind",
    "candidates",
    "complete_runs",
    "differences",
    "expectation",
    "interval",
    "least_error",
    "matched",
    "most_recovered",
    "near_front",
    "on_front_probability",
    "out_of_the_race",
    "paired",
    "rank_correlations",
    "ranks",
    "seed_means",
    "seeds_needed",
    "volume",
    "volumes",
]
