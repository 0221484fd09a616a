"""A leaderboard of claims: which stand, which fell, and to what; one page that opens without a network."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from reports import export
from reports.dominance import DIRECTIONS, OBJECTIVES, Bools, non_dominated
from reports.drawings import plane_picture, write_drawings
from reports.files import write_whole
from reports.formats import Table, counted, defense_names, is_missing, listed, number, settings_of, varying_settings
from reports.forms import write_forms
from reports.svg import COLOURS, Dot, Plane, plane

CLAIMS = {
    "file": "str: the passport's name",
    "study": "str",
    "trial": "int",
    "data": "str: name of the data set",
    "protocol": "str: strict, or cem",
    "part": "str: the images that are scored, test of a confirmed trial",
    "images": "str: SHA-256 of these images",
    "metrics": "str: digest of the metric protocol",
    "seeds": "int: trainings behind the claim",
    "accuracy": "float: in [0, 1]; with accuracy_low and accuracy_high",
    "accuracy_low": "float",
    "accuracy_high": "float",
    "mse": "float: of the worst attack; with mse_low and mse_high",
    "mse_low": "float",
    "mse_high": "float",
    "ssim": "float: of the worst attack; with ssim_low and ssim_high",
    "ssim_low": "float",
    "ssim_high": "float",
    "knowledge": "str: the most that any of its own attacks may do",
    "suite": "str: its own attacks with their budgets",
    "later": "int: attacks that others have run on it",
    "stands": "bool: whether none of these fells it",
    "fell_to": "str: what fells it, each with its scores; null if it stands",
    "beside": "str: attacks that decide nothing, and why; null if there are none",
}
"""Columns of ``claims.parquet``, each with its type and meaning, beside one for every setting by its path."""

ALIKE = ("data", "protocol", "part", "images", "metrics")
"""What two claims must have alike to be compared."""

TEMPLATES = Environment(
    loader=PackageLoader("reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def render(claims: pd.DataFrame, refused: Sequence[tuple[str, str]], out: Path) -> Path:
    """Write the leaderboard's page and its table into a folder, each file whole, the page last.

    Args:
        claims: One row per passport, columns as of ``CLAIMS``.
        refused: Of each passport that could not be read its name and why.
        out: Folder of ``claims.html``, ``claims.csv`` and ``claims.parquet``, and of ``claims/``, where each of the
            page's tables and drawings is, numbered by what compares; made if it is not there.

    Returns:
        The page's path.
    """
    alike = [rows for _, rows in claims.groupby(list(ALIKE), sort=False)]
    write_forms({f"claims-{place}": claims_table(rows) for place, rows in enumerate(alike, 1)}, out / "claims")
    figures = {f"claims-{place}": plane_picture(drawing(rows), legend(rows)) for place, rows in enumerate(alike, 1)}
    write_drawings(figures, out / "claims", ("claims-*",))
    write_whole(out / "claims.csv", export.to_csv(claims))
    write_whole(out / "claims.parquet", export.to_parquet(claims))
    return write_whole(out / "claims.html", page(claims, refused).encode())


def page(claims: pd.DataFrame, refused: Sequence[tuple[str, str]]) -> str:
    """Return the page as HTML; arguments as of ``render``."""
    groups = [(rows, _told(key, rows)) for key, rows in claims.groupby(list(ALIKE), sort=False)]
    return TEMPLATES.get_template("claims.html.j2").render(
        words=words(claims, refused),
        groups=[(told, claims_table(rows), drawing(rows), legend(rows)) for rows, told in groups],
        refused=refused,
    )


def words(claims: pd.DataFrame, refused: Sequence[tuple[str, str]]) -> list[str]:
    """Return what a reader should know first."""
    fell = claims[~claims["stands"].astype(bool)]
    tried = claims[claims["later"] > 0]
    said = [
        f"Of {counted(len(claims), 'claim')} {len(claims) - len(fell)} "
        f"{'stands' if len(claims) - len(fell) == 1 else 'stand'} and {len(fell)} fell."
        if len(claims)
        else "No passport could be read.",
        *([f"Fell: {listed([f'{row.file} to {row.fell_to}' for row in fell.itertuples()])}."] if len(fell) else []),
    ]
    untried = len(claims) - len(tried)
    if untried and len(claims):
        said.append(f"Nobody but whoever made it has attacked {counted(untried, 'claim')} yet.")
    if refused:
        said.append(f"{counted(len(refused), 'file')} could not be read as a passport.")
    return said


def leading(rows: pd.DataFrame) -> Bools:
    """Return which claims stand and are dominated by no other that stands, ``(n,)``."""
    mask = rows["stands"].to_numpy(dtype=bool, copy=True)
    points = rows.loc[mask, list(OBJECTIVES)].to_numpy(dtype=float) * [*DIRECTIONS.values()]
    mask[mask] = non_dominated(points)
    return np.asarray(mask)


def claims_table(rows: pd.DataFrame) -> Table:
    """Return claims that can be compared: those that lead first, then by accuracy; fallen ones last."""
    leads = pd.Series(leading(rows), index=rows.index)
    order = rows.assign(leads=leads).sort_values(["leads", "stands", "accuracy"], ascending=False, kind="stable")
    paths = varying_settings(rows)
    cells = [
        (
            _standing(row) + ", leads" * bool(row["leads"]),
            str(row["file"]),
            name,
            settings_of({str(path): value for path, value in row.items()}, paths),
            *(_with_ends(row, objective) for objective in OBJECTIVES),
            number(row["seeds"]),
            str(row["knowledge"]),
            str(row["suite"]),
            number(row["later"]),
            "" if is_missing(row["beside"]) else str(row["beside"]),
        )
        for row, name in zip(order.to_dict("records"), defense_names(order), strict=True)
    ]
    scores = tuple(f"{name} {'↑' if DIRECTIONS[name] > 0 else '↓'}" for name in OBJECTIVES)
    last = ("seeds", "attackers know", "own attacks", "later attacks", "beside")
    return Table(
        "A claim leads if it stands and no other that stands dominates it. In brackets its interval of 95 %: it falls "
        "to an attack that may do no more than its own and leaves it.",
        ("standing", "passport", "defense", "settings", *scores, *last),
        cells,
        frozenset({"seeds", "later attacks", *scores}),
        roomy=frozenset({"standing", "own attacks", "beside"}),
    )


def drawing(rows: pd.DataFrame) -> Plane:
    """Return claims in the plane of accuracy and mse; open: fallen."""
    colours = _colours(rows)
    return plane(
        [
            Dot(
                float(row["accuracy"]),
                float(row["mse"]),
                f"{row['file']}: {name}, accuracy {_with_ends(row, 'accuracy')}, mse {_with_ends(row, 'mse')}, "
                f"{_standing(row)}",
                colours[name],
                bool(row["stands"]),
                (float(row["accuracy_low"]), float(row["accuracy_high"])),
                (float(row["mse_low"]), float(row["mse_high"])),
            )
            for row, name in zip(rows.to_dict("records"), defense_names(rows), strict=True)
        ],
        "accuracy",
        "mse",
    )


def legend(rows: pd.DataFrame) -> list[tuple[str, int]]:
    """Return the defenses of a drawing with their colours."""
    return [*_colours(rows).items()]


def _colours(rows: pd.DataFrame) -> dict[str, int]:
    return {name: place % COLOURS for place, name in enumerate(dict.fromkeys(defense_names(rows)))}


def _standing(row: Mapping[object, object]) -> str:
    return "stands" if row["stands"] else f"fell to {row['fell_to']}"


def _with_ends(row: Mapping[object, object], name: str) -> str:
    return f"{number(row[name], name)} [{number(row[f'{name}_low'], name)}, {number(row[f'{name}_high'], name)}]"


def _told(key: Iterable[object], rows: pd.DataFrame) -> str:
    """Return what a group of claims has alike, in words."""
    data, protocol, part, images, _ = key
    mark = ", published protocol: for comparison only" if protocol == "cem" else ""
    return f"{data}, {part} images {str(images)[:12]}{mark}: {counted(len(rows), 'claim')}"
