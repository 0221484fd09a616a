"""``invfront run``: work on a study until its budget is spent."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.environment import quiet
from harness.commands.options import Address, Json, Pin, Space, Storage, Tracked, TrackingUri, Trials
from harness.commands.working import work


def run(
    space: Space,
    set_: Pin = None,
    trials: Trials = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The study's directory is DIR/<its name>; or s3://BUCKET/FOLDER.")
    ] = Path("runs"),
    address: Address = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    tracked: Tracked = True,
    as_json: Json = False,
) -> int:
    """Run a study, or go on with it if its directory is there.

    \b
    Examples:
      invfront run quickstart
      invfront run my-study.yaml --trials 40 --out runs
      invfront run cifar10-small --set data/root=data/cifar10 --set train/epochs=12
      invfront run my-study.yaml --set 'defense={none: {}, laplace: default}'
      INVFRONT_STORAGE=postgresql+psycopg://user:password@host/db invfront run my-study.yaml --address auto \\
        --out s3://bucket/studies

    \b
    JSON: as of status but for disk, widened, informed and confirmed, then study (its directory), report (the page),
    mlflow (its URI).
    """
    quiet(address)
    from harness.driver import Endpoints, driving
    from harness.ledger import begin_in_store
    from harness.ledger.lease import refuse_no_server
    from harness.stores import address_of
    from harness.study import load_study
    from harness.study.check import load_all_checked

    if (url := address_of(out)) is not None:
        given = load_study(space, set_ or [], trials)
        refuse_no_server(f"{url}/{given.name}", storage or given.storage)
        out = begin_in_store(url, given.name).parent
    loaded = load_all_checked(space, set_ or [], trials, out)
    study = loaded.study.model_copy(update={"storage": storage or loaded.study.storage})
    where = Endpoints(address=address, storage=study.storage, tracking=tracking_uri or study.tracking, tracked=tracked)
    root = out / study.name
    return work(lambda watcher: driving.run(study, out, where, watcher, loaded.borrowed), where, root, as_json)
