"""Makes a study a wider one: what changed, when, and after which trials, before anything is drawn from it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from harness.errors import UserError
from harness.ledger import Ledger
from harness.records import AttackJob, Borrowed, Extension, Lineage
from harness.search import redrawn
from harness.search.comparing import edited_line
from harness.study import Study, load_study, load_text, refuse_edited, widened
from harness.study.jobs import attack_jobs
from harness.study.load import Loaded
from harness.study.problem import Problem


class Plan(NamedTuple):
    """A study that is about to be driven."""

    study: Study
    extension: Extension | None
    """What it has more than the study that the directory's trials were asked of; null if it is that one."""
    added: tuple[AttackJob, ...] = ()
    """Attacks that came when it was widened, now or before."""
    borrowed: Borrowed | None = None
    """Results of another study that inform its search; null if it has none, or they are on storage."""


def planned(loaded: Loaded, root: Path) -> Plan:
    """Return a directory's study as it is to go on: the one that its driver wrote, or that one widened.

    A file that its driver had widened when it was cut off is still to be written down, as if it were widened now.

    Args:
        loaded: What its ``study.yaml`` says, with what is set.
        root: Its directory.

    Raises:
        UserError: the study would be narrower than what its trials were drawn from, or a file cannot be read.
    """
    ledger = Ledger(root)
    lineage = ledger.lineage()
    before = load_text(lineage.study, str(ledger.lineage_file)) if lineage else load_study(ledger.study_file)
    study = loaded.study
    try:
        changes = widened(before, study)
    except Problem as problem:
        raise loaded.blamed(problem) from problem
    added, known = (lineage.added if lineage else ()), attack_jobs(before)
    if not changes:
        return Plan(study, None, added)
    extension = Extension(
        digest=study.digest(),
        parent=before.digest(),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        asked=len(ledger.numbers()),
        changes=changes,
        attacks=tuple(job for job in attack_jobs(study) if job not in known),
    )
    return Plan(study.model_copy(update={"extends": extension.parent}), extension, (*added, *extension.attacks))


def refuse_by_hand(there: Study, root: Path, url: str | None) -> None:
    """Refuse a directory's study file that was edited by hand.

    Args:
        there: What the file says.
        root: The directory.
        url: Optuna's storage; null for ``study.db``. In a directory without a lineage its rows tell what was drawn.

    Raises:
        UserError: names the path and both values.
    """
    lineage = Ledger(root).lineage()
    refuse_edited(there, lineage, root)
    if lineage is None and (found := redrawn(there, root, url)):
        way_out = f"put it back, then `invfront resume {root}`"
        raise UserError(f"{root / 'study.yaml'}: {edited_line(found)}; {way_out}")


def write_down(plan: Plan, ledger: Ledger) -> None:
    """Put a study on storage: results that it borrowed, its file, which names them and what it extends, its lineage.

    A driver that was cut off between the two left a file that the next one takes for what it is.
    """
    text, lineage = plan.study.dump(), ledger.lineage()
    extensions = () if lineage is None else lineage.extensions
    if plan.extension is not None:
        extensions = (*extensions, plan.extension)
    if plan.borrowed is not None:
        ledger.write(ledger.borrowed_file, plan.borrowed.content())
    ledger.write(ledger.study_file, text.encode())
    ledger.publish_lineage(Lineage(study=text, extensions=extensions))
