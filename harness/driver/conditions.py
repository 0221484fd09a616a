"""What new trials are given beside their settings, where all trials run, and the packages that travel with them."""

from collections.abc import Callable, Iterable

import torch

from attacks.precision import bfloat16_is_faster, share_of_float32
from harness.cluster import threads
from harness.errors import UserError
from harness.ledger import Confirms, Ledger
from harness.plugins import Package, packages
from harness.records import Place, Precision, Scalar, Shared, failure_line
from harness.search import Conditions
from harness.stages import FAST, Submit, software
from harness.stores import scheme_of
from harness.study import Resources, Study
from harness.study.jobs import attack_jobs


def conditions_of(study: Study, ledger: Ledger, submit: Submit, noted: Callable[[str], None]) -> Conditions:
    """Return what new trials are given: the precision is that of the study's first one; arguments and errors as of
    ``precision_of``.
    """
    resources = study.resources
    return Conditions(
        ledger=str(study.ledger),
        attacks=attack_jobs(study),
        threads=_threads(resources),
        precision=precision_of(study, ledger, submit, noted),
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
    return Place(
        data_root=study.data.root,
        attacker_root=study.attacker.root,
        download=study.data.download,
        store=_store_of(ledger),
        timeout_seconds=study.resources.timeout,
        checkpoint_seconds=study.resources.checkpoint,
        driver=software(),
    )


def precision_of(study: Study, ledger: Ledger, submit: Submit, noted: Callable[[str], None]) -> Precision:
    """Return the precision of a study's trials: that of its first one, so that a resume elsewhere mixes none.

    Before the first: bfloat16 if it is faster, on CPUs as this machine's is, on GPUs as jobs on all that answer find.

    Args:
        study: The study.
        ledger: Its directory.
        submit: Runs a job on a GPU, or on one of each of some nodes.
        noted: Hears of nodes whose GPU no job can use.

    Raises:
        UserError: no job can use the GPU that it reserved.
    """
    first = ledger.numbers()[:1]
    return ledger.read(first[0]).asked.precision if first else fastest(study, submit, noted)


def precision_of_confirms(study: Study, ledger: Ledger, submit: Submit, noted: Callable[[str], None]) -> Precision:
    """Return the precision of a study's confirms: that of their first training, so that all candidates compare.

    Before the first: the search's own, unless that is bfloat16 and no faster here; arguments and errors as of
    ``precision_of``.
    """
    begun = next((files.asked.precision for _, files in Confirms(ledger).runs()), None)
    if begun is not None:
        return begun
    searched = precision_of(study, ledger, submit, noted)
    return "float32" if searched == "float32" else fastest(study, submit, noted)


def fastest(study: Study, submit: Submit, noted: Callable[[str], None]) -> Precision:
    """Return in which precision a study's jobs are fastest where they run; arguments and errors as of
    ``precision_of``.
    """
    shares = {"train": study.resources.train.gpu, "attack": study.resources.attack.gpu}
    if not all(shares.values()) and not bfloat16_is_faster(torch.device("cpu")):
        return "float32"
    on_gpu = next((kind for kind, gpu in shares.items() if gpu), None)  # a trial's jobs share its GPU
    fast = on_gpu is None or _is_fast(on_gpu, shares[on_gpu], submit, noted)
    return "bfloat16" if fast else "float32"


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


def _is_fast(kind: str, gpu: float, submit: Submit, noted: Callable[[str], None]) -> bool:
    """Say whether bfloat16 is faster on all GPUs that answer."""
    outcomes = list(submit(FAST, [()], kind, lambda progress: None))
    broken = [f"{failure_line(outcome.failure)}" for outcome in outcomes if outcome.failure is not None]
    told = [bool(outcome.value) for outcome in outcomes if outcome.failure is None]
    if not told:
        raise UserError(f"resources/{kind}/gpu: {gpu:g}: {'; '.join(broken)}")
    for line in broken:
        noted(f"resources/{kind}/gpu: {gpu:g}: {line}; what fails there is handed out again elsewhere")
    return all(told)


def plugins(study: Study, attacks: Iterable[str], ledger: Ledger | None = None) -> set[Package]:
    """Return the packages of the plug-ins that a study names, of its attacks or others, and of the store it lies in."""
    space, store = study.space(), _store_of(ledger)
    names = [
        study.data.name,
        study.attacker.name or "",
        study.model.name,
        *space.defense,
        *(space.term or ()),
        *attacks,
        *([scheme_of(store)] if store is not None else []),
    ]
    return set[Package]().union(*map(packages, names))


def _store_of(ledger: Ledger | None) -> str | None:
    """Return the address of a study in a store; null of one in a folder."""
    return ledger.mirror.store.url if ledger is not None and ledger.mirror is not None else None
