"""What a trial was asked to do: its identity."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, model_validator

from harness.records.value import Scalar, Value
from harness.records.versions import without_gone
from harness.records.words import Half, Kind, Precision


class AttackJob(Value):
    """One attack on one trial."""

    attack: str
    budget: str
    seed: int
    """Index of the attacker's seed, counted from 0."""
    part: str
    """What is scored: ``validation`` under the strict protocol, ``test`` where a trial is confirmed; ``train`` or
    ``infer`` under the published one.
    """
    kind: Kind = "reconstruction"
    tune: int = 0
    """Settings that the attack was tuned over on attacker-validation, its budget's own among them; 0: not tuned."""

    half: Half | None = None
    """Of what it has half; such a job gives no objective, and its error the gain of the whole."""
    attacker: Literal["members"] | None = None
    """What its attacker holds where that is not what the study's own does; such a job gives no objective."""
    attacker_images: int | None = None
    """How many images its attacker holds where the study's own holds another number: the first of these, so that levels
    are nested. Such a job gives no objective."""

    @property
    def name(self) -> str:
        """The job's file name without its ending: ``decoder-quick-0``, with the part under the published protocol,
        ``decoder-quick-0-n1000`` at a level, and ``decoder-quick-0-half_images`` of one that has half the images.
        """
        name = f"{self.attack.replace(':', '.')}-{self.budget}-{self.seed}"
        part = "" if self.part == "validation" else f"-{self.part}"
        level = f"-{self.level}" if self.level else ""
        return f"{name}{part}{level}{f'-half_{self.half}' if self.half else ''}"

    @property
    def level(self) -> str | None:
        """What its attacker holds in place of what the study's own does: ``n1000``, ``members``; null if it is that."""
        number = None if self.attacker_images is None else f"n{self.attacker_images}"
        return "-".join(filter(None, (self.attacker, number))) or None

    @property
    def counts(self) -> bool:
        """Whether its scores may be an objective: all that a trial is compared by is of its study's own attacker."""
        return self.half is None and self.level is None

    def held_by(self, settings: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return a trial's settings with what the job's attacker holds in place of the study's own."""
        own = dict(settings)
        if self.attacker is not None:
            own |= {"attacker/data": self.attacker, "attacker/images": None}
        if self.attacker_images is not None:
            own |= {"attacker/data": own.get("attacker/data", "same"), "attacker/images": self.attacker_images}
        return own


class Shared(Value):
    """What all trials of a study share, and what is trained once for all of them is trained under."""

    settings: dict[str, Scalar]
    """The settings that are the same in all trials, by path; of one trial, all of its own."""
    study_seed: int
    """The study's seed, from which that of a prior derives."""
    threads: dict[str, int]
    """CPU threads by stage: ``train``, ``attack``."""
    precision: Precision
    """What autocast uses."""


class Asked(Value):
    """What a trial is: the same value gives the same measured numbers on the same machine, wherever its images lie."""

    version: Literal[2] = 2
    study: str
    ledger: str
    number: int
    settings: dict[str, Scalar]
    """Every setting by its path, constants included: ``model/cut``, ``defense/name``, ``defense/cem_paper/lam``."""
    attacks: Annotated[tuple[AttackJob, ...], Field(strict=False)]  # a list, once a validator has seen it
    seed: int
    """The trial's seed, from which every stage's seed derives."""
    confirm: int | None = None
    """Index of the seed, counted from 0, of a training that confirms the trial; null of the trial that was searched."""
    study_seed: int = 0
    """The study's seed, from which that of a prior derives: all its trials share it."""
    threads: dict[str, int]
    """CPU threads by stage: ``train``, ``attack``."""
    precision: Precision
    anchor: bool
    floor: FiniteFloat | None
    """Least accuracy of a feasible trial, in [0, 1]."""

    @model_validator(mode="before")
    @classmethod
    def _of_any_version(cls, given: Any) -> Any:
        """Read what earlier versions wrote."""
        return without_gone(given, cls.model_fields["version"].default) if isinstance(given, dict) else given

    def shared(self) -> Shared:
        """Return what the trial shares with the others of its study."""
        return Shared(
            settings=self.settings, study_seed=self.study_seed, threads=self.threads, precision=self.precision
        )
