"""``invfront run`` and ``invfront resume``: work on a study until its budget is spent."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.environment import settle
from harness.commands.places import Study, find_study
from harness.records.errors import Interrupted

if TYPE_CHECKING:
    from harness.driver.driving import Watcher, Where

NONE_SUCCEEDED = 3


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


def run(
    space: Annotated[str, typer.Argument(metavar="SPACE", help="A study file, or the name of a bundled one.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Pin or replace a setting; the value is YAML. Repeatable."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(parser=count, metavar="N", help="Number of trials: search/trials.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The study's directory is DIR/<its name>.")] = Path("runs"),
    address: Address = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
) -> int:
    """Run a study, or go on with it if its directory is there.

    \b
    Examples:
      invfront run quickstart
      invfront run my-study.yaml --trials 40 --out runs
      invfront run cifar10-small --set data/root=data/cifar10 --set train/epochs=12
      invfront run my-study.yaml --set 'defense={none: {}, laplace: default}'
      INVFRONT_STORAGE=postgresql+psycopg://user:password@host/db invfront run my-study.yaml --address auto
    """
    settle(address)
    from harness.driver import driving
    from harness.study import load_study

    study = load_study(space, set_ or [], trials)
    study = study.model_copy(update={"storage": storage or study.storage})
    where = driving.Where(address=address, storage=study.storage, tracking=tracking_uri or study.tracking)
    return _work(lambda watcher: driving.run(study, out, where, watcher), where, out / study.name)


def resume(
    study: Study,
    trials: Annotated[
        int | None,
        typer.Option(parser=count, metavar="N", help="New number of trials in all, to add to a finished study."),
    ] = None,
    address: Address = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
) -> int:
    """Go on with a study that was interrupted, or give it more trials.

    \b
    Examples:
      invfront resume runs/quickstart
      invfront resume runs/quickstart --trials 40
    """
    root = find_study(study)
    settle(address)
    from harness.driver import driving
    from harness.study import load_study

    there = load_study(root / "study.yaml", plugins=False)
    where = driving.Where(address=address, storage=storage or there.storage, tracking=tracking_uri or there.tracking)
    return _work(lambda watcher: driving.resume(root, trials, where, watcher), where, root)


def _work(drive: "Callable[[Watcher], Path]", where: "Where", root: Path) -> int:
    """Drive a study under a display, and say how it ended."""
    from harness.commands.summary import succeeded, summarise
    from harness.display import watching

    with terminable(f"go on with `invfront resume {root}`"), watching() as watcher:
        drive(watcher)
    for line in summarise(root, where.tracking):
        typer.echo(line)
    return 0 if succeeded(root) else NONE_SUCCEEDED


@contextlib.contextmanager
def terminable(way: str) -> Iterator[None]:
    """Let SIGTERM end the body as Ctrl-C does; ``way`` is a clause that says how to go on."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except SystemExit as end:  # Ray's own handler, while Ray starts
        if end.code != signal.SIGTERM:
            raise
        raise Interrupted(f"ended by SIGTERM; {way}") from None
