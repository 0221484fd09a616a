"""Tables as CSV that a spreadsheet cannot mistake for formulas, fast for a hundred thousand rows."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from reports.formats import is_missing

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

PROBE = 1000
"""Rows of a column of numbers that tell whether many of them are equal."""

A_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?( \([-+\d.e to%]*\))?$")
"""A number, or one with another or an interval in brackets: nothing that a spreadsheet could run."""

ALIKE = ("string", "boolean", "floating", "integer")
"""Kinds of columns in which equal values are written alike; in a mixed one 1, 1.0 and true are equal."""


def to_csv(table: pd.DataFrame) -> bytes:
    """Return the table as UTF-8 CSV; text that starts like a formula is preceded by an apostrophe."""
    columns = [_texts(values) for _, values in table.items()]
    header = ",".join(_text(name) for name in table.columns)
    return "\n".join([header, *map(",".join, zip(*columns, strict=True)), ""]).encode()


def _texts(values: "pd.Series[Any]") -> list[str]:
    """Return a column's cells as they are written."""
    if values.dtype == np.float64:
        if values[:PROBE].nunique() < PROBE / 2:
            return _each_of(values, _text)
        texts = [*map(float.__repr__, values.tolist())]
        for place in np.flatnonzero(values.isna()):
            texts[place] = ""
        return texts
    if isinstance(values.dtype, pd.StringDtype):
        return _each_of(values, _text)
    known = values.astype(object)
    if pd.api.types.infer_dtype(known, skipna=True) in ALIKE:
        return _each_of(known, _text)
    return [_text(value) for value in known]


def _each_of(values: "pd.Series[Any]", written: Callable[[Any], str]) -> list[str]:
    """Return what is written for each value, which is made once for equal ones."""
    places, found = pd.factorize(values, use_na_sentinel=False)
    texts: list[str] = np.array([written(value) for value in found.tolist()], dtype=object)[places].tolist()
    return texts


def _text(value: object) -> str:
    """Return a cell: quoted where it has to be, nothing for a missing value."""
    if is_missing(value) or value == "":
        return ""
    if not isinstance(value, str):
        return repr(value) if isinstance(value, float) else str(value)
    buffer = io.StringIO()
    safe = f"'{value}" if value.startswith(FORMULA_STARTS) and not A_NUMBER.match(value) else value
    csv.writer(buffer, lineterminator="\n").writerow([safe])
    return buffer.getvalue()[:-1]
