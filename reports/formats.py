"""How numbers, durations and settings are written wherever a report shows them."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from reports.tables import settings

MISSING = "\u2013"
FORMS = {"accuracy": ".3f", "mse": "#.3g", "ssim": ".3f", "psnr": ".1f", "share": ".3f"}


class Hinted(str):
    """Text that says more when it is pointed at."""

    hint: str

    def __new__(cls, text: str, hint: str) -> "Hinted":
        """Return the text with what it says beside."""
        made = super().__new__(cls, text)
        made.hint = hint
        return made


class Table(NamedTuple):
    """A captioned table of text ready to be laid out."""

    caption: str
    headers: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numeric: frozenset[str] = frozenset()
    """Headers of the columns that are set flush right."""
    whole: frozenset[str] = frozenset()
    """Headers of the columns whose lines are not broken."""
    roomy: frozenset[str] = frozenset()
    """Headers of the columns of sentences, which are kept from becoming narrow."""

    @property
    def kind(self) -> str:
        """What it is among the blocks of a card."""
        return "table"


def number(value: object, name: str = "") -> str:
    """Return a value as text: scores by their name's form, others with four significant digits, missing as a dash."""
    if is_missing(value):
        return MISSING
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    plain = (FORMS["mse"] if name.startswith("mse") else ".4g") if isinstance(value, float) else "d"
    return format(value, FORMS.get(name, plain))


def measure(value: object, name: str) -> str:
    """Return any metric as text: an mse as such, counts whole, shares and the like with three decimals."""
    if is_missing(value) or name.startswith("mse"):
        return number(value, name)
    plain = float(str(value))
    if plain.is_integer() and abs(plain) > 1:
        return number(int(plain))
    return number(plain, "share" if 0.001 <= abs(plain) < 1000 or plain == 0 else "")


def with_error(value: float, error: float | None, name: str) -> str:
    """Return ``value ± standard error``, or the value alone where the error is unknown."""
    if error is None or is_missing(error):
        return number(value, name)
    return f"{number(value, name)} ± {error:#.2g}"


def could_reach(row: Mapping[str, object]) -> str:
    """Return what a better attacker may bring a trial's mse down to, in words; nothing where that is not known."""
    within = row.get("mse_within")
    return "" if is_missing(within) else f"(a better attacker could reach {number(within, 'mse')})"


def duration(seconds: float) -> str:
    """Return seconds as ``42 s``, ``3 min 20 s`` or ``2 h 05 min``."""
    if is_missing(seconds) or math.isinf(seconds):
        return MISSING
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def counted(count: int, noun: str) -> str:
    """Return ``1 trial``, ``2 trials``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(items: Sequence[object], limit: int = 12) -> str:
    """Return ``1, 2 and 3``; what is beyond the limit is counted."""
    words = [str(item) for item in items]
    if len(words) > limit:
        words = [*words[:limit], f"{len(words) - limit} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def is_missing(value: object) -> bool:
    """Return whether a cell holds nothing: null, NaN or NA."""
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def defense_names(trials: pd.DataFrame) -> "pd.Series[str]":
    """Return the branch of every trial: the base defense, and the term composed with it if there is one."""
    base = _each(_column(trials, "defense/name"), lambda name: "unnamed" if is_missing(name) else str(name))
    term = _each(_column(trials, "term/name"), lambda name: "" if is_missing(name) or name == "none" else f" + {name}")
    return (base + term).astype(str)


def varying_settings(trials: pd.DataFrame) -> list[str]:
    """Return the settings that tell trials apart: those with more than one value, and those only some trials have."""
    return [path for path in settings(trials) if trials[path].nunique() > 1 or trials[path].isna().nunique() > 1]


def constant_settings(trials: pd.DataFrame) -> dict[str, str]:
    """Return the settings that all trials share, by path."""
    varying = set(varying_settings(trials))
    return {path: number(trials[path].iloc[0]) for path in settings(trials) if path not in varying and len(trials)}


def settings_of(row: Mapping[str, object], paths: Sequence[str]) -> str:
    """Return ``path = value`` of the settings that a trial has, the branch's name apart."""
    shown = [path for path in paths if not path.endswith("/name") and not is_missing(row[path])]
    return ", ".join(f"{path} = {number(row[path])}" for path in shown)


def last_names(paths: Sequence[str]) -> dict[str, str]:
    """Return each path's last name, ``lam``, and as much before it as tells it from the others, ``nopeek/lam``."""
    counts = Counter(end for path in paths for end in _ends(path))
    return {path: next((end for end in _ends(path) if counts[end] == 1), path) for path in paths}


def _ends(path: str) -> list[str]:
    """Return ``lam, nopeek/lam, defense/nopeek/lam``; a branch's ``name`` says nothing without its role."""
    names = path.split("/")
    shortest = 2 if names[-1] == "name" else 1
    return ["/".join(names[start:]) for start in range(len(names) - shortest, -1, -1)] or [path]


def asked_of(row: Mapping[str, object], paths: Sequence[str]) -> dict[str, str]:
    """Return the settings that a trial has, by their last names where these are unambiguous within its defense."""
    own = [path for path in paths if not path.endswith("/name") and not is_missing(row[path])]
    return {name: number(row[path]) for path, name in last_names(own).items()}


def briefly(row: Mapping[str, object], paths: Sequence[str]) -> str:
    """Return ``lam = 0.05``, unbroken, whose hint has the whole paths; a dash where a trial has no such setting."""
    told = ", ".join(f"{name}\u00a0=\u00a0{value}" for name, value in asked_of(row, paths).items())
    return Hinted(told, settings_of(row, paths)) if told else MISSING


def _column(trials: pd.DataFrame, path: str) -> "pd.Series[object]":
    return trials[path] if path in trials.columns else pd.Series(None, index=trials.index, dtype=object)


def _each(values: "pd.Series[object]", told: Callable[[object], str]) -> "pd.Series[object]":
    """Return what is told of each value, of which there are few."""
    known = values if isinstance(values.dtype, pd.StringDtype) else values.astype(object)
    places, found = pd.factorize(known, use_na_sentinel=False)
    words = np.array([told(value) for value in found], dtype=object)
    return pd.Series(words[places], index=values.index, dtype=object)


def commands(text: str) -> Markup:
    """Return a sentence as HTML, what stands in backticks set as code; whatever else it holds is text."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(str(text)))))
