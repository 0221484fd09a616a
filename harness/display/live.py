"""A running study as a live picture on a terminal."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.display.lines import earlier
from harness.display.story import TRAINING, Running, Story
from harness.display.words import duration, failure, preparation
from harness.judging import JudgedTrial, Standing, settings_line
from harness.records import Asked, Progress
from harness.search import CAVEATS, Reconciled
from harness.study import Study

MOST_RUNNING = 8
"""Rows shown of the trials that run."""

COLOURS = {"complete": "green", "partial": "yellow", "failed": "red", "pruned": "dim"}


class Picture:
    """A watcher that draws; its last picture stays on the terminal."""

    def __init__(self, console: Console, story: Story) -> None:
        self._story, self._note = story, "starting"
        self._lock = threading.Lock()
        self._live = Live(console=console, get_renderable=self.draw, refresh_per_second=4)

    def __enter__(self) -> "Picture":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # the terminal was closed
            self._live.stop()

    def opened(self, study: Study, root: Path, found: Reconciled, standing: Standing) -> None:
        """Show the budget, and what was there."""
        with self._lock:
            self._story.opened(study, root, standing)
            self._note = earlier(found)
        if caveat := CAVEATS.get(study.search.sampler):
            self._live.console.print(f"sampler {study.search.sampler} {caveat}", highlight=False)

    def preparing(self, progress: Progress) -> None:
        """Show what is made before the first trial."""
        with self._lock:
            self._note = preparation(progress) if progress.done < progress.total else "starting"

    def noted(self, line: str) -> None:
        """Print it above the picture."""
        self._live.console.print(line, highlight=False, markup=False)

    def started(self, asked: Asked) -> None:
        """Show a trial as running."""
        with self._lock:
            self._story.started(asked)

    def progress(self, number: int, progress: Progress) -> None:
        """Show how far a trial is."""
        with self._lock:
            self._story.progress(number, progress)

    def finished(self, trial: JudgedTrial, standing: Standing) -> None:
        """Show a trial as finished."""
        with self._lock:
            self._story.ended(trial, standing)

    def draw(self) -> RenderableType:
        """Return the picture of this moment."""
        with self._lock:
            return Group(*_parts(self._story, self._note))


def _parts(story: Story, note: str) -> Iterator[RenderableType]:
    yield _head(story)
    if not story.standing.finished and not story.running:
        yield Text(note, style="dim")
    if story.running:
        yield _running(story)
    if story.standing.finished:
        yield _finished(list(story.latest))
        yield _best(story.standing)


def _head(story: Story) -> RenderableType:
    left = story.left()
    ahead = "" if left == 0 else f", time left {'unknown' if left is None else f'about {duration(left)}'}"
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, max_width=24, overflow="ellipsis", style="bold")
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", style="dim")
    grid.add_row(
        story.name or "invfront",
        ProgressBar(total=max(story.budget, 1), completed=story.standing.finished, width=20),
        f"{story.standing.finished}/{story.budget}",
        f"{duration(story.elapsed())} elapsed" + ahead,
    )
    return grid


def _running(story: Story) -> RenderableType:
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(min_width=3, justify="right", no_wrap=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(min_width=38, no_wrap=True, overflow="ellipsis")
    grid.add_column(min_width=5, justify="right", no_wrap=True)
    for number, running in list(story.running.items())[:MOST_RUNNING]:
        grid.add_row(str(number), settings_line(running.asked), _stage(running), duration(story.elapsed(running)))
    if len(story.running) > MOST_RUNNING:
        grid.add_row("", f"and {len(story.running) - MOST_RUNNING} more", "", "")
    return grid


def _stage(running: Running) -> RenderableType:
    """Return the epoch or an attack's step as a small bar, with what is known beside it."""
    if not running.jobs:
        return Text("trained, attacks start" if running.trained else "starting", style="cyan")
    progress = next(iter(running.jobs.values()))
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_row(ProgressBar(total=progress.total, completed=progress.done, width=6), _word(progress, running))
    return grid


def _word(progress: Progress, running: Running) -> str:
    if progress.job == TRAINING:
        accuracy = "" if progress.accuracy is None else f" accuracy {progress.accuracy:.2f}"
        return f"epoch {progress.done}/{progress.total}{accuracy}"
    others = f" +{len(running.jobs) - 1}" if len(running.jobs) > 1 else ""
    step = f" step {progress.done}/{progress.total}" if progress.done else ""
    return f"{progress.job}{step}{others}"


def _finished(last: list[JudgedTrial]) -> RenderableType:
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(min_width=3, justify="right", no_wrap=True)
    grid.add_column(min_width=8, no_wrap=True)
    grid.add_column(min_width=34, max_width=34, no_wrap=True, overflow="ellipsis")
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for trial in last:
        if trial.record is None:
            continue
        state = trial.record.state
        grid.add_row(str(trial.number), Text(state, style=COLOURS[state]), _outcome(trial), settings_line(trial.asked))
    return grid


def _outcome(trial: JudgedTrial) -> str:
    found, record = trial.objectives, trial.record
    if found is not None:
        return f"acc {found.accuracy:.3f} mse {found.mse:.4f} ssim {found.ssim:.3f}"
    return failure(record.error) if record and record.error else ""


def _best(standing: Standing) -> RenderableType:
    known = {member.number: member.objectives for member in standing.front if member.objectives}
    parts = [Text(f"front {len(standing.front)}")]
    if standing.failures:
        parts.append(Text(f"{standing.failures} failed or partial", style="red"))
    if known:
        accurate = max(known, key=lambda number: known[number].accuracy)
        private = min(known, key=lambda number: known[number].ssim)
        parts.append(Text(f"accuracy up to {known[accurate].accuracy:.3f} ({accurate})"))
        parts.append(Text(f"ssim down to {known[private].ssim:.3f} ({private})"))
    text = Text(" · ", style="bold", no_wrap=True, overflow="ellipsis").join(parts)
    return text
