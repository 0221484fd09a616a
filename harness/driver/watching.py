"""Who hears of a running study."""

from pathlib import Path
from typing import Protocol

from harness.judging import JudgedTrial, Standing
from harness.records import Asked, Progress
from harness.search import Reconciled
from harness.study import Study


class Watcher(Protocol):
    """Hears of a running study, in the driver's process."""

    def opened(self, study: Study, root: Path, found: Reconciled, standing: Standing) -> None:
        """The study is about to start or to go on."""

    def preparing(self, progress: Progress) -> None:
        """A job came further that runs before the first trial."""

    def noted(self, line: str) -> None:
        """There is something to know of the study's images."""

    def started(self, asked: Asked) -> None:
        """A trial was handed out."""

    def progress(self, number: int, progress: Progress) -> None:
        """A job of a trial came further."""

    def finished(self, trial: JudgedTrial, standing: Standing) -> None:
        """A trial's record is on storage."""
