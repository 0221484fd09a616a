"""What a study's confirms set out to do: which trials, with how many seeds, attacked by what, on the test part."""

from typing import Literal

from pydantic import FiniteFloat

from harness.records.asked import AttackJob
from harness.records.value import Value


class Round(Value):
    """``confirm/round-<n>.json``: one confirm, written before its first job starts and never rewritten."""

    version: Literal[1] = 1
    number: int
    """Counted from 1."""
    time: str
    """When it began, ISO 8601."""
    trials: tuple[int, ...]
    """Those that it confirms, in order."""
    raced: tuple[int, ...]
    """Those of them that get ``first`` seeds, and no more if they cannot be on the front any more."""
    seeds: int
    """How many seeds each gets, counted from 0."""
    first: int
    """How many seeds those that race get before it is decided."""
    error: FiniteFloat
    """Probability of being on the front under which one of these gets no more."""
    attacks: tuple[AttackJob, ...]
    """What each training is attacked by."""


class LeftOut(Value):
    """A trial that gets no further seeds."""

    trial: int
    p_on_front: FiniteFloat
    """Probability that it is on the front, as it seemed then."""


class Raced(Value):
    """``confirm/round-<n>-raced.json``: who was left out; once it is written it is decided."""

    version: Literal[1] = 1
    number: int
    """The round's."""
    left_out: tuple[LeftOut, ...]
