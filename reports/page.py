"""A study's data folder becomes its report: one page that opens without a network, tables and pictures."""

import base64
import hashlib
import json
import logging
import zlib
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from reports import export, paging, pictures, words
from reports.card import MOST, PAGE, VIEWS, Block, Card, Galleries, Live, Plot, every
from reports.cards import CARDS
from reports.chart import Chart
from reports.figures import draw, trials_of
from reports.files import write_whole
from reports.formats import commands, defense_names
from reports.forms import tables_of, write_forms
from reports.front import front, on_front
from reports.hovers import hovers
from reports.kept_pictures import picture
from reports.legend import legend
from reports.study import Study
from reports.tables import StudyData, read
from reports.tried import columns

NEWEST = "version.js"
"""Beside a page that is watched: which one is the newest."""

_LOG = logging.getLogger(__name__)

TEMPLATES = Environment(
    loader=PackageLoader("reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
TEMPLATES.filters.update(commands=commands, column_class=paging.column_class, identity=id)


MOST_TOLD = 6000
"""Trials up to which each that a figure draws says all that is said of it."""


class Made(NamedTuple):
    """What became of a card."""

    card: Card
    blocks: Sequence[Block] = ()
    figures: Mapping[str, str] = MappingProxyType({})
    """Its figures as JSON, by name."""
    trials: frozenset[int] = frozenset()
    """Those that its figures name, whose points say what the page says of them."""
    absent: str | None = None
    """Why there is nothing to show."""
    broken: str | None = None
    """What it failed by."""


class Packed(NamedTuple):
    """Code that the page unpacks."""

    text: str
    size: int


def render(data: Path, out: Path, *, watched: bool = False, pdf: bool = False) -> Path:
    """Write the report of ``data`` into ``out``, each file whole: the page last, so that what it names is there.

    Args:
        data: ``STUDY/report/data/``, as `reports.columns` documents it.
        out: Folder of ``index.html``, the tables and ``figures/``; made if it is not there.
        watched: Whether the page looks now and then for a newer one, and offers it.
        pdf: Whether figures are written as PDF too, which takes longer than all the rest; those that are there are
            kept up to date in any case.

    Returns:
        The page's path.
    """
    study = Study(read(data))
    made = with_pictures(make(study, CARDS), out / "figures", pdf=pdf)
    _write_tables(study, out)
    tables = {name: table for one in made for name, table in tables_of(one.card, one.blocks).items()}
    write_forms(tables, out / "tables")
    version = version_of(data)
    written = write_whole(out / "index.html", page_of(study, made, version if watched else None).encode())
    if watched or (out / NEWEST).exists():  # last, so that what it offers is there
        write_whole(out / NEWEST, f'newer("{version}");\n'.encode())
    return written


def version_of(data: Path) -> str:
    """Return what tells a page of these data from one of others: a digest of all that it is made from."""
    told = hashlib.sha256()
    for path in sorted(path for path in data.iterdir() if path.is_file()):
        told.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest()[:16]


def page(data: StudyData, cards: Sequence[Card] = CARDS) -> str:
    """Return the page as HTML."""
    study = Study(data)
    return page_of(study, make(study, cards))


def make(study: Study, cards: Sequence[Card]) -> list[Made]:
    """Return what became of each card: one that fails says so in a line of its own, and the others stand."""
    return [_made(study, card) for card in cards]


def _made(study: Study, card: Card) -> Made:
    try:
        absent = card.applicable(study)
        if absent:
            return Made(card, absent=absent)
        blocks = card.compute(study)
        drawn = {
            block.name: draw(block.figure) if isinstance(block.figure, Chart) else block.figure
            for block in every(blocks)
            if isinstance(block, Plot)
        }
        named = frozenset(trial for figure in drawn.values() for trial in trials_of(figure))
        return Made(card, blocks, {name: _json(figure.to_plotly_json()) for name, figure in drawn.items()}, named)
    except Exception as error:  # whatever it is, the rest of the page has to come
        _LOG.warning("the card %s of the page failed: %s", card.name, type(error).__name__, exc_info=True)
        return Made(card, broken=f"{type(error).__name__}: {error}")


def page_of(study: Study, made: Sequence[Made], version: str | None = None) -> str:
    """Return the page of cards that were made.

    Args:
        study: The study.
        made: Its cards.
        version: Of the page, by which it tells whether there is a newer one; null if it does not look.
    """
    data = study.data
    shown = [one for one in made if not one.absent]
    figures = {name: figure for one in shown for name, figure in one.figures.items()}
    blocks = [*every([block for one in shown for block in one.blocks])]
    views = {block.name: dict(block.options) for block in blocks if isinstance(block, Live)}
    tables = paging.places(blocks)
    tried = columns(study) if views else {}
    parts = {
        "figures": f"{{{','.join(f'{json.dumps(name)}:{figure}' for name, figure in figures.items())}}}",
        "hovers": _json(_told_of(study, shown, tried.get("trial", ()))),
        "views": _json(views),
        "pages": _json({place: paging.rest(table) for place, table in tables.items()}),
        **({"tried": _json(tried)} if views else {}),
    }
    return TEMPLATES.get_template("page.html.j2").render(
        study=data.study,
        progress=words.progress(data),
        contents=_contents(shown),
        shown=shown,
        absent=[one for one in made if one.absent],
        legend=legend(study.looks, {*defense_names(data.trials).unique()}) if figures else [],
        payload=script_text(f"{{{','.join(f'{json.dumps(name)}:{part}' for name, part in parts.items())}}}"),
        image=_data_uri,
        views=[name for name in VIEWS if name in views],
        version=version,
        place={id(table): place for place, table in tables.items()},
        page=PAGE,
        listed=MOST,
        plotly=packed_plotly(),
    )


@cache
def packed_plotly() -> Packed:
    """Return plotly's code as raw deflate in base64, a third of its size, and its length in bytes: the page unpacks it,
    since not all browsers do, and none that does without waiting.
    """
    code = unpacked_plotly()
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return Packed(base64.b64encode(packer.compress(code) + packer.flush()).decode(), len(code))


def unpacked_plotly() -> bytes:
    """Return plotly's code."""
    code: str = get_plotlyjs()
    return code.encode()


def _contents(shown: Sequence[Made]) -> list[tuple[str, list[Card]]]:
    """Return the cards under the headings of the contents, in their order."""
    groups: dict[str, list[Card]] = {}
    for one in shown:
        groups.setdefault(one.card.group, []).append(one.card)
    return [*groups.items()]


def script_text(text: str) -> Markup:
    """Return JSON that can stand in a script element: no text in it can end the element or open a comment."""
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _told_of(study: Study, shown: Sequence[Made], listed: Collection[int]) -> dict[int, str]:
    """Return what the page says of the trials that it names one by one; of a study of many, of those that it lists."""
    named = {*listed, *(trial for one in shown for trial in one.trials)}
    return hovers(study.data, named if len(named) <= MOST_TOLD else {*listed})


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _write_tables(study: Study, out: Path) -> None:
    data = study.data
    trials = data.trials.assign(on_front=on_front(data.trials))
    attacks = pd.concat([data.attacks, data.beside]).sort_index() if len(data.beside) else data.attacks
    tables = {"trials": trials, "attacks": attacks, "levels": data.levels}
    tables |= {"probes": data.probes, "variants": data.variants}
    if study.candidates is not None:
        tables |= {"confirmed": data.confirmed, "candidates": study.candidates}
    for name, table in {**tables, "front": front(trials)}.items():
        write_whole(out / f"{name}.csv", export.to_csv(table))
        write_whole(out / f"{name}.parquet", export.to_parquet(table))
    write_whole(out / "front.tex", export.to_latex(data, front(trials)))
    write_whole(out / "front.md", export.to_markdown(data, front(trials)))


def with_pictures(made: Sequence[Made], out: Path, *, pdf: bool = False) -> list[Made]:
    """Write the pictures that have something to show, and remove those of an earlier report that no longer have.

    Returns:
        The cards; one whose picture failed says so.
    """
    forms = [form for form in pictures.FORMS if form != "pdf" or pdf or any(out.glob("*.pdf"))]
    return [_with_pictures_of(one, out, forms) for one in made]


def _with_pictures_of(made: Made, out: Path, forms: Sequence[str]) -> Made:
    drawn = {block.name: block for block in every(made.blocks) if isinstance(block, Plot | Galleries)}
    for name in made.card.pictures:
        paths = {form: out / f"{name}.{form}" for form in pictures.FORMS}
        if name not in drawn:
            for path in paths.values():
                path.unlink(missing_ok=True)
            continue
        try:
            contents = picture(drawn[name], forms)
        except Exception as error:  # the page has to come
            _LOG.warning("the picture %s failed: %s", paths["png"], type(error).__name__, exc_info=True)
            made = made._replace(broken=f"{name}: {type(error).__name__}: {error}")
            continue
        for form, content in contents.items():
            write_whole(paths[form], content)
    return made


def _data_uri(image: NDArray[np.uint8]) -> str:
    return f"data:image/png;base64,{base64.b64encode(pictures.encode(image)).decode()}"
