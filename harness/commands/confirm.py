"""``invfront confirm``: the front, trained again with fresh seeds and scored on the test part."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands.ending import terminable
from harness.commands.environment import quiet
from harness.commands.finding import StudyPath, find_study
from harness.commands.options import Address, Json, Storage, Tracked, TrackingUri, count, moved, remarks_apart, say
from harness.commands.working import NONE_SUCCEEDED, remembered

if TYPE_CHECKING:
    import pandas

    from harness.judging import Confirmed


Seeds = Annotated[
    int | None, typer.Option(parser=count, metavar="N", help="Seeds for each trial, counted from 0; 5 by default.")
]

Raised = Annotated[
    str | None, typer.Option(metavar="BUDGET", help="Raise the study's own attacks to this budget, such as standard.")
]

Which = Annotated[
    str,
    typer.Option(
        metavar="WHICH",
        help="`front`: the front and the anchors; `near`: what is near it too, which gets two seeds and more only "
        "if it may be on the front; `all`: every complete trial; or numbers, as 1,4,7.",
    ),
]

Moved = Annotated[
    list[str] | None,
    moved("Where it runs, or where images lie: resources, data/root, data/download, attacker/root"),
]


def confirm(
    study: StudyPath,
    seeds: Seeds = None,
    attacks: Raised = None,
    trials: Which = "front",
    set_: Moved = None,
    address: Address = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    tracked: Tracked = True,
    as_json: Json = False,
) -> int:
    """Train the front again with fresh seeds, scored on test images.

    What a search has chosen among many trials looks better than it is. Here each candidate is trained anew, with the
    same seeds for all; its attacks are the study's own reconstruction attacks. The trials stay as they are. What is
    finished is left out, so that the same command goes on after an interrupt; another one adds, and replaces nothing.

    \b
    Examples:
      invfront confirm runs/quickstart --seeds 3
      invfront confirm runs/quickstart --trials near
      invfront confirm runs/quickstart --trials 0,3 --attacks standard

    \b
    JSON: confirmed {candidates, seeds, waiting}, candidates [row of candidates.parquet], notes [line], report (the
    page).
    """
    root = find_study(study)
    quiet(address)
    from harness.driver import CONFIRM_AGAIN, ConfirmOrder, confirm_front

    notes: list[str] = []
    where = remembered(root, address, storage, tracking_uri, tracked)

    def noted(line: str) -> None:
        notes.append(line)
        typer.echo(line)

    with remarks_apart(as_json), terminable(lambda: CONFIRM_AGAIN):
        order = ConfirmOrder(root, seeds or 5, attacks, trials, set_ or [])
        now = confirm_front(order, where, noted)
        rows = _candidates(root)
        for line in _lines(rows):
            typer.echo(line)
        typer.echo(f"report: {root / 'report' / 'index.html'}")
    if as_json:
        say(_document(root, now, rows, notes))
    return 0 if len(rows) and rows["seeds"].max() else NONE_SUCCEEDED


def _candidates(root: Path) -> "pandas.DataFrame":
    import pandas

    path = root / "report" / "candidates.parquet"
    return pandas.read_parquet(path) if path.exists() else pandas.DataFrame({"seeds": []})


def _document(root: Path, now: "Confirmed", rows: "pandas.DataFrame", notes: list[str]) -> dict[str, Any]:
    from reports.formats import is_missing

    listed = [
        {key: None if is_missing(value) else value for key, value in row.items()} for row in rows.to_dict("records")
    ]
    return {
        "confirmed": now.model_dump(mode="json"),
        "candidates": listed,
        "notes": notes,
        "report": str(root / "report" / "index.html"),
    }


def _lines(rows: "pandas.DataFrame") -> Iterator[str]:
    """Yield each candidate in a line, the likeliest on the front first."""
    from reports.formats import number

    if len(rows):
        yield f"  {'trial':>5}  {'seeds':>5}  {'p(front)':>8}  {'accuracy':>8}  {'mse':>7}  {'ssim':>6}  defense"
    for row in rows.sort_values("p_on_front", ascending=False, kind="stable").to_dict("records") if len(rows) else ():
        scores = [
            number(row["p_on_front"], "share"),
            *(number(row[name], name) for name in ("accuracy", "mse", "ssim")),
        ]
        widths = (8, 8, 7, 6)
        told = "  ".join(f"{score:>{width}}" for score, width in zip(scores, widths, strict=True))
        yield f"  {row['trial']:5d}  {row['seeds']:5d}  {told}  {row['defense/name']}"
