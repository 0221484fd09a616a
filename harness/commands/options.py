"""Options that several commands take."""

from typing import Annotated

import typer


def count(text: str) -> int:
    """Return a whole number >= 1 that the user wrote."""
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"takes a whole number >= 1, not {text!r}.")
    return int(text)


Address = Annotated[
    str | None, typer.Option(metavar="A", help="Address of a Ray cluster; without it Ray starts on this machine.")
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
