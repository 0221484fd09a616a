"""Options that several commands take, and what ``--json`` makes of a command's output."""

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer


def count(text: str) -> int:
    """Return a whole number >= 1 that the user wrote."""
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"takes a whole number >= 1, not {text!r}.")
    return int(text)


Address = Annotated[
    str | None,
    typer.Option(
        metavar="A",
        help="Address of a Ray cluster; without it Ray starts on this machine. `in-process`: no Ray, one trial after "
        "another in this process, for a debugger.",
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        envvar="INVFRONT_STORAGE",
        metavar="URL",
        help="Optuna's storage; without it study.db in the study's directory. Keep passwords in the variable.",
    ),
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        metavar="U",
        envvar="MLFLOW_TRACKING_URI",
        help="MLflow's; without it a database beside the studies.",
    ),
]
Space = Annotated[str, typer.Argument(metavar="SPACE", help="A study file, or the name of a bundled one.")]
Pin = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Pin or replace a setting; the value is YAML. Repeatable."),
]
Trials = Annotated[int | None, typer.Option(parser=count, metavar="N", help="Number of trials: search/trials.")]
Tracked = Annotated[
    bool, typer.Option("--tracking/--no-tracking", help="Whether MLflow is told; a later resume logs what it lacks.")
]


def moved(what: str) -> typer.models.OptionInfo:
    """Return ``--set`` of a command on a study that is there: what of it may be set."""
    found: typer.models.OptionInfo = typer.Option("--set", metavar="PATH=VALUE", help=f"{what}. Repeatable.")
    return found


Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, of the keys below; remarks go to standard error.")
]


def say(document: Any) -> None:
    """Print a command's one JSON document."""
    typer.echo(json.dumps(document, indent=1, allow_nan=False))


def error_document(message: str, exit_code: int) -> dict[str, Any]:
    """Return what a command prints for programs when it ends otherwise than well."""
    return {"error": {"message": message, "exit_code": exit_code}}


@contextlib.contextmanager
def remarks_apart(as_json: bool) -> Iterator[None]:
    """Send what is printed while the body runs to standard error, if a document is to stand alone on the other."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield
