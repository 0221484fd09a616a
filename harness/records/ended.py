"""What ended a study before its trials were spent: ``ended.json`` in its directory, gone once it goes on."""

from harness.records.value import Value

FAILURES = "search/limits/failures"
"""The limit that ends a study for what has to be mended."""


class Ended(Value):
    """Why no further trial is handed out."""

    version: int = 1
    limit: str
    """Its path in the study file, ``search/limits/hours``."""
    text: str
    """A line for people: the limit, what was reached, and how to go on."""

    @property
    def well(self) -> bool:
        """Whether the study has ended as it was to end; else as an interrupt ends it."""
        return self.limit != FAILURES
