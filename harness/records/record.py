"""What a trial was asked to do and what was measured: typed, versioned values that need nothing else to be read."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat

from attacks.base import Knowledge, Verdict

Scalar = bool | int | float | str | None
State = Literal["complete", "failed", "partial", "pruned"]
Precision = Literal["float32", "bfloat16"]
"""What autocast uses where a network is trained and attacked."""


class Value(BaseModel):
    """A frozen value that refuses unknown keys, wrong types and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class AttackJob(Value):
    """One attack on one trial."""

    attack: str
    budget: str
    seed: int
    """Index of the attacker's seed, counted from 0."""
    part: str
    """What is scored: ``validation`` under the strict protocol, ``train`` or ``infer`` under the published one."""
    kind: Literal["reconstruction", "probe"] = "reconstruction"
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


class Scores(Value):
    """Means over images of a reconstruction's scores."""

    mse: FiniteFloat
    """Mean squared error per pixel, images in [0, 1]."""
    psnr: FiniteFloat
    """Mean over images of the peak signal-to-noise ratio, dB."""
    ssim: FiniteFloat
    """Structural similarity, 11x11 Gaussian windows inside the image, in [-1, 1]."""


class Failure(Value):
    """An error that ended a stage."""

    stage: str
    type: str
    message: str
    traceback: str | None = None
    errno: int | None = None
    """The system's number of an operating system's error."""


class Circumstances(Value):
    """What a measurement cost and where it was made: everything that may differ when it is repeated."""

    started: str
    """UTC, ISO 8601."""
    seconds: FiniteFloat
    peak_memory_bytes: int
    device: str
    precision: str
    threads: int
    packages: dict[str, str]
    commit: str | None


class CurvePoint(Value):
    """One point of a learning curve; null where a number was not finite."""

    step: int
    name: str
    """``train``, ``validation``, ``accuracy``, ``loss`` or ``penalty``."""
    value: FiniteFloat | None


class Tuned(Value):
    """One setting that an attack was tuned over."""

    settings: dict[str, Scalar]
    selection: FiniteFloat | None
    """Mean squared error on attacker-validation, to be minimised; null if the attack failed or diverged under it."""
    error: str | None = None
    """Why it is null."""


class AttackMeasured(Value):
    """The numbers of an attack: equal, bit for bit, when the job is repeated on the same machine."""

    verdict: Verdict
    """By the attack's own curve and restarts; `harness.judging.verdicts` adds what the trial's others say."""
    settings: dict[str, Scalar]
    scores: Scores | None
    """On the scored part; null if the attack failed."""
    selection: Scores | None
    """On attacker-validation, which decides the worst attack."""
    images: int
    """Number of images scored."""
    digests: dict[str, str]
    """SHA-256 of the images by use (``fit``, ``selection``, ``scored``) and of the attacked ``client``.

    ``prior``: the name, without its ending, of the prior's files in the study's ``priors``, if the attack has one.
    """
    metrics: str
    """Digest of the metric protocol."""
    conversions: dict[str, FiniteFloat]
    """The same stored reconstructions under other people's definitions, by label."""
    curve: tuple[CurvePoint, ...]
    version: int = 1
    """Of the attack's algorithm and budgets."""
    knowledge: Knowledge = "queries"
    needs_server: bool | None = None
    """Whether it asks the server; null in records of before this was recorded."""
    subsets: dict[str, Scores] = {}
    """On the first so many images of attacker-validation, by their number: where attacks of different size compare."""
    variants: dict[str, Scores] = {}
    """On the scored part, of the attack's other reconstructions: ``for_ssim``; ``m=4`` from four releases an image."""
    extras: dict[str, FiniteFloat | None] = {}
    """Further metrics of the scored part by name (`attacks.metrics`); null with the reason in ``null_reasons``."""
    null_reasons: dict[str, str] = {}
    details: dict[str, FiniteFloat] = {}
    """What the attack says of its own fit; what is not finite is left out, with a word in ``null_reasons``."""
    tuning: tuple[Tuned, ...] = ()
    """Every setting it was tuned over, in order; the best one is in ``settings``."""
    probe: dict[str, FiniteFloat] | None = None
    """A probe's scores; null for a reconstruction, and for a probe that failed."""


class AttackRecord(Value):
    """``attacks/<attack>-<budget>-<seed>.json``."""

    version: Literal[1] = 1
    trial: int
    job: AttackJob
    attempt: int
    """The attempt whose arrays belong to it: ``attempt-<n>/<job name>.parquet`` and ``.npz``."""
    measured: AttackMeasured
    error: Failure | None
    circumstances: Circumstances


class Objectives(Value):
    """What the search is told: accuracy up; of the worst attack, mse up and ssim down."""

    accuracy: FiniteFloat
    mse: FiniteFloat
    ssim: FiniteFloat
    mse_attack: str
    """The job, or the guess without z, that is worst by mse on attacker-validation."""
    ssim_attack: str


class Guess(Value):
    """A guess that needs no z, or a yardstick beside the attacks."""

    scores: Scores
    selection: Scores
    subsets: dict[str, Scores] = {}
    """As of an attack: on the first so many images of attacker-validation."""


class Measured(Value):
    """The numbers of a trial: equal, bit for bit, when the trial is repeated on the same machine."""

    accuracy: FiniteFloat | None
    part: str
    """Part that accuracy and scores were measured on."""
    digests: dict[str, str]
    """SHA-256 of the images by part."""
    images: dict[str, int] = {}
    """Number of images by part."""
    floors: dict[str, Guess]
    """``mean_image``, ``class_mean``, ``mean_colour``, ``nearest``."""
    objectives: Objectives | None
    feasible: bool | None
    """Whether the accuracy reaches the study's floor; null without an accuracy."""
    curve: tuple[CurvePoint, ...]
    diagnostics: dict[str, FiniteFloat | None]
    """Diagnostics of the trained network; null with the reason in ``null_reasons``."""
    null_reasons: dict[str, str]


class Record(Value):
    """``record.json``: the trial is finished exactly when this is on storage."""

    version: Literal[1] = 1
    number: int
    state: State
    asked: Asked
    measured: Measured
    verdicts: dict[str, Verdict]
    """By attack job."""
    notes: tuple[str, ...]
    """What had to be redone or left out, and why."""
    error: Failure | None
    circumstances: Circumstances


class Trained(Value):
    """``train.json`` of an attempt: the training stage is done exactly when this is there and its files are whole."""

    version: Literal[1] = 1
    attempt: int
    files: dict[str, str]
    """SHA-256 of the attempt's weights by file name."""
    accuracy: FiniteFloat
    floors: dict[str, Guess]
    digests: dict[str, str]
    images: dict[str, int] = {}
    """Number of images by part."""
    curve: tuple[CurvePoint, ...]
    diagnostics: dict[str, FiniteFloat | None]
    null_reasons: dict[str, str]
    notes: tuple[str, ...]
    circumstances: Circumstances
