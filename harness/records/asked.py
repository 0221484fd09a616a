"""What a trial was asked to do: its identity."""

from typing import Literal

from pydantic import FiniteFloat

from harness.records.value import Scalar, Value
from harness.records.words import Kind, Precision


class AttackJob(Value):
    """One attack on one trial."""

    attack: str
    budget: str
    seed: int
    """Index of the attacker's seed, counted from 0."""
    part: str
    """What is scored: ``validation`` under the strict protocol, ``train`` or ``infer`` under the published one."""
    kind: Kind = "reconstruction"
    tune: int = 0
    """Settings that the attack was tuned over on attacker-validation, its budget's own among them; 0: not tuned."""

    @property
    def name(self) -> str:
        """The job's file name without its ending: ``decoder-quick-0``, with the part under the published protocol."""
        name = f"{self.attack.replace(':', '.')}-{self.budget}-{self.seed}"
        return name if self.part == "validation" else f"{name}-{self.part}"


class Asked(Value):
    """Everything ``run_trial`` needs: the same value gives the same measured numbers on the same machine."""

    version: Literal[1] = 1
    study: str
    ledger: str
    number: int
    settings: dict[str, Scalar]
    """Every setting by its path, constants included: ``model/cut``, ``defense/name``, ``defense/cem_paper/lam``."""
    data_root: str | None
    attacker_root: str | None = None
    """Folder of the images that an attacker of another distribution holds."""
    download: bool
    attacks: tuple[AttackJob, ...]
    seed: int
    """The trial's seed, from which every stage's seed derives."""
    study_seed: int = 0
    """The study's seed, from which that of a prior derives: all its trials share it."""
    threads: dict[str, int]
    """CPU threads by stage: ``train``, ``attack``."""
    precision: Precision
    anchor: bool
    floor: FiniteFloat | None
    """Least accuracy of a feasible trial, in [0, 1]."""
    checkpoint_seconds: FiniteFloat
    timeout_seconds: FiniteFloat | None
