"""Learning curves as lines of text."""

from collections.abc import Iterable, Iterator

from harness.records import CurvePoint

BLOCKS, LETTERS = "▁▂▃▄▅▆▇█", "_.-~=+*#"
"""Eight levels from the lowest to the highest value: as a terminal that knows Unicode shows them, and any other."""

WIDTH = 40
"""Most points that are drawn: of a longer curve every so many-th, its first and last among them."""

GAP = " "
"""Drawn where a number was not finite."""


def curve_lines(curve: Iterable[CurvePoint], levels: str) -> Iterator[str]:
    """Yield one line for each name of a curve: a picture of it, its ends and its extremes, the last step."""
    points: dict[str, list[CurvePoint]] = {}
    for point in curve:
        points.setdefault(point.name, []).append(point)
    longest = max(map(len, points), default=0)
    for name, found in points.items():
        values = [point.value for point in found]
        yield f"{name:<{longest}}  {drawn(values, levels)}  {_told(values)} (step {found[-1].step})"


def drawn(values: list[float | None], levels: str) -> str:
    """Return a curve as one character for each of at most ``WIDTH`` values."""
    shown = _thinned(values)
    known = [value for value in shown if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    scale = (len(levels) - 1) / (high - low) if high > low else 0.0
    return "".join(GAP if value is None else levels[round((value - low) * scale)] for value in shown)


def levels_of(encoding: str | None) -> str:
    """Return the levels that a stream of an encoding can print."""
    try:
        BLOCKS.encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return LETTERS
    return BLOCKS


def _thinned(values: list[float | None]) -> list[float | None]:
    if len(values) <= WIDTH:
        return values
    return [values[round(place * (len(values) - 1) / (WIDTH - 1))] for place in range(WIDTH)]


def _told(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "never finite"
    ends = f"{known[0]:.4g} to {known[-1]:.4g}" if len(known) > 1 else f"{known[0]:.4g}"
    lost = len(values) - len(known)
    return f"{ends}, least {min(known):.4g}, most {max(known):.4g}" + (f", {lost} not finite" if lost else "")
