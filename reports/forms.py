"""The tables of the cards as files, in the forms that papers and programs take: CSV, parquet, LaTeX and Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from reports.card import Block, Card, every
from reports.export import frame, table_latex, table_markdown, to_csv, to_parquet
from reports.files import write_whole
from reports.formats import Table

FORMS: Mapping[str, Callable[[Table], bytes]] = {
    "csv": lambda table: to_csv(frame(table)),
    "parquet": lambda table: to_parquet(frame(table)),
    "tex": table_latex,
    "md": table_markdown,
}
"""By the ending of the file. Cells are text, as the page shows them."""


def tables_of(card: Card, blocks: Sequence[Block]) -> dict[str, Table]:
    """Return a card's tables by the names of their files: the card's, numbered where there are several."""
    name = card.name.removesuffix("-section")
    found = [block for block in every(blocks) if isinstance(block, Table)]
    return {name if len(found) == 1 else f"{name}-{place}": table for place, table in enumerate(found, 1)}


def write_forms(tables: Mapping[str, Table], out: Path) -> None:
    """Write each table in each form, whole; what is there as it should be is left, and what an earlier report wrote
    and this one has not is removed.
    """
    for name, table in tables.items():
        for form, content in FORMS.items():
            _write(out / f"{name}.{form}", content(table))
    _remove(out, {f"{name}.{form}" for name in tables for form in FORMS})


def _write(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        write_whole(path, content)


def _remove(out: Path, kept: Iterable[str]) -> None:
    known = {*kept}
    for path in out.glob("*.*"):
        if path.name not in known and path.suffix.removeprefix(".") in FORMS:
            path.unlink()
