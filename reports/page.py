"""A study's data folder becomes its report: one page that opens without a network, tables and pictures."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from reports import (
    attack_tables,
    confirmed,
    confirmed_figures,
    confirmed_gains,
    curves,
    export,
    figures,
    leakages,
    levels,
    pictures,
    points,
    reconstructions,
    repeats,
    sections,
    words,
)
from reports.confirmed_front import ConfirmedPair, confirmed_pair
from reports.files import write_whole
from reports.front import PAIRS, front, hypervolume_history, on_front
from reports.tables import StudyData, read

CONFIRMED = PAIRS[:2]
"""Objectives that the confirmed front is drawn in: accuracy against each kind of privacy."""

TEMPLATES = Environment(
    loader=PackageLoader("reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def render(data: Path, out: Path) -> Path:
    """Write the report of ``data`` into ``out``, each file whole: the page last, so that what it names is there.

    Args:
        data: ``STUDY/report/data/``, as `reports.columns` documents it.
        out: Folder of ``index.html``, the tables and ``figures/``; made if it is not there.

    Returns:
        The page's path.
    """
    study = read(data)
    _write_tables(study, out)
    _write_pictures(study, out / "figures")
    return write_whole(out / "index.html", page(study).encode())


def page(data: StudyData) -> str:
    """Return the page as HTML."""
    drawn = interactive(data)
    return TEMPLATES.get_template("page.html.j2").render(
        study=data.study,
        progress=words.progress(data),
        findings=words.findings(data),
        cautions=words.cautions(data),
        spent=words.spent(data),
        figures=drawn,
        pairs=[f"front-{x}-{y}" for x, y in PAIRS],
        payload=script_json({name: figure.to_plotly_json() for name, figure in drawn.items()}),
        galleries=reconstructions.galleries(data),
        image=_data_uri,
        most_curves=curves.MOST,
        tables=sections,
        attacks=attack_tables,
        confirmed=confirmed,
        confirmed_gains=confirmed_gains,
        candidates=None if confirmed.applicable(data) else confirmed.candidates_of(data),
        leakages=leakages.leakages(data),
        levels=levels.levels_table(data),
        repeats=repeats.repeats_table(repeats.repeats(data)),
        data=data,
        undrawn=points.pair(data, *PAIRS[0]).undrawn,
        plotly=Markup(get_plotlyjs()),
    )


def interactive(data: StudyData) -> dict[str, go.Figure]:
    """Return the plotly figures that have something to show, by name."""
    looks = points.looks(data.trials)
    drawn: dict[str, go.Figure] = {}
    for sure in _confirmed_pairs(data):
        drawn[f"confirmed-{sure.x}-{sure.y}"] = confirmed_figures.draw(sure, looks)
    for x, y in PAIRS:
        pair = points.pair(data, x, y)
        if len(pair.points):
            drawn[f"front-{x}-{y}"] = figures.draw_pair(pair, looks)
        if x == "accuracy" and on_front(data.trials).any():
            stairs = points.defense_staircases(data.trials, x, y)
            drawn[f"defenses-{x}-{y}"] = figures.draw_defenses(pair, looks, stairs)
    if on_front(data.trials).any():
        history = hypervolume_history(data.trials, data.study["hypervolume_reference"])
        drawn["hypervolume"] = figures.draw_hypervolume(history)
    if lines := curves.attack_curves(data):
        drawn["attack-curves"] = figures.draw_curves(lines)
    if repeated := repeats.most_telling(repeats.repeats(data)):
        drawn["repeated-releases"] = figures.draw_repeats(repeated, looks)
    if by_level := levels.drawn_curves(data):
        drawn["attacker-levels"] = figures.draw_levels(by_level, looks)
    return drawn


def script_json(value: Any) -> Markup:
    """Return JSON that can stand in a script element: no text in it can end the element or open a comment."""
    text = json.dumps(value, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _write_tables(data: StudyData, out: Path) -> None:
    trials = data.trials.assign(on_front=on_front(data.trials))
    attacks = pd.concat([data.attacks, data.beside]).sort_index() if len(data.beside) else data.attacks
    tables = {"trials": trials, "attacks": attacks, "levels": data.levels}
    tables |= {"probes": data.probes, "variants": data.variants}
    if confirmed.applicable(data) is None:
        tables |= {"confirmed": data.confirmed, "candidates": confirmed.candidates_of(data)}
    for name, table in {**tables, "front": front(trials)}.items():
        write_whole(out / f"{name}.csv", export.to_csv(table))
        write_whole(out / f"{name}.parquet", export.to_parquet(table))
    write_whole(out / "front.tex", export.to_latex(data, front(trials)))


def _write_pictures(data: StudyData, out: Path) -> None:
    """Write the pictures that have something to show, and remove those of an earlier report that no longer have."""
    drawn = _pictures(data)
    single = ("hypervolume", "attack-curves", "repeated-releases", "attacker-levels", "reconstructions")
    pairs = [f"{kind}-{x}-{y}" for kind, shown in (("front", PAIRS), ("confirmed", CONFIRMED)) for x, y in shown]
    for name in (*single, *pairs):
        if name in drawn:
            write_whole(out / f"{name}.png", drawn[name])
        else:
            (out / f"{name}.png").unlink(missing_ok=True)


def _pictures(data: StudyData) -> dict[str, bytes]:
    looks = points.looks(data.trials)
    drawn = {f"confirmed-{sure.x}-{sure.y}": confirmed_figures.picture(sure, looks) for sure in _confirmed_pairs(data)}
    for x, y in PAIRS:
        pair = points.pair(data, x, y)
        if len(pair.points):
            drawn[f"front-{x}-{y}"] = pictures.draw_pair(pair, looks)
    if on_front(data.trials).any():
        history = hypervolume_history(data.trials, data.study["hypervolume_reference"])
        drawn["hypervolume"] = pictures.draw_hypervolume(history)
    if lines := curves.attack_curves(data):
        drawn["attack-curves"] = pictures.draw_curves(lines)
    if repeated := repeats.most_telling(repeats.repeats(data)):
        drawn["repeated-releases"] = pictures.draw_repeats(repeated, looks)
    if by_level := levels.drawn_curves(data):
        drawn["attacker-levels"] = pictures.draw_levels(by_level, looks)
    if shown := reconstructions.galleries(data)[:8]:
        drawn["reconstructions"] = pictures.draw_galleries(shown)
    return drawn


def _confirmed_pairs(data: StudyData) -> list[ConfirmedPair]:
    """Return the pictures of the confirmed front that have something to show."""
    if confirmed.applicable(data) is not None:
        return []
    rows = confirmed.candidates_of(data)
    return [confirmed_pair(data, rows, x, y) for x, y in CONFIRMED if rows["mse"].notna().any()]


def _data_uri(image: NDArray[np.uint8]) -> str:
    return f"data:image/png;base64,{base64.b64encode(pictures.encode(image)).decode()}"
