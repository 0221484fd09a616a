"""What new trials are given beside their settings, and the packages that travel with them."""

from collections.abc import Iterable

import torch

from attacks.precision import bfloat16_is_faster
from harness.cluster import threads
from harness.ledger import Ledger
from harness.records import Precision
from harness.search import Conditions
from harness.study import Study
from harness.study.jobs import attack_jobs


def conditions_of(study: Study, ledger: Ledger) -> Conditions:
    resources = study.resources
    return Conditions(
        ledger=str(study.ledger),
        attacks=attack_jobs(study),
        threads={"train": threads(resources.train.cpu), "attack": threads(resources.attack.cpu)},
        precision=precision_of(study, ledger),
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
    names = [*space.defense, *(space.term or ()), *attacks]
    return {name.partition(":")[0].partition(".")[0] for name in names if ":" in name}
