"""``attacker/images``: a number, or levels of what the attacker holds, one of which is the study's own."""

from collections.abc import Iterable, Iterator, Sequence

from harness.records import AttackJob

Level = int | str
"""A number of images; ``ALL`` of them; or ``MEMBERS``, those that the network was trained on."""

Images = int | tuple[Level, ...] | None

ALL, MEMBERS = "all", "members"


def read(value: object) -> Images:
    """Return what ``attacker/images`` says.

    Raises:
        ValueError: it is neither a number, nor levels that differ; says what it takes.
    """
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        return _number(value)
    if not value:
        raise ValueError("is an empty list; name levels such as [100, 1000, all], or leave it out")
    levels = tuple(_level(level) for level in value)
    twice = next((level for level in levels if levels.count(level) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} stands there twice; name each level once")
    return levels


def own(given: int | Sequence[Level] | None) -> int | None:
    """Return how many images the study's own attacker holds, by what ``attacker/images`` says; null for all."""
    if given is None or isinstance(given, int):
        return given
    return None if ALL in given else max((level for level in given if isinstance(level, int)), default=None)


def lower(given: int | Sequence[Level] | None) -> tuple[Level, ...]:
    """Return the levels beside the study's own, the fewest images first, ``MEMBERS`` last."""
    if given is None or isinstance(given, int):
        return ()
    numbers = sorted(level for level in given if isinstance(level, int) and level != own(given))
    return (*numbers, *([MEMBERS] if MEMBERS in given else []))


def at_levels(jobs: Iterable[AttackJob], levels: Iterable[Level]) -> Iterator[AttackJob]:
    """Yield reconstructions of an attacker that holds something else than the study's own, level by level.

    Args:
        jobs: Of the study's own attacker; probes are passed over, which ask what else leaks.
        levels: Numbers of images, or ``members``.
    """
    whole = [job for job in jobs if job.kind == "reconstruction"]
    for level in levels:
        held = {"attacker": MEMBERS} if level == MEMBERS else {"attacker_images": level}
        yield from (job.model_copy(update=held) for job in whole)


def _level(value: object) -> Level:
    if isinstance(value, str) and value in (ALL, MEMBERS):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"a level is a whole number >= 1, {ALL} or {MEMBERS}, not {value!r}")
    return value


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"takes a whole number, or levels such as [100, 1000, all], not {value!r}")
    if value < 1:
        raise ValueError(f"should be greater than or equal to 1, not {value!r}")
    return value
