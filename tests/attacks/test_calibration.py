"""On problems with known answers, the interval of the remainder covers the truth as often as it says."""

import pytest

from attacks.verdict import TIGHT
from tests.calibration import ALL, Run, Sizes, run

REPORTED = 900_000
"""The first seed that is reported; the laws were fitted on others, below."""


SHORT = Sizes(kinds=("decoder", "linear", "linear", "rmle"), steps=(60,), sides=(8,), validation=(80,))


def readers(count: int, sizes: Sizes = ALL) -> list[Run]:
    """The first so many runs that read anything at all: what does not is a floor, and has no remainder."""
    found: list[Run] = []
    seed = REPORTED
    while len(found) < count:
        each = run(seed, sizes)
        found += [each] if each.reads else []
        seed += 1
    return found


def missed(runs: list[Run]) -> list[str]:
    """The runs whose interval misses the truth, a thousandth aside, in words."""
    return [
        f"{each.what}: {each.truth:.3f} outside {each.remainder.low:.3f} to {each.remainder.high:.3f}"
        for each in runs
        if not each.remainder.low - 1e-3 <= each.truth <= each.remainder.high + 1e-3
    ]


@pytest.mark.slow
def test_of_a_few_short_runs_the_interval_covers_the_true_remainder_in_most():
    wrong = missed(readers(6, SHORT))
    assert len(wrong) <= 2, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_of_120_runs_of_several_attacks_and_budgets_the_interval_covers_the_true_remainder_in_86_of_100():
    runs = readers(120)
    wrong = missed(runs)
    print(f"{len(runs) - len(wrong)} of {len(runs)} covered", *wrong, sep="\n")
    assert len(wrong) <= 0.14 * len(runs), "\n".join(wrong)
    assert len({each.what.split()[0] for each in runs}) >= 6
    tight = [each for each in runs if each.remainder.high < TIGHT]
    assert all(each.truth < TIGHT for each in tight)
    assert tight
