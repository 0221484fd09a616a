"""What less of its budget cost an attack, and what a better attacker could still take off its error."""

from pydantic import FiniteFloat

from harness.records.value import Value


class Range(Value):
    """A share of an attack's error on attacker-validation, with its interval of 90 % over images.

    What other seeds of the same attack add to that interval is judging's (:func:`harness.judging.paired.over_seeds`).
    """

    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat


class Gains(Value):
    """The evidence behind a verdict; what was not measured is null, with a word in ``reasons``."""

    steps: Range | None
    """What the last doubling of the steps gained."""
    correction: Range | None
    """What a linear correction by the release itself takes off: what is best leaves it nothing."""
    remainder: Range | None
    """What a better attacker could take off, fitted to all of this: ``(e - e_inf) / e``."""
    worse_than_truth: FiniteFloat | None
    """Share of images whose objective at the reconstruction is above that at the image; null of what minimises none."""
    flags: tuple[str, ...]
    """What went wrong, in a few words each."""
    reasons: dict[str, str]
