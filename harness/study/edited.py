"""Whether a directory's ``study.yaml`` was edited by hand since its driver wrote it."""

import json
from pathlib import Path

from harness.errors import UserError
from harness.records import Lineage
from harness.study.identity import Difference, first_difference
from harness.study.load import OWN, load_text
from harness.study.study import Study


def by_hand(there: Study, lineage: Lineage) -> Difference | None:
    """Return the first path at which a study file is not what its driver wrote, with what it was and is; else null.

    What is no part of a study, such as ``resources``, may be edited. A file that names the written one as what it
    extends was being widened when its driver was cut off.
    """
    written = load_text(lineage.study, "lineage.json")
    if there.ledger != written.ledger:
        return Difference("ledger", json.dumps(written.ledger), json.dumps(there.ledger) if there.ledger else "absent")
    if there.version != written.version:
        return Difference("version", json.dumps(written.version), json.dumps(there.version))
    if there.extends == written.digest():
        return None
    return first_difference(written, there)


def refuse_edited(there: Study, lineage: Lineage | None, root: Path) -> None:
    """Refuse to go on with a study file that was edited by hand.

    Raises:
        UserError: names the path and both values.
    """
    found = None if lineage is None else by_hand(there, lineage)
    if found is not None:
        way_out = f"`invfront doctor {root} --fix` puts it back, `invfront resume {root} --set` widens a study"
        raise UserError(f"{root / OWN}: {found.path}: edited by hand, {found.other} in place of {found.one}; {way_out}")
