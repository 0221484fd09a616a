"""What was seen of a study's images when it was last started: ``images.json`` in its directory."""

from pydantic import FiniteFloat

from harness.records.value import Value


class ImagesSeen(Value):
    """What there is to say of a study's images; no part of what the study is."""

    version: int = 1
    told: tuple[str, ...]
    """Lines for who starts the study: what was left out, and the marks."""
    marks: tuple[str, ...]
    """Lines for who reads its page: what the data set lacks, which scored images are also fitted on."""
    spectrum: tuple[FiniteFloat, ...] = ()
    """Eigenvalues of the pixels' covariance (`harness.data.spectrum`); none in files of before it was looked at."""
    classes: int = 0
    pixels: int = 0
    """Numbers that an image has; 0 likewise."""
