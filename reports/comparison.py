"""Several studies side by side: their fronts in one plane, what nothing dominates in any of them, ranks over them."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from reports import confirmed, export
from reports.dominance import DIRECTIONS, OBJECTIVES, non_dominated
from reports.drawings import plane_picture, ranks_picture, write_drawings
from reports.files import write_whole
from reports.formats import Table, counted, defense_names, listed, number, settings_of, varying_settings
from reports.forms import write_forms
from reports.front import compared, eligible, front, hypervolume
from reports.ranking import ranking, ranks_table, ranks_words
from reports.svg import COLOURS, Dot, Plane, diagram, plane
from reports.unlike import Named, differences, suite

MOST = 400
"""Trials of a study that are drawn beside its front, at most; the files have all."""

TEMPLATES = Environment(
    loader=PackageLoader("reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def render(studies: Sequence[Named], out: Path) -> Path:
    """Write the comparison into a folder, each file whole, the page last; return the page's path.

    Args:
        studies: Two or more; those that are unlike (`reports.unlike`) are marked and not pooled.
        out: Folder of ``index.html``, ``trials``, ``front``, ``ranks``, ``tables/`` and ``figures/``; made if missing.
    """
    both = pooled(studies)
    tables = {"trials": both, "ranks": ranking(studies).scores.rename_axis("study").reset_index()}
    if not differences(studies):
        tables["front"] = front(both)
    for name in ("trials", "ranks", "front"):
        for ending, written in (("csv", export.to_csv), ("parquet", export.to_parquet)):
            if name in tables:
                write_whole(out / f"{name}.{ending}", written(tables[name]))
            else:
                (out / f"{name}.{ending}").unlink(missing_ok=True)
    write_forms(tables_of_all(studies), out / "tables")
    write_drawings(drawings(studies), out / "figures", ("accuracy-*", "ranks"))
    return write_whole(out / "index.html", page(studies).encode())


def tables_of_all(studies: Sequence[Named]) -> dict[str, Table]:
    """Return the page's tables that have rows, by the names of their files."""
    found = {"studies": studies_table(studies), "confirmed": confirmed_table(studies)}
    found |= {"ranks": ranks_table(ranking(studies))}
    if not differences(studies):
        found["front"] = front_table(studies)
    return {name: table for name, table in found.items() if table.rows}


def drawings(studies: Sequence[Named]) -> dict[str, Figure]:
    """Return the page's drawings for papers, by the names of their files."""
    names = [(each.name, place % COLOURS) for place, each in enumerate(studies)]
    planes = ("mse", "ssim") if pooled_eligible(studies) else ()
    found = {f"accuracy-{y}": plane_picture(drawing(studies, y), names) for y in planes}
    ranks = ranking(studies).found
    return found if ranks is None else {**found, "ranks": ranks_picture(diagram(ranks))}


def page(studies: Sequence[Named]) -> str:
    """Return the page as HTML."""
    found, ranked = differences(studies), ranking(studies)
    return TEMPLATES.get_template("comparison.html.j2").render(
        names=[(each.name, place % COLOURS) for place, each in enumerate(studies)],
        unlike=found,
        words=words(studies),
        studies=studies_table(studies),
        planes=[(y, drawing(studies, y)) for y in ("mse", "ssim") if pooled_eligible(studies)],
        front=None if found else front_table(studies),
        confirmed=confirmed_table(studies),
        ranking=ranked,
        diagram=None if ranked.found is None else diagram(ranked.found),
        most=MOST,
        ranks_words=ranks_words,
        ranks_table=ranks_table,
    )


def pooled(studies: Sequence[Named]) -> pd.DataFrame:
    """Return the trials of all studies, mse and ssim as each study's front compares them, with a column ``study``."""
    return pd.concat(
        [compared(each.data.trials).assign(study=each.name) for each in studies], ignore_index=True
    ).pipe(lambda rows: rows[["study", *(name for name in rows if name != "study")]])  # fmt: skip


def pooled_eligible(studies: Sequence[Named]) -> bool:
    """Say whether any trial may be on a front."""
    return any(eligible(each.data.trials).any() for each in studies)


def words(studies: Sequence[Named]) -> list[str]:
    """Return what a reader should know first."""
    fronts = {each.name: int(front(each.data.trials)["trial"].count()) for each in studies}
    said = [f"{listed([each.name for each in studies])} side by side."]
    if differences(studies):
        said.append("They measured different things, so their trials are not pooled: each front is compared by eye.")
    else:
        both = front(pooled(studies))
        shares = [f"{int(both['study'].eq(name).sum())} of {count} from {name}" for name, count in fronts.items()]
        said.append(f"Pooled, {counted(len(both), 'trial')} nothing dominates: {listed(shares)}.")
    trials = {len(each.data.trials) for each in studies}
    if len(trials) > 1:
        told = [f"{each.name} {len(each.data.trials)}" for each in studies]
        said.append(f"They searched unequally long, which a front gains by: {listed(told)} trials.")
    return said


def reference(studies: Sequence[Named]) -> dict[str, float]:
    """Return the point that the hypervolumes of all studies are measured from: the worst of their own."""
    own = [each.data.study["hypervolume_reference"] for each in studies]
    return {name: (min if sign > 0 else max)(point[name] for point in own) for name, sign in DIRECTIONS.items()}


def studies_table(studies: Sequence[Named]) -> Table:
    """Return a row per study: what it measured and how far its front reaches."""
    at = reference(studies)
    rows = []
    for each in studies:
        info, members = each.data.study, compared(front(each.data.trials))
        best = [
            number((members[name].max() if DIRECTIONS[name] > 0 else members[name].min()), name) for name in OBJECTIVES
        ]
        complete = info["states"]["complete"]
        volume = number(hypervolume(members, at)) if len(members) else number(None)
        told = ", ".join(suite(each.data)) or "none"
        rows.append(
            (each.name, info["data"], f"{complete} of {info['budget']}", number(len(members)), *best, volume, told)
        )
    best_of = tuple(f"best {name}" for name in OBJECTIVES)
    return Table(
        "Each study and its front. Hypervolume against one reference for all: "
        + ", ".join(f"{name} {value:g}" for name, value in at.items()),
        ("study", "data", "complete", "front", *best_of, "hypervolume", "attacks"),
        rows,
        frozenset({"complete", "front", "hypervolume", *best_of}),
    )


def front_table(studies: Sequence[Named]) -> Table:
    """Return what nothing dominates in any of the studies, by accuracy."""
    members = front(pooled(studies)).sort_values("accuracy", ascending=False, kind="stable")
    paths = varying_settings(members)
    rows = [
        (
            str(row["study"]),
            number(row["trial"]),
            name,
            settings_of({str(path): value for path, value in row.items()}, paths),
            *(number(row[objective], objective) for objective in OBJECTIVES),
        )
        for row, name in zip(members.to_dict("records"), defense_names(members), strict=True)
    ]
    return Table(
        "Trials of all studies that no trial of any dominates.",
        ("study", "trial", "defense", "settings", *OBJECTIVES),
        rows,
        frozenset({"trial", *OBJECTIVES}),
    )


def confirmed_table(studies: Sequence[Named]) -> Table:
    """Return the confirmed candidates of all studies, each with its probability of being on its own study's front."""
    rows = [
        (
            each.name,
            number(row["trial"]),
            name,
            number(row["seeds"]),
            *(_with_ends(row, objective) for objective in OBJECTIVES),
            number(row["p_on_front"], "share"),
        )
        for each in studies
        if confirmed.applicable(each.data) is None
        for found in [confirmed.candidates_of(each.data)]
        for row, name in zip(found.to_dict("records"), defense_names(found), strict=True)
    ]
    return Table(
        "Confirmed trials on their study's test images: mean over seeds and its interval of 95 %; p(front) within its "
        "own study.",
        ("study", "trial", "defense", "seeds", *OBJECTIVES, "p(front)"),
        rows,
        frozenset({"trial", "seeds", *OBJECTIVES, "p(front)"}),
    )


def drawing(studies: Sequence[Named], y: str) -> Plane:
    """Return the trials of all studies by accuracy and one kind of privacy; filled: on the study's own front."""
    dots, lines = [], []
    for place, each in enumerate(studies):
        rows = compared(each.data.trials)[eligible(each.data.trials)]
        on = rows["trial"].isin(front(each.data.trials)["trial"])
        others = rows[~on]
        kept = pd.concat([rows[on], others.iloc[:: max(1, -(-len(others) // MOST))]]).sort_index()
        dots += [
            Dot(
                float(row["accuracy"]),
                float(row[y]),
                f"{each.name}, trial {row['trial']}, {name}: accuracy {number(row['accuracy'], 'accuracy')}, {y} "
                f"{number(row[y], y)}",
                place % COLOURS,
                bool(filled),
            )
            for row, name, filled in zip(kept.to_dict("records"), defense_names(kept), on[kept.index], strict=True)
        ]
        if len(rows):
            lines.append((place % COLOURS, _stairs(rows, y)))
    return plane(dots, "accuracy", y, lines)


def _with_ends(row: Mapping[Any, Any], name: str) -> str:
    return f"{number(row[name], name)} [{number(row[f'{name}_low'], name)}, {number(row[f'{name}_high'], name)}]"


def _stairs(rows: pd.DataFrame, y: str) -> list[tuple[float, float]]:
    """Return the corners of the front of accuracy and one kind of privacy, from the least accurate on."""
    sign = DIRECTIONS[y]
    points = rows[["accuracy", y]].to_numpy(dtype=float) * [1.0, sign]
    kept = np.unique(points[non_dominated(points)], axis=0) * [1.0, sign]
    corners = [(float(kept[0][0]), float(kept[0][1]))]
    for before, after in itertools.pairwise(kept):
        corners += [(float(before[0]), float(after[1])), (float(after[0]), float(after[1]))]
    return corners
