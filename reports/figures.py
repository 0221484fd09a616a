"""The interactive figures of the page, as plotly figures that carry their own data."""

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from reports.chart import QUIET, Axis, Chart, Ends, Series
from reports.points import AXES, Look, Pair

KINDS = {"front": ("", 14, 1.0), "dominated": ("-open", 9, 0.9), "infeasible": ("x-thin", 8, 0.9)}
"""Suffix of the defense's symbol, or a symbol of its own; size, px; opacity. Other states are drawn as a thin cross."""

NOTE: dict[str, object] = {"showarrow": False, "font": {"size": 11}}

HOVER = "%{hovertext}<extra></extra>"

TRIALS = "trials"
"""What a trace's ``meta`` says if its points are trials, by their numbers: the page says of each what it says of it."""


def draw(chart: Chart) -> go.Figure:
    """Return a chart as the page draws it."""
    figure = _figure(chart.x.title, chart.y.title, chart.height)
    for series in chart.series:
        figure.add_trace(_trace(series))
    for level in chart.levels:
        line = {"color": QUIET, "width": 1, "dash": "dot"}
        # a note's place on a logarithmic axis is told by its logarithm, a line's is not
        written = math.log10(level.value) if (chart.x if level.upright else chart.y).log else level.value
        place = {"x": written, "y": 0.01} if level.upright else {"x": 0.01, "y": written}
        (figure.add_vline if level.upright else figure.add_hline)(level.value, line=line)
        refs = {"xref": "x" if level.upright else "paper", "yref": "paper" if level.upright else "y"}
        side = "right" if chart.beyond(level) else "left"
        figure.add_annotation(text=escape(level.text), xanchor=side, yanchor="bottom", **place, **refs, **NOTE)
    figure.update_xaxes(**_scale(chart.x))
    figure.update_yaxes(**_scale(chart.y))
    if chart.y.names:
        figure.update_yaxes(automargin=True, range=[len(chart.y.names) - 0.5, -0.5], zeroline=False)
    return figure


def draw_pair(pair: Pair, looks: dict[str, Look]) -> go.Figure:
    """Return the front of two objectives: defenses by colour and shape, standing by fill, floors as lines."""
    figure = pair_layout(pair)
    _draw_levels(figure, pair)
    figure.add_trace(_line(pair.staircase, QUIET))
    for name, look in looks.items():
        _draw_defense(figure, pair.points[pair.points["defense"].eq(name)], name, look)
    _draw_rings(figure, pair.points)
    _draw_arrows(figure, pair.points)
    return figure.update_layout(annotations=[*_level_notes(pair), *_numbers(pair.points)])


def draw_defenses(pair: Pair, looks: dict[str, Look], staircases: dict[str, list[tuple[float, float]]]) -> go.Figure:
    """Return one front per defense, each among that defense's own trials."""
    figure = pair_layout(pair)
    eligible = pair.points[pair.points["kind"].isin(["front", "dominated"])]
    for name, look in looks.items():
        rows = eligible[eligible["defense"].eq(name)]
        if len(rows):
            figure.add_trace(_line(staircases[name], look.colour, legendgroup=escape(name)))
            figure.add_trace(_markers(rows, look.plotly, look.colour, 11, legendgroup=escape(name)))
    return figure


def trials_of(figure: go.Figure) -> Iterator[int]:
    """Yield the trials that a figure's points are of."""
    for trace in figure.data:
        if trace.meta == TRIALS:
            yield from (int(trial) for trial in trace.customdata)


def rounded(values: Iterable[float]) -> list[float | None]:
    """Return numbers with six significant digits, all that a figure can show; null for what is not finite."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]


def _trace(series: Series) -> go.Scatter:
    modes = [*(["lines"] if series.line else []), *(["markers"] if series.marks else [])]
    look, symbol = series.look, series.look.plotly + ("" if series.filled else "-open")
    line = {"color": look.colour, "width": series.width, "dash": series.dash}
    edge = {"width": 1.2, "color": "#FFFFFF" if series.filled else look.colour}
    options: dict[str, object] = {"hoverinfo": "skip"}
    if series.trials:
        options = {"customdata": [*series.trials], "meta": TRIALS, "hovertemplate": HOVER}
    elif series.hover:
        options = {"hovertext": [escape(text) for text in series.hover], "hovertemplate": HOVER}
    if series.labels:
        modes.append("text")
        options |= {"text": [escape(text) for text in series.labels], "textposition": "top right", "cliponaxis": False}
    return go.Scatter(
        x=rounded(series.x),
        y=rounded(series.y),
        mode="+".join(modes),
        name=escape(series.name or ""),
        showlegend=series.name is not None and series.name != series.group,
        legendgroup=escape(series.group or series.name or ""),
        line={**line, "shape": "hv"} if series.steps else line,
        marker={"symbol": symbol, "color": look.colour, "size": series.size, "line": edge},
        error_x=_bars(series.x, series.x_ends, look.colour),
        error_y=_bars(series.y, series.y_ends, look.colour),
        **options,
    )


def _bars(values: Sequence[float], ends: Ends | None, colour: str) -> dict[str, object] | None:
    if ends is None:
        return None
    middle, (low, high) = np.asarray(values, dtype=float), (np.asarray(end, dtype=float) for end in ends)
    up, down = (np.nan_to_num(side).tolist() for side in (high - middle, middle - low))
    bars = {"type": "data", "symmetric": False, "array": up, "arrayminus": down}
    return {**bars, "color": colour, "thickness": 1.2, "width": 3}


def _scale(axis: Axis) -> dict[str, object]:
    found: dict[str, object] = {}
    if axis.range:
        found["range"] = [*(np.log10(axis.range) if axis.log else axis.range)]
    if axis.from_zero:
        found["rangemode"] = "tozero"
    if axis.log:
        found |= {"type": "log", "dtick": "D2", "tickformat": "~g"}
    if axis.marked:
        found |= {"tickvals": [*axis.marked], "ticktext": [f"{value:g}" for value in axis.marked]}
    if axis.names:
        found |= {"tickvals": [*range(len(axis.names))], "ticktext": [escape(name) for name in axis.names]}
    return found


def _figure(x: str, y: str, height: int = 460) -> go.Figure:
    axis = {"zeroline": False, "showline": True, "ticks": "outside", "automargin": True}
    return go.Figure(
        layout={
            "template": "none",
            "height": height,
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


def pair_layout(pair: Pair) -> go.Figure:
    """Return an empty figure of two objectives."""
    across, up = pair.ranges
    return _figure(AXES[pair.x], AXES[pair.y]).update_xaxes(range=across).update_yaxes(range=up)


def _draw_defense(figure: go.Figure, rows: pd.DataFrame, name: str, look: Look) -> None:
    for kind in ("partial", "infeasible", "dominated", "front"):
        standing = rows["kind"].eq(kind) if kind != "partial" else ~rows["kind"].isin(KINDS)
        if not standing.any():
            continue
        suffix, size, opacity = KINDS.get(kind, ("cross-thin", 9, 0.9))
        symbol = look.plotly + suffix if kind in ("front", "dominated") else suffix
        trace = _markers(rows[standing], symbol, look.colour, size, legendgroup=escape(name))
        figure.add_trace(trace.update(opacity=opacity))


def _markers(rows: pd.DataFrame, symbol: str, colour: str, size: int, **options: object) -> go.Scatter:
    thin = symbol.endswith("-thin")
    line = {"width": 2, "color": colour} if thin or symbol.endswith("-open") else {"width": 1.5, "color": "#FFFFFF"}
    return go.Scatter(
        x=rounded(rows["x"]),
        y=rounded(rows["y"]),
        mode="markers",
        marker={"symbol": symbol, "color": colour, "size": size, "line": line},
        customdata=rows["trial"].tolist(),
        meta=TRIALS,
        hovertemplate=HOVER,
        showlegend=False,
        **options,
    )


def _draw_rings(figure: go.Figure, points: pd.DataFrame) -> None:
    anchors = points[points["undefended_anchor"]]
    ring = {"symbol": "circle-open", "size": 24, "color": QUIET, "line": {"width": 1.5}}
    if len(anchors):
        x, y = rounded(anchors["x"]), rounded(anchors["y"])
        trace = go.Scatter(x=x, y=y, mode="markers", marker=ring, showlegend=False, hoverinfo="skip")
        figure.add_trace(trace)


def _draw_levels(figure: go.Figure, pair: Pair) -> None:
    line = {"color": QUIET, "width": 1, "dash": "dot"}
    for level in pair.levels:
        if level.inside:
            (figure.add_vline if level.objective == pair.x else figure.add_hline)(level.value, line=line)


def _numbers(points: pd.DataFrame) -> list[dict[str, object]]:
    """Return the numbers of the front's trials."""
    return [
        {"x": row.x, "y": row.y, "text": row.label, "xshift": 13, "yshift": 11, **NOTE}
        for row in points[points["label"].ne("")].itertuples()
    ]


def _draw_arrows(figure: go.Figure, points: pd.DataFrame) -> None:
    """Draw an arrow under what a longer attack could still lower, on the front: a trace, since notes are slow."""
    weak = points[points["limited"] & points["kind"].eq("front")]
    if len(weak):
        below = {"text": ["\u00a0<br>↓"] * len(weak), "textposition": "bottom center", "textfont": {"size": 11}}
        x, y = rounded(weak["x"]), rounded(weak["y"])
        figure.add_trace(go.Scatter(x=x, y=y, mode="text", showlegend=False, hoverinfo="skip", **below))


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


def _line(vertices: list[tuple[float, float]], colour: str, **options: object) -> go.Scatter:
    x, y = rounded(vertex[0] for vertex in vertices), rounded(vertex[1] for vertex in vertices)
    line = {"color": colour, "width": 1.5}
    return go.Scatter(x=x, y=y, mode="lines", line=line, showlegend=False, hoverinfo="skip", **options)
