"""A card: a part of the page that says why it is not there, or comes as words, tables and figures.

A card is made of values alone; `reports/templates/` lays them out. To add one, write a module in `reports/cards/` and
name its ``CARD`` in `reports.cards.CARDS`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import plotly.graph_objects as go
from matplotlib.figure import Figure

from reports.chart import Chart
from reports.formats import Table
from reports.study import Study

PAGE = 100
"""Rows of a table that are shown at once."""

MOST = 2000
"""Rows of a table that the page lists; of more it says so."""


@dataclass(frozen=True)
class Words:
    """Sentences, one below the other."""

    kind: ClassVar[str] = "words"
    sentences: Sequence[str]
    careful: bool = False
    """Whether they limit what the others say."""


@dataclass(frozen=True)
class Note:
    """A paragraph."""

    kind: ClassVar[str] = "note"
    text: str
    style: str = "note"
    """``note`` for small print, ``plain``, ``mark`` for a warning, ``missing`` for what is not there."""


@dataclass(frozen=True)
class Plot:
    """A figure of the page and, if papers want it, of the folder ``figures/``."""

    kind: ClassVar[str] = "plot"
    name: str
    caption: str
    figure: Chart | go.Figure
    picture: Callable[[], Figure] | None = None
    """Draws a figure that is no chart for papers."""
    key: Sequence[tuple[str, str]] = ()
    """Marks and what they mean."""


@dataclass(frozen=True)
class Terms:
    """Words and what they mean."""

    kind: ClassVar[str] = "terms"
    label: str
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Part:
    """What stands under a heading of its own."""

    kind: ClassVar[str] = "part"
    title: str
    blocks: "Sequence[Block]"


@dataclass(frozen=True)
class Folded:
    """What is there for whoever opens it."""

    kind: ClassVar[str] = "folded"
    summary: str
    blocks: "Sequence[Block]"


@dataclass(frozen=True)
class Columns:
    """What may stand side by side."""

    kind: ClassVar[str] = "columns"
    blocks: "Sequence[Block]"


@dataclass(frozen=True)
class Source:
    """Text that is shown as it was written."""

    kind: ClassVar[str] = "source"
    text: str


@dataclass(frozen=True)
class Galleries:
    """Reconstructions beside their originals."""

    kind: ClassVar[str] = "galleries"
    shown: Sequence[Any]
    """`reports.cards.reconstructions.Gallery`."""
    picture: Callable[[], Figure] | None
    """Draws some of them for papers."""
    name: ClassVar[str] = "reconstructions"


VIEWS = ("tried", "parallel", "slices")
"""What the page's scripts make, each in ``reports/templates/<name>.js``."""


@dataclass(frozen=True)
class Live:
    """A view that a script of the page makes of data that the page carries."""

    kind: ClassVar[str] = "live"
    name: str
    """Of the script's part, in ``VIEWS``."""
    caption: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """As JSON, beside the columns of `reports.tried`, which all views share."""


Block = Words | Note | Table | Plot | Terms | Part | Folded | Columns | Source | Galleries | Live


def every(blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield the blocks and those within them."""
    for block in blocks:
        yield block
        if isinstance(block, Part | Folded | Columns):
            yield from every(block.blocks)


@dataclass(frozen=True, kw_only=True)
class Card:
    """A part of the page."""

    name: str
    """Of its place on the page: ``#name``."""
    title: str
    group: str
    """Under which it stands in the contents."""
    compute: Callable[[Study], Sequence[Block]]
    applicable: Callable[[Study], str | None] = lambda study: None
    """Says why there is nothing to show; null if there is."""
    pictures: Sequence[str] = ()
    """Names of the files that it may leave in ``figures/``."""
