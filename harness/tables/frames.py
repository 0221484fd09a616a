"""Rows of values become a table whose column types do not depend on which rows happen to be there."""

from collections.abc import Iterable, Mapping, Sequence

import pandas

from harness.judging import Front
from harness.records import DIRECTIONS, Scalar

Row = Mapping[str, Scalar]

EMPTY: dict[type, str] = {bool: "bool", int: "int64", float: "float64", str: "str"}


def table(rows: Iterable[Row], columns: Mapping[str, type]) -> pandas.DataFrame:
    """Return rows as a table with these columns in this order; null stays null, in floats as NaN."""
    listed = list(rows)
    return pandas.DataFrame({name: column([row.get(name) for row in listed], kind) for name, kind in columns.items()})


def column(values: Sequence[Scalar], kind: type) -> "pandas.Series[object]":
    """Return a column of one type: integers and booleans with nulls are kept exact, as objects or nullable."""
    if kind in (float, str) or None not in values:
        return pandas.Series(values, dtype=EMPTY[kind])
    return pandas.Series(values, dtype="Int64" if kind is int else "object")


def kind_of(values: Iterable[Scalar]) -> type:
    """Return the narrowest type that holds every value that is there: text if they have nothing in common."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) == 1:
        return kinds.pop()
    return float if kinds and kinds <= {int, float} else str


def objectives_table(front: Front) -> pandas.DataFrame:
    """Return the objectives of a front's trials, one row each: ``accuracy, mse, ssim``."""
    return pandas.DataFrame(front.points, columns=[*DIRECTIONS])
