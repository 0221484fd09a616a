"""What new trials are given beside their settings, where all trials run, and the packages that travel with them."""

from collections.abc import Iterable

import torch

from attacks.precision import bfloat16_is_faster
from harness.cluster import threads
from harness.ledger import Ledger
from harness.plugins import package as plugin_package
from harness.records import Place, Precision, Scalar, Shared
from harness.search import Conditions
from harness.stages import software
from harness.study import Study
from harness.study.jobs import attack_jobs


def conditions_of(study: Study, ledger: Ledger) -> Conditions:
    """Return what new trials are given: the precision is that of the study's first one."""
    resources = study.resources
    return Conditions(
        ledger=str(study.ledger),
        attacks=attack_jobs(study),
        threads={"train": threads(resources.train.cpu), "attack": threads(resources.attack.cpu)},
        precision=precision_of(study, ledger),
    )


def shared_of(study: Study, conditions: Conditions) -> Shared:
    """Return what all trials of a study share, for jobs that run before the first."""
    constants = {path: value for path, value in study.space().shared.items() if isinstance(value, Scalar)}
    return Shared(
        settings=constants,
        study_seed=study.search.seed,
        threads=conditions.threads,
        precision=conditions.precision,
    )


def place_of(study: Study) -> Place:
    """Return where a study's jobs run as its file says now, trials that were asked earlier included."""
    return Place(
        data_root=study.data.root,
        attacker_root=study.attacker.root,
        download=study.data.download,
        timeout_seconds=study.resources.timeout,
        checkpoint_seconds=study.resources.checkpoint,
        driver=software(),
    )


def precision_of(study: Study, ledger: Ledger) -> Precision:
    """Return the precision of a study's trials: that of its first one, so that a resume elsewhere mixes none.

    Before the first: bfloat16 on GPUs, and on CPUs if it is faster on this machine, which stands for all nodes.
    """
    first = ledger.numbers()[:1]
    if first:
        return ledger.read(first[0]).asked.precision
    shares = (study.resources.train, study.resources.attack)
    fast = all(share.gpu > 0 or bfloat16_is_faster(torch.device("cpu")) for share in shares)
    return "bfloat16" if fast else "float32"


def plugins(study: Study, attacks: Iterable[str]) -> set[str]:
    """Return the top packages of the plug-ins that a study names, and of its attacks or others."""
    space = study.space()
    names = [
        study.data.name,
        study.attacker.name or "",
        study.model.name,
        *space.defense,
        *(space.term or ()),
        *attacks,
    ]
    return {package for package in map(plugin_package, names) if package is not None}
