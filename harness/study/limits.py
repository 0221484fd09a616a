"""What ends a study before its trials are spent: ``search/limits``, no part of what a study is."""

from typing import Annotated

from pydantic import Field

from harness.records import Value

Positive = Annotated[float, Field(gt=0, le=1_000_000)]
Share = Annotated[float, Field(gt=0, le=1)]


class Gain(Value):
    """When a search has stopped finding anything."""

    trials: Annotated[int, Field(ge=1, le=1_000_000)]
    """The last so many finished trials."""
    gain: Annotated[float, Field(gt=0, lt=1)]
    """Least share of the hypervolume that they must have added, in (0, 1)."""


class Limits(Value):
    """Null for no limit. At the first three a study ends well; failures end it as an interrupt does."""

    hours: Positive | None = None
    """In which its trials ran, pauses between sessions apart."""
    gpu_hours: Positive | None = None
    """GPUs that its trials reserved, times hours."""
    hypervolume: Gain | None = None
    failures: Share | None = 0.5
    """Of the last 20 trials that finished since the study was last started, failed or partial."""
