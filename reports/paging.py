"""Tables of many rows: the page lays out the first ones, and carries the others for whoever asks for more."""

from collections.abc import Sequence
from typing import Any

from reports.card import MOST, PAGE, Block
from reports.formats import Hinted, Table


def places(blocks: Sequence[Block]) -> dict[str, Table]:
    """Return the tables that are paged, by their names on the page."""
    long = [block for block in blocks if isinstance(block, Table) and len(block.rows) > PAGE]
    return {f"table-{index}": table for index, table in enumerate(long, 1)}


def rest(table: Table) -> dict[str, Any]:
    """Return the rows that are not laid out, as JSON: ``of``, how many the table has; ``classes`` of the columns;
    ``rows`` of cells, each its text, or its text and what it says when it is pointed at.
    """
    return {
        "of": len(table.rows),
        "classes": [column_class(table, header) for header in table.headers],
        "rows": [[_cell(cell) for cell in row] for row in table.rows[PAGE:MOST]],
    }


def column_class(table: Table, header: str) -> str:
    """Return how a column's cells are set; empty for as text is."""
    sets = {"number": table.numeric, "whole": table.whole, "roomy": table.roomy, "settings": {"settings"}}
    return next((name for name, headers in sets.items() if header in headers), "")


def _cell(cell: str) -> str | list[str]:
    return [str(cell), cell.hint] if isinstance(cell, Hinted) else cell
