"""Tables for other programs: CSV that a spreadsheet cannot mistake for formulas, parquet, LaTeX, and Markdown."""

import io
import re
from collections import Counter

import pandas as pd

from reports import separated
from reports.formats import Table, defense_names, is_missing, number, settings_of, varying_settings
from reports.tables import StudyData

FRONT = ("trial", "defense", "settings", "accuracy", "mse", "ssim", "attacks")
"""Columns of the front's own tables."""

LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\u2013": "--",
    "\n": " ",
    "\u00a0": "~",
    "±": r"$\pm$",
    "\u00d7": r"$\times$",
    "·": r"$\cdot$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "≠": r"$\neq$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "…": r"\ldots{}",
    "\u2019": "'",
}


def to_csv(table: pd.DataFrame) -> bytes:
    """Return the table as UTF-8 CSV; text that starts like a formula is preceded by an apostrophe."""
    return separated.to_csv(table)


def to_parquet(table: pd.DataFrame) -> bytes:
    """Return the table as a parquet file."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def to_latex(data: StudyData, front: pd.DataFrame) -> bytes:
    """Return the front as a LaTeX table for the package booktabs."""
    header = "Trial & Defense & Settings & Accuracy $\\uparrow$ & MSE $\\uparrow$ & SSIM $\\downarrow$ & Attacks"
    lines = [
        f"% invfront study {_latex_comment(data.study['name'])}; needs \\usepackage{{booktabs}}",
        *(["% published protocol: for comparison only"] if data.study["protocol"] == "cem" else []),
        r"% $^\downarrow$: decided by an attack that did not converge, or by a guess beside which none did",
        r"\begin{tabular}{rllrrrl}",
        r"\toprule",
        f"{header} \\\\",
        r"\midrule",
        *_latex_rows(data, front),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return ("\n".join(lines) + "\n").encode()


def to_markdown(data: StudyData, front: pd.DataFrame) -> bytes:
    """Return the front as a table of Markdown."""
    paths = varying_settings(data.trials)
    rows = [
        (*_latex_cells(row, name, paths)[:-1], _latex_cells(row, name, paths)[-1] + ("↓" if _limited(row) else ""))
        for (_, row), name in zip(front.iterrows(), defense_names(front), strict=True)
    ]
    caption = "↓: decided by an attack that did not converge, or by a guess beside which none did."
    return table_markdown(Table(caption, FRONT, rows, frozenset({"trial", *FRONT[3:6]})))


def table_latex(table: Table) -> bytes:
    """Return a table for the package booktabs, its caption as a comment; sentences get paragraphs of their own."""
    kinds = ["p{5cm}" if name in table.roomy else "r" if name in table.numeric else "l" for name in table.headers]
    head = [] if not table.headers[0] else [_latex_row(table.headers), r"\midrule"]
    lines = [
        rf"% \caption{{{escape_latex(_latex_comment(table.caption))}}}",
        rf"\begin{{tabular}}{{{''.join(kinds)}}}",
        r"\toprule",
        *head,
        *map(_latex_row, table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return ("\n".join(lines) + "\n").encode()


def table_markdown(table: Table) -> bytes:
    """Return a table of GitHub's Markdown over its caption."""
    rule = "|".join("---:" if name in table.numeric else ":---" for name in table.headers)
    lines = [
        _markdown_row(table.headers),
        f"|{rule}|",
        *map(_markdown_row, table.rows),
        "",
        escape_markdown(table.caption),
    ]
    return ("\n".join(lines).rstrip() + "\n").encode()


def frame(table: Table) -> pd.DataFrame:
    """Return a table of text, its columns by their headers, numbered where these are empty or not the only ones."""
    names = [" ".join(header.split()) or "column" for header in table.headers]
    counts = Counter(names)
    columns = [name if counts[name] == 1 else f"{name} {place}" for place, name in enumerate(names, 1)]
    return pd.DataFrame([[str(cell) for cell in row] for row in table.rows], columns=columns, dtype=object)


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, in one line; what stands in backticks stays code."""
    parts = re.split("(`[^`|\\n]+`)", text)
    safe = [part if place % 2 else re.sub(r"([\\`*_\[\]<>|#~&])", r"\\\1", part) for place, part in enumerate(parts)]
    return " ".join("".join(safe).split("\n"))


def _latex_row(cells: tuple[str, ...]) -> str:
    return " & ".join(escape_latex(cell) for cell in cells) + r" \\"


def _markdown_row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(escape_markdown(cell) for cell in cells)} |"


def _limited(row: "pd.Series[object]") -> bool:
    return not is_missing(row["limited"]) and bool(row["limited"])


def escape_latex(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(LATEX.get(character, character) for character in text)


def _latex_rows(data: StudyData, front: pd.DataFrame) -> list[str]:
    if front.empty:
        return [r"\multicolumn{7}{l}{No trial is on the front.} \\"]
    paths = varying_settings(data.trials)
    return [
        " & ".join(escape_latex(cell) for cell in _latex_cells(row, name, paths)) + _latex_mark(row) + r" \\"
        for (_, row), name in zip(front.iterrows(), defense_names(front), strict=True)
    ]


def _latex_cells(row: "pd.Series[object]", name: str, paths: list[str]) -> list[str]:
    scores = [number(row[objective], objective) for objective in ("accuracy", "mse", "ssim")]
    attacks = dict.fromkeys([number(row["mse_attack"]), number(row["ssim_attack"])])
    return [number(row["trial"]), name, settings_of(row, paths), *scores, ", ".join(attacks)]


def _latex_mark(row: "pd.Series[object]") -> str:
    """Return what stands behind the attacks of a trial that one of them decided without having converged."""
    return r"$^\downarrow$" if _limited(row) else ""


def _latex_comment(text: str) -> str:
    return " ".join(text.split())
