"""The numbers of a reconstruction, of a guess, and of a trial's worst case."""

from pydantic import FiniteFloat

from harness.records.value import Scalar, Value


class Scores(Value):
    """Means over images of a reconstruction's scores."""

    mse: FiniteFloat
    """Mean squared error per pixel, images in [0, 1]."""
    psnr: FiniteFloat
    """Mean over images of the peak signal-to-noise ratio, dB."""
    ssim: FiniteFloat
    """Structural similarity, 11x11 Gaussian windows inside the image, in [-1, 1]."""


class Guess(Value):
    """A guess that needs no z, or a yardstick beside the attacks."""

    scores: Scores
    selection: Scores
    subsets: dict[str, Scores] = {}
    """As of an attack: on the first so many images of attacker-validation."""


class Objectives(Value):
    """What the search is told: accuracy up; of the worst attack, mse up and ssim down."""

    accuracy: FiniteFloat
    mse: FiniteFloat
    ssim: FiniteFloat
    mse_attack: str
    """The job, or the guess without z, that is worst by mse."""
    ssim_attack: str
    mse_base: str | None = None
    """The job on all scored images, to whose mean the paired difference of ``mse_attack``, which has fewer, was added;
    null if none was.
    """
    ssim_base: str | None = None


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
