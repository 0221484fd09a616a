"""``invfront resume``: go on with a study."""

from typing import Annotated

import typer

from harness.commands.environment import quiet
from harness.commands.finding import StudyPath, find_study
from harness.commands.options import Address, Json, Storage, Tracked, TrackingUri, count, moved
from harness.commands.working import remembered, work


def resume(
    study: StudyPath,
    trials: Annotated[
        int | None,
        typer.Option(parser=count, metavar="N", help="New number of trials in all, to add to a finished study."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        moved(
            "What trials may take, what is kept, or where images lie: resources, keep, data/root, data/download, "
            "attacker/root, attacker/images (other levels than the study's own), attacker/levels; or what is wider "
            "than before: ranges, choices and branches of model, train, defense and "
            "term; attacks"
        ),
    ] = None,
    later: Annotated[
        bool, typer.Option("--later", help="Let attacks that are new wait, on trials that finished without them.")
    ] = False,
    address: Address = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    tracked: Tracked = True,
    as_json: Json = False,
) -> int:
    """Go on with a study; with more trials, elsewhere, or widened.

    A study that is widened keeps all its trials, and is another one from then on: lineage.json tells what changed when.
    A new branch takes turns until it has as many trials as the others; a new attack first runs on the trials that are
    complete, and counts once all of them have had it. Nothing can be narrowed.

    \b
    Examples:
      invfront resume runs/quickstart
      invfront resume runs/quickstart --trials 40
      invfront resume runs/faces --set data/root=/data/faces --set resources/concurrent=4
      invfront resume runs/laplace --trials 60 --set defense/laplace/scale='{low: .001, high: 2}'
      invfront resume runs/laplace --trials 60 --set defense/nopeek=default
      invfront resume runs/laplace --set attacks/rmle=standard

    \b
    JSON: as of status but for disk, widened, informed and confirmed, then study (its directory), report (the page),
    mlflow (its URI).
    """
    root = find_study(study)
    quiet(address)
    from harness.driver import driving

    where = remembered(root, address, storage, tracking_uri, tracked)
    return work(lambda watcher: driving.resume(root, trials, where, watcher, set_ or [], later), where, root, as_json)
