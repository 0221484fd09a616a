"""``invfront retry``: run again what failed."""

from typing import Annotated

import typer

from harness.commands.environment import quiet
from harness.commands.finding import StudyPath, find_study
from harness.commands.options import Address, Json, Storage, Tracked, TrackingUri, moved
from harness.commands.working import remembered, work


def retry(
    study: StudyPath,
    trial: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TRIAL...]", help="Numbers of trials, or `failed`, or `partial`; both as it stands."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        moved("What trials may take, or where images lie: resources, keep, data/root, data/download, attacker/root"),
    ] = None,
    address: Address = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    tracked: Tracked = True,
    as_json: Json = False,
) -> int:
    """Run failed trials again, and failed attacks of partial ones.

    Nothing else is run. A trial keeps its number, settings and seeds; what it had finished is taken over. Its new
    record, record-2.json, stands beside the first one and counts in its place: in tables, front and page, and with the
    sampler.

    \b
    Examples:
      invfront retry runs/quickstart
      invfront retry runs/faces partial --set resources/attack/gpu=1
      invfront retry runs/faces 3 17 --set resources/timeout=6h

    \b
    JSON: as of status but for disk, widened and informed, then study (its directory), report (the page),
    mlflow (its URI).
    """
    root = find_study(study)
    quiet(address)
    from harness.driver import driving

    where = remembered(root, address, storage, tracking_uri, tracked)
    return work(lambda watcher: driving.retry(root, trial or [], where, watcher, set_ or []), where, root, as_json)
