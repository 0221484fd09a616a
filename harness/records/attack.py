"""What one attack on a trial measured."""

from typing import Literal

from pydantic import FiniteFloat

from harness.records.asked import AttackJob
from harness.records.circumstances import Circumstances, Failure
from harness.records.gains import Gains
from harness.records.scores import CurvePoint, Scores, Tuned
from harness.records.value import Scalar, Value
from harness.records.words import Knowledge, Verdict


class AttackMeasured(Value):
    """The numbers of an attack: equal, bit for bit, when the job is repeated on the same machine."""

    verdict: Verdict
    """By the attack's own evidence; `harness.judging.verdicts` adds what the trial's others and the control say."""
    settings: dict[str, Scalar]
    scores: Scores | None
    """On the scored part, over images and ``releases``; null if the attack failed."""
    selection: Scores | None
    """On attacker-validation, which decides the worst attack."""
    images: int
    """Number of images scored."""
    releases: int = 1
    """Independent releases of each of them, each reconstructed by itself, over which the scores are averaged."""
    digests: dict[str, str]
    """SHA-256 of the images by use (``fit``, ``selection``, ``scored``) and of the attacked ``client``.

    ``prior``: the name, without its ending, of the prior's files in the study's ``priors``, if the attack has one.
    """
    attacker_images: int | None = None
    """Number of images that it was fitted on; null of one that failed, of a probe, and in records of before this was
    recorded, which the digest ``fit`` tells apart all the same."""
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
    scored_subsets: dict[str, Scores] = {}
    """Likewise on the first so many scored images, of the first release alone, which every attack sees: where one with
    fewer images challenges one that has all."""
    errors: dict[str, FiniteFloat] = {}
    """Standard errors of ``scores`` over images and their releases, clustered by image, by ``mse`` and ``ssim``; they
    say nothing of the spread over seeds."""
    release_errors: dict[str, FiniteFloat] = {}
    """Likewise over releases alone, the images given; empty for a single release."""
    variants: dict[str, Scores] = {}
    """On the scored part, of the attack's other reconstructions: ``for_ssim``; ``m=4`` from four releases an image."""
    extras: dict[str, FiniteFloat | None] = {}
    """Further metrics of the scored part by name (`attacks.metrics`); null with the reason in ``null_reasons``."""
    null_reasons: dict[str, str] = {}
    gains: Gains | None = None
    """What its verdict rests on; null of a probe, of an attack that failed, and in records of 0.1."""
    selection_mse: tuple[FiniteFloat, ...] = ()
    """Errors of the first images of attacker-validation one by one, so that two attacks can be compared in pairs."""
    details: dict[str, FiniteFloat] = {}
    """What the attack says of its own fit; what is not finite is left out, with a word in ``null_reasons``."""
    tuning: tuple[Tuned, ...] = ()
    """Every setting it was tuned over, in order; the best one is in ``settings``."""
    probe: dict[str, FiniteFloat | None] | None = None
    """A probe's scores, one of them null with its reason in ``null_reasons``; null for a reconstruction, and for a
    probe that failed."""


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
