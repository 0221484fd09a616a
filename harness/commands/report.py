"""``invfront report``: a study's page, tables and figures; of several studies, a page side by side."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.environment import quiet
from harness.commands.finding import find_study
from harness.commands.options import Json, remarks_apart, say
from harness.commands.watching import Written, watch
from harness.errors import UserError

if TYPE_CHECKING:
    from reports.unlike import Named

COMPARISON = "comparison"
"""Folder beside the first study where several are put side by side."""


def report(
    study: Annotated[
        list[Path],
        typer.Argument(
            metavar="STUDY...", help="A study's directory, or the --out that holds just one; several are compared."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where several studies' page is written; comparison/ beside the first."),
    ] = None,
    unlike: Annotated[
        bool,
        typer.Option("--unlike", help="Put studies side by side that measured different things, marked, not pooled."),
    ] = False,
    watched: Annotated[
        bool,
        typer.Option(
            "--watch", help="Write it again whenever the study has moved on, until no trial runs or waits, or Ctrl-C."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a study's page and tables, or a page of several.

    The directory is all that is read; a running study may be reported on. With --watch an open page says when there is
    a newer one. Several studies are pooled if their images,
    metrics, attacks with their budgets, and precision are the same, and refused with the first difference otherwise.
    From three on, their defenses are ranked.

    \b
    Examples:
      invfront report runs/quickstart
      invfront report runs/quickstart --json
      invfront report runs/quickstart --watch
      invfront report runs/first runs/second runs/third --out runs/comparison

    \b
    JSON: report (the page), data (the folder of tables).
    """
    if watched and as_json:
        raise UserError("--json: is for a report that is written once; leave out --watch")
    roots = list(dict.fromkeys(map(find_study, study)))
    if watched and len(roots) > 1:
        raise UserError("--watch: is for one study; name one, or leave it out")
    quiet(None)
    if len(roots) > 1:
        page = _compared(roots, out or roots[0].parent / COMPARISON, unlike=unlike, as_json=as_json)
        data = page.parent
    elif out is not None or unlike:
        raise UserError(f"{'--unlike' if unlike else '--out'}: is for several studies; name them, or leave it out")
    elif watched:
        watch(roots[0], lambda: _reported(roots[0], as_json=False, watched=True))
        return
    else:
        page, data, _ = _reported(roots[0], as_json=as_json)
    if as_json:
        say({"report": str(page), "data": str(data)})
    else:
        typer.echo(f"report: {page}")


def _reported(root: Path, *, as_json: bool, watched: bool = False) -> Written:
    """Write one study's report."""
    from harness.export import write_tables
    from harness.judging import judged_trials, states
    from harness.ledger import Ledger, send
    from harness.search import importances
    from harness.study import load_study
    from reports.page import render

    study, ledger = load_study(root / "study.yaml"), Ledger(root)
    trials = list(judged_trials(ledger))
    with remarks_apart(as_json):
        data = write_tables(study, ledger, trials, importances(study.space(), trials))
        page = render(data, root / "report", watched=watched, pdf=not watched)
        send(root / "report")
    waiting = 0 if ledger.ended() else states(trials, study.search.trials)["waiting"]
    return Written(page, data, waiting)


def _compared(roots: Sequence[Path], out: Path, *, unlike: bool, as_json: bool) -> Path:
    """Write the page of several studies, whose own reports stay as they are; return it."""
    from reports.comparison import render
    from reports.unlike import differences

    with remarks_apart(as_json):
        studies = _named(roots)
        found = differences(studies)
        if found and not unlike:
            raise UserError(f"{found[0]}; --unlike puts them side by side, marked and not pooled")
        return render(studies, out)


def _named(roots: Sequence[Path]) -> "list[Named]":
    """Return studies by their names, or by their directories where two have one name."""
    from harness.export import write_tables
    from harness.judging import judged_trials
    from harness.ledger import Ledger
    from harness.study import load_study
    from reports.tables import read
    from reports.unlike import Named

    loaded = [load_study(root / "study.yaml") for root in roots]
    names = Counter(study.name for study in loaded)
    studies = []
    for root, study in zip(roots, loaded, strict=True):
        ledger = Ledger(root)
        with tempfile.TemporaryDirectory(prefix="invfront-compared-") as folder:
            data = read(write_tables(study, ledger, list(judged_trials(ledger)), folder=Path(folder)))
        studies.append(Named(study.name if names[study.name] == 1 else str(root), data))
    return studies
