"""``invfront resume``: go on with a study."""

from typing import Annotated

import typer

from harness.commands.environment import quiet
from harness.commands.finding import StudyPath, find_study
from harness.commands.options import Address, Storage, TrackingUri, count
from harness.commands.working import work


def resume(
    study: StudyPath,
    trials: Annotated[
        int | None,
        typer.Option(parser=count, metavar="N", help="New number of trials in all, to add to a finished study."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="What trials may take, or where images lie: resources, data/root, data/download, attacker/root. "
            "Repeatable.",
        ),
    ] = None,
    address: Address = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
) -> int:
    """Go on with a study that was interrupted, give it more trials, or let it run elsewhere.

    \b
    Examples:
      invfront resume runs/quickstart
      invfront resume runs/quickstart --trials 40
      invfront resume runs/faces --set data/root=/data/faces --set resources/concurrent=4
    """
    root = find_study(study)
    quiet(address)
    from harness.driver import driving
    from harness.study import load_study

    there = load_study(root / "study.yaml")
    where = driving.Endpoints(
        address=address, storage=storage or there.storage, tracking=tracking_uri or there.tracking
    )
    return work(lambda watcher: driving.resume(root, trials, where, watcher, set_ or []), where, root)
