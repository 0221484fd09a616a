"""The interactive figures of the page, as plotly figures that carry their own data."""

from html import escape

import pandas as pd
import plotly.graph_objects as go

from reports.curves import Curve
from reports.levels import DEVIATIONS, LevelCurve, Point
from reports.points import AXES, Look, Pair
from reports.repeats import Repeat

KINDS = {"front": ("", 14, 1.0), "dominated": ("-open", 9, 0.9), "infeasible": ("x-thin", 8, 0.9)}
"""Suffix of the defense's symbol, or a symbol of its own; size, px; opacity. Other states are drawn as a thin cross."""

NOTE: dict[str, object] = {"showarrow": False, "font": {"size": 11}}

QUIET = "#7A828C"
"""A grey that is legible on white and on black."""

CURVE_DASHES = {
    "tight": "solid", "open": "dash", "floor": "dot", "inert": "longdash", "diverged": "dashdot",
    "failed": "longdashdot", "converged": "solid", "limited": "dash",
}  # fmt: skip


def draw_pair(pair: Pair, looks: dict[str, Look]) -> go.Figure:
    """Return the front of two objectives: defenses by colour and shape, standing by fill, floors as lines."""
    figure = _pair_figure(pair)
    _draw_levels(figure, pair)
    figure.add_trace(_line(pair.staircase, "front of this pair", QUIET))
    for name, look in looks.items():
        rows = pair.points[pair.points["defense"].eq(name)]
        _draw_defense(figure, rows, name, look)
    _draw_rings(figure, pair.points)
    return figure.update_layout(annotations=[*_level_notes(pair), *_trial_notes(pair.points)])


def draw_defenses(pair: Pair, looks: dict[str, Look], staircases: dict[str, list[tuple[float, float]]]) -> go.Figure:
    """Return one front per defense, each among that defense's own trials."""
    figure = _pair_figure(pair)
    eligible = pair.points[pair.points["kind"].isin(["front", "dominated"])]
    for name, look in looks.items():
        rows = eligible[eligible["defense"].eq(name)]
        if len(rows):
            figure.add_trace(_line(staircases[name], escape(name), look.colour, legendgroup=name, showlegend=False))
            figure.add_trace(_markers(rows, look.plotly, look.colour, 11, name=escape(name), legendgroup=name))
    return figure


def draw_hypervolume(history: pd.DataFrame) -> go.Figure:
    """Return the hypervolume of the eligible trials up to each trial's number."""
    figure = _figure("trial", "hypervolume (accuracy x mse x ssim)")
    x, y = history["trial"].tolist(), history["hypervolume"].tolist()
    mode = "lines+markers" if len(x) < 60 else "lines"
    line = {"shape": "hv", "color": "#0072B2", "width": 2}
    hover = "up to trial %{x}: %{y:.4g}<extra></extra>"
    figure.add_trace(go.Scatter(x=x, y=y, mode=mode, line=line, hovertemplate=hover, showlegend=False))
    return figure.update_yaxes(rangemode="tozero")


def draw_curves(curves: list[Curve]) -> go.Figure:
    """Return the attackers' validation error by step; the dash of a line is its verdict."""
    figure = _figure("optimiser steps of the attack", "mse on attacker-validation")
    for curve in curves:
        line = {"color": curve.look.colour, "dash": CURVE_DASHES[curve.verdict], "width": 2}
        text = escape(f"trial {curve.trial} {curve.job}: {curve.defense} ({curve.verdict})")
        hover = f"{text}<br>step %{{x}}: %{{y:.3g}}<extra></extra>"
        name = escape(f"{curve.trial} {curve.job} ({curve.verdict})")
        figure.add_trace(
            go.Scatter(x=curve.steps, y=curve.values, mode="lines", line=line, name=name, hovertemplate=hover)
        )
    return figure.update_yaxes(type="log", dtick="D2", tickformat="~g")


def draw_repeats(repeats: list[Repeat], looks: dict[str, Look]) -> go.Figure:
    """Return an attack's error by the number of releases that it sees of each image, a line per trial."""
    figure = _figure("independent releases of each image, m", "mse (more is more private)")
    for repeat in repeats:
        look, x, y = looks[repeat.defense], list(repeat.mse), list(repeat.mse.values())
        marker = {"symbol": look.plotly, "size": 9}
        text = escape(f"trial {repeat.trial} {repeat.job}: {repeat.defense}")
        options: dict[str, object] = {
            "line": {"color": look.colour, "width": 2},
            "name": escape(f"{repeat.trial} {repeat.defense}"),
            "hovertemplate": f"{text}<br>%{{x}} releases: %{{y:.3g}}<extra></extra>",
        }
        figure.add_trace(go.Scatter(x=x, y=y, mode="lines+markers", marker=marker, **options))
    numbers = sorted({m for repeat in repeats for m in repeat.mse})
    figure.update_xaxes(type="log", tickvals=numbers, ticktext=[str(m) for m in numbers])
    return figure.update_yaxes(type="log", dtick="D2", tickformat="~g")


def draw_levels(curves: list[LevelCurve], looks: dict[str, Look]) -> go.Figure:
    """Return mse by the number of the attacker's images: of each trial the worst case, and thin its attacks."""
    figure = _figure("images that the attacker fits on", "mse (more is more private)")
    seen = set[int]()
    for curve in curves:
        look, first = looks[curve.defense], curve.trial not in seen
        seen.add(curve.trial)
        points = [point for point in curve.points if point.images is not None]
        for kept in ([each for each in points if not each.members], [each for each in points if each.members]):
            if kept:
                figure.add_trace(_levels(kept, curve, look, first=first))
    numbers = sorted({point.images for curve in curves for point in curve.points if point.images is not None})
    figure.update_xaxes(type="log", tickvals=numbers, ticktext=[str(count) for count in numbers])
    return figure.update_yaxes(type="log", dtick="D2", tickformat="~g")


def _levels(points: list[Point], curve: LevelCurve, look: Look, *, first: bool) -> go.Scatter:
    """Return one line of points; of members, which no number of other images leads to, a star by itself."""
    members = points[0].members
    bars = [DEVIATIONS * (point.error or 0.0) for point in points]
    texts = [
        escape(f"trial {curve.trial} {point.attack}: {curve.defense}, {'members' if members else 'attacker'}")
        for point in points
    ]
    labelled = first and not members
    return go.Scatter(
        x=[point.images for point in points],
        y=[point.mse for point in points],
        mode="lines+markers+text" if labelled else "lines+markers",
        error_y={"type": "data", "array": bars, "thickness": 1.2, "width": 4, "visible": first},
        line={"color": look.colour, "width": 2 if first else 1, "dash": "solid" if first else "dot"},
        marker={"symbol": "star" if members else look.plotly, "size": (12 if members else 9) if first else 5},
        name=escape(f"{curve.trial} {curve.defense}"),
        legendgroup=str(curve.trial),
        showlegend=labelled,
        text=[*[""] * (len(points) - 1), str(curve.trial)],
        textposition="middle right",
        customdata=texts,
        hovertemplate="%{customdata}<br>%{x} images: %{y:.3g}<extra></extra>",
    )


def _figure(x: str, y: str) -> go.Figure:
    axis = {"zeroline": False, "showline": True, "ticks": "outside", "automargin": True}
    return go.Figure(
        layout={
            "template": "none",
            "height": 460,
            "margin": {"l": 64, "r": 16, "t": 16, "b": 56},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "hovermode": "closest",
            "hoverlabel": {"align": "left"},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "itemsizing": "constant"},
            "xaxis": {**axis, "title": {"text": x, "font": {"size": 13}, "standoff": 10}},
            "yaxis": {**axis, "title": {"text": y, "font": {"size": 13}, "standoff": 10}},
        }
    )


def pair_layout(x: str, y: str, ranges: tuple[tuple[float, float], tuple[float, float]]) -> go.Figure:
    """Return an empty figure of two axes with these titles and ranges."""
    across, up = ranges
    return _figure(x, y).update_xaxes(range=across).update_yaxes(range=up)


def _pair_figure(pair: Pair) -> go.Figure:
    return pair_layout(AXES[pair.x], AXES[pair.y], pair.ranges)


def _draw_defense(figure: go.Figure, rows: pd.DataFrame, name: str, look: Look) -> None:
    # one invisible point carries the legend, so that it shows the same mark whatever the trials' standing
    key = {"symbol": look.plotly, "color": look.colour, "size": 11}
    figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=key, name=escape(name), legendgroup=name))
    for kind in ("partial", "infeasible", "dominated", "front"):
        standing = rows["kind"].eq(kind) if kind != "partial" else ~rows["kind"].isin(KINDS)
        if not standing.any():
            continue
        suffix, size, opacity = KINDS.get(kind, ("cross-thin", 9, 0.9))
        symbol = look.plotly + suffix if kind in ("front", "dominated") else suffix
        trace = _markers(rows[standing], symbol, look.colour, size, name=escape(name), legendgroup=name)
        figure.add_trace(trace.update(showlegend=False, opacity=opacity))


def _markers(rows: pd.DataFrame, symbol: str, colour: str, size: int, **options: object) -> go.Scatter:
    thin = symbol.endswith("-thin")
    line = {"width": 2, "color": colour} if thin or symbol.endswith("-open") else {"width": 1.5, "color": "#FFFFFF"}
    return go.Scatter(
        x=rows["x"].tolist(),
        y=rows["y"].tolist(),
        mode="markers",
        marker={"symbol": symbol, "color": colour, "size": size, "line": line},
        text=["<br>".join(escape(text) for text in lines) for lines in rows["hover"]],
        hovertemplate="%{text}<extra></extra>",
        **options,
    )


def _draw_rings(figure: go.Figure, points: pd.DataFrame) -> None:
    anchors = points[points["undefended_anchor"]]
    ring = {"symbol": "circle-open", "size": 24, "color": QUIET, "line": {"width": 1.5}}
    if len(anchors):
        x, y = anchors["x"].tolist(), anchors["y"].tolist()
        trace = go.Scatter(x=x, y=y, mode="markers", marker=ring, name="undefended anchor", hoverinfo="skip")
        figure.add_trace(trace)


def _draw_levels(figure: go.Figure, pair: Pair) -> None:
    line = {"color": QUIET, "width": 1, "dash": "dot"}
    for level in pair.levels:
        if level.inside:
            (figure.add_vline if level.objective == pair.x else figure.add_hline)(level.value, line=line)


def _trial_notes(points: pd.DataFrame) -> list[dict[str, object]]:
    """Return the numbers of the front's trials, and an arrow under what a longer attack could still lower."""
    numbers = [
        {"x": row.x, "y": row.y, "text": row.label, "xshift": 13, "yshift": 11, **NOTE}
        for row in points[points["label"].ne("")].itertuples()
    ]
    arrows = [
        {"x": row.x, "y": row.y, "text": "↓", "yshift": -15, **NOTE} for row in points[points["limited"]].itertuples()
    ]
    return numbers + arrows


def _level_notes(pair: Pair) -> list[dict[str, object]]:
    notes = []
    for level in pair.levels:
        along_x = level.objective == pair.x
        if level.inside:
            x, y = (level.value, 0.01) if along_x else (0.01, level.value)
            place = {"x": x, "y": y, "xref": "x" if along_x else "paper", "yref": "paper" if along_x else "y"}
            side = "right" if along_x and pair.in_right_half(level.value) else "left"
            notes.append({"text": level.text, "xanchor": side, "yanchor": "bottom", **place, **NOTE})
        else:
            # trials fill one diagonal where accuracy is paired with privacy, the other where both are about privacy
            left = along_x == (pair.x == "accuracy")
            across = {"x": 0.01, "xanchor": "left"} if left else {"x": 0.995, "xanchor": "right"}
            up = {"y": 0.01, "yanchor": "bottom"} if along_x else {"y": 0.995, "yanchor": "top"}
            text = f"{level.text}, off the chart"
            notes.append({"text": text, "xref": "paper", "yref": "paper", **across, **up, **NOTE})
    return notes


def _line(vertices: list[tuple[float, float]], name: str, colour: str, **options: object) -> go.Scatter:
    x, y = [vertex[0] for vertex in vertices], [vertex[1] for vertex in vertices]
    line = {"color": colour, "width": 1.5}
    return go.Scatter(x=x, y=y, mode="lines", line=line, name=name, hoverinfo="skip", **options)
