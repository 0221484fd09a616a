"""A running study as plain lines, one for each event that matters."""

import contextlib
import time
from pathlib import Path
from typing import TextIO

from harness.display.story import Story
from harness.display.words import IMAGES, duration, failure, preparation, scores
from harness.judging import JudgedTrial, Standing, settings_line
from harness.ledger import address
from harness.records import Asked, Progress
from harness.search import CAVEATS, Reconciled
from harness.study import Study

EVERY_SECONDS = 5.0
"""Least time between two lines on how many images are decoded; what takes less has no line."""


class Lines:
    """A watcher that prints; a reader that has gone does not stop the study."""

    def __init__(self, output: TextIO, story: Story) -> None:
        self._output, self._story = output, story
        self._prepared = time.monotonic()

    def opened(self, study: Study, root: Path, found: Reconciled, standing: Standing) -> None:
        """Say what is about to run, and what was there."""
        self._story.opened(study, root, standing)
        self._print(f"study {study.name} in {address(root)}: {study.search.trials} trials; {earlier(found)}")
        if caveat := CAVEATS.get(study.search.sampler):
            self._print(f"sampler {study.search.sampler} {caveat}")

    def preparing(self, progress: Progress) -> None:
        """Say what is made before the first trial."""
        now = time.monotonic()
        if progress.done < progress.total and (progress.job != IMAGES or now - self._prepared > EVERY_SECONDS):
            self._prepared = now
            self._print(preparation(progress))

    def noted(self, line: str) -> None:
        """Say it."""
        self._print(line)

    def started(self, asked: Asked) -> None:
        """Say what a trial was asked."""
        self._story.started(asked)
        self._print(f"trial {asked.number} started: {settings_line(asked)}")

    def progress(self, number: int, progress: Progress) -> None:
        """Epochs are no lines."""

    def finished(self, trial: JudgedTrial, standing: Standing) -> None:
        """Say how a trial ended."""
        seconds, error = self._story.ended(trial, standing), trial.record and trial.record.error
        parts = [trial.state, scores(trial), failure(error) if error else "", duration(seconds)]
        done = f"{standing.finished}/{self._story.budget} done, time left {duration(self._story.left())}"
        self._print(f"trial {trial.number} finished: {', '.join(filter(None, parts))}; {done}")

    def _print(self, line: str) -> None:
        with contextlib.suppress(OSError):  # its reader has gone, or its terminal was closed
            print(line, file=self._output, flush=True)


def earlier(found: Reconciled) -> str:
    """Return what a resume found."""
    counts = {"finished": found.finished, "handed out again": found.again, "drawn but not started": found.unstarted}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing done yet"
