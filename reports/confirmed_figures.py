"""The confirmed front drawn: for the page by plotly, as a picture by matplotlib."""

from html import escape

import matplotlib
import pandas as pd
import plotly.graph_objects as go

from reports.confirmed_front import ConfirmedPair
from reports.figures import NOTE, QUIET, pair_layout
from reports.pictures import STYLE, axes_of, literal, png
from reports.points import AXES, Look

DASHES = {"best": ("dot", ":"), "median": ("solid", "-"), "worst": ("dash", "--")}
LABELS = {"best": "attained in one seed", "median": "in half of the seeds", "worst": "in every seed"}


def draw(pair: ConfirmedPair, looks: dict[str, Look]) -> go.Figure:
    """Return the confirmed front: intervals as bars, what the seeds attain as lines."""
    figure = pair_layout(AXES[pair.x], AXES[pair.y], pair.ranges)
    for band, vertices in pair.bands.items():
        x, y = [vertex[0] for vertex in vertices], [vertex[1] for vertex in vertices]
        line = {"color": QUIET, "width": 1.5, "dash": DASHES[band][0]}
        figure.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, name=LABELS[band], hoverinfo="skip"))
    for name, look in looks.items():
        rows = pair.points[pair.points["defense"].eq(name)]
        if len(rows):
            figure.add_trace(
                go.Scatter(
                    x=rows["x"].tolist(),
                    y=rows["y"].tolist(),
                    error_x=_bars(rows, "x", look.colour),
                    error_y=_bars(rows, "y", look.colour),
                    mode="markers",
                    marker={"symbol": look.plotly, "color": look.colour, "size": 11},
                    text=[escape(text) for text in rows["hover"]],
                    hovertemplate="%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
                    name=escape(name),
                )
            )
    notes = [
        {"x": row.x, "y": row.y, "text": str(row.trial), "xshift": 12, "yshift": 10, **NOTE}
        for row in pair.points.itertuples()
    ]
    return figure.update_layout(annotations=notes)


def picture(pair: ConfirmedPair, looks: dict[str, Look]) -> bytes:
    """Return the same as PNG."""
    with matplotlib.rc_context(STYLE):
        figure, axes = axes_of(AXES[pair.x], AXES[pair.y])
        for band, vertices in pair.bands.items():
            x, y = [vertex[0] for vertex in vertices], [vertex[1] for vertex in vertices]
            axes.plot(x, y, color=QUIET, linewidth=1.2, linestyle=DASHES[band][1], label=LABELS[band], zorder=1)
        for name, look in looks.items():
            rows = pair.points[pair.points["defense"].eq(name)]
            if len(rows):
                ends = [[rows[axis] - rows[f"{axis}_low"], rows[f"{axis}_high"] - rows[axis]] for axis in ("x", "y")]
                axes.errorbar(
                    rows["x"],
                    rows["y"],
                    xerr=ends[0],
                    yerr=ends[1],
                    fmt=look.matplotlib,
                    color=look.colour,
                    elinewidth=1,
                    markersize=6,
                    label=literal(name),
                )
        for row in pair.points.itertuples():
            axes.annotate(str(row.trial), (row.x, row.y), (5, 5), textcoords="offset points", fontsize=8)
        axes.set(xlim=pair.ranges[0], ylim=pair.ranges[1])
        figure.legend(loc="outside upper left", ncols=4, fontsize=8)
        return png(figure)


def _bars(rows: pd.DataFrame, axis: str, colour: str) -> dict[str, object]:
    return {
        "type": "data",
        "symmetric": False,
        "array": (rows[f"{axis}_high"] - rows[axis]).tolist(),
        "arrayminus": (rows[axis] - rows[f"{axis}_low"]).tolist(),
        "color": colour,
        "thickness": 1,
        "width": 3,
    }
