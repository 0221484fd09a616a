"""Tables for other programs: CSV that a spreadsheet cannot mistake for formulas, parquet, and LaTeX."""

import io

import pandas as pd

from reports import separated
from reports.formats import defense_names, is_missing, number, settings_of, varying_settings
from reports.tables import StudyData

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
    return r"$^\downarrow$" if not is_missing(row["limited"]) and row["limited"] else ""


def _latex_comment(text: str) -> str:
    return " ".join(text.split())
