"""``invfront resume``: go on with a study."""

from typing import Annotated

import typer

from harness.commands.environment import settle
from harness.commands.options import Address, Storage, TrackingUri, count
from harness.commands.places import StudyPath, find_study
from harness.commands.working import work


def resume(
    study: StudyPath,
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

    there = load_study(root / "study.yaml")
    where = driving.Endpoints(
        address=address, storage=storage or there.storage, tracking=tracking_uri or there.tracking
    )
    return work(lambda watcher: driving.resume(root, trials, where, watcher), where, root)
