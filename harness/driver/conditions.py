"""What new trials are given beside their settings, where all trials run, and the packages that travel with them."""

from collections.abc import Iterable

import torch

from attacks.precision import bfloat16_is_faster, share_of_float32
from harness.cluster import threads
from harness.errors import UserError
from harness.ledger import Confirms, Ledger
from harness.plugins import Package, package
from harness.records import Place, Precision, Scalar, Shared, failure_line
from harness.search import Conditions
from harness.stages import FAST, Submit, software
from harness.study import Resources, Study
from harness.study.jobs import attack_jobs


def conditions_of(study: Study, ledger: Ledger, submit: Submit) -> Conditions:
    """Return what new trials are given: the precision is that of the study's first one; arguments and errors as of
    ``precision_of``.
    """
    resources = study.resources
    return Conditions(
        ledger=str(study.ledger),
        attacks=attack_jobs(study),
        threads=_threads(resources),
        precision=precision_of(study, ledger, submit),
    )


def shared_of(study: Study, precision: Precision) -> Shared:
    """Return what all trials of a study share, for jobs that are no trial's own."""
    constants = {path: value for path, value in study.space().shared.items() if isinstance(value, Scalar)}
    return Shared(
        settings=constants,
        study_seed=study.search.seed,
        threads=_threads(study.resources),
        precision=precision,
    )


def _threads(resources: Resources) -> dict[str, int]:
    return {"train": threads(resources.train.cpu), "attack": threads(resources.attack.cpu)}


def place_of(study: Study, ledger: Ledger | None = None) -> Place:
    """Return where a study's jobs run as its file says now, trials that were asked earlier included.

    Args:
        study: The study.
        ledger: Its directory; null where its jobs need none.
    """
    mirror = ledger.mirror if ledger is not None else None
    return Place(
        data_root=study.data.root,
        attacker_root=study.attacker.root,
        download=study.data.download,
        store=mirror.store.url if mirror is not None else None,
        timeout_seconds=study.resources.timeout,
        checkpoint_seconds=study.resources.checkpoint,
        driver=software(),
    )


def precision_of(study: Study, ledger: Ledger, submit: Submit) -> Precision:
    """Return the precision of a study's trials: that of its first one, so that a resume elsewhere mixes none.

    Before the first: bfloat16 if it is faster, on CPUs as this machine's is, on GPUs as a job on one finds.

    Args:
        study: The study.
        ledger: Its directory.
        submit: Runs its jobs.

    Raises:
        UserError: a job cannot use the GPU that it reserved.
    """
    first = ledger.numbers()[:1]
    return ledger.read(first[0]).asked.precision if first else fastest(study, submit)


def precision_of_confirms(study: Study, ledger: Ledger, submit: Submit) -> Precision:
    """Return the precision of a study's confirms: that of their first training, so that all candidates compare.

    Before the first: the search's own, unless that is bfloat16 and no faster here; arguments and errors as of
    ``precision_of``.
    """
    begun = next((files.asked.precision for _, files in Confirms(ledger).runs()), None)
    if begun is not None:
        return begun
    return "float32" if precision_of(study, ledger, submit) == "float32" else fastest(study, submit)


def fastest(study: Study, submit: Submit) -> Precision:
    """Return in which precision a study's jobs are fastest where they run; arguments and errors as of
    ``precision_of``.
    """
    shares = {"train": study.resources.train, "attack": study.resources.attack}
    return "bfloat16" if all(_is_fast(kind, share.gpu, submit) for kind, share in shares.items()) else "float32"


def slowed(study: Study, conditions: Conditions) -> str | None:
    """Return a line that says that a study goes on in a precision which this machine's CPU is slow at; null if not."""
    shares = (study.resources.train, study.resources.attack)
    if conditions.precision == "float32" or all(share.gpu for share in shares):
        return None
    if bfloat16_is_faster(torch.device("cpu")):
        return None
    return (
        f"the trials of this study are computed in bfloat16, as its first one was: this CPU takes "
        f"{share_of_float32():.3g} times as long for that as for float32; a study that begins here takes float32"
    )


def _is_fast(kind: str, gpu: float, submit: Submit) -> bool:
    """Say whether bfloat16 is faster for a kind of job."""
    if not gpu:
        return bfloat16_is_faster(torch.device("cpu"))
    (outcome,) = submit(FAST, [()], kind, lambda progress: None)
    if outcome.failure is not None:
        raise UserError(f"resources/{kind}/gpu: {gpu:g}: {failure_line(outcome.failure)}")
    return bool(outcome.value)


def plugins(study: Study, attacks: Iterable[str]) -> set[Package]:
    """Return the packages of the plug-ins that a study names, and of its attacks or others."""
    space = study.space()
    names = [
        study.data.name,
        study.attacker.name or "",
        study.model.name,
        *space.defense,
        *(space.term or ()),
        *attacks,
    ]
    return {found for found in map(package, names) if found is not None}
