"""Jobs that sleep in place of training and attacking, in workers without torch; all else of a trial happens."""

import os
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import ray

from harness.cluster import scheduling, tasks
from harness.records import AttackJob
from harness.stages import Site, Stage
from tests.recorded import attack_of, trained_of

SECONDS = (5.0, 15.0)
"""Least and most that a job sleeps."""

SPANS = "INVFRONT_TEST_SPANS"
"""Variable of the environment that names the folder with a file for each job that has ended."""


class Span(NamedTuple):
    """When a job ran, seconds since 1970."""

    begun: float
    ended: float


def spans(folder: Path) -> list[Span]:
    """Return when each job ran that has ended."""
    return [Span(*map(float, file.read_text().split())) for file in folder.iterdir()]


def slept(stage: Stage, job: tuple[Any, ...], accelerator: bool) -> Iterator[Any]:
    """What a worker runs in place of a job: says the same, and gives a recorded value after a sleep."""
    begun = time.time()
    yield tasks.On(ray.get_runtime_context().get_node_id())
    yield Site(socket.gethostname(), "cpu")
    asked, name = job[0].asked, job[-1].name if isinstance(job[-1], AttackJob) else "train"
    time.sleep(random.Random(f"{asked.number} {name}").uniform(*SECONDS))
    value = attack_of(asked, job[-1]) if isinstance(job[-1], AttackJob) else trained_of(asked)
    (Path(os.environ[SPANS]) / f"{asked.number}-{name}").write_text(f"{begun} {time.time()}")
    yield (value,)


def slept_trial(config: dict[str, Any], place: Any, claims: Any) -> None:
    """What Tune runs in place of a trial: the very same, but for what its jobs do."""
    tasks._run = ray.remote(slept)
    scheduling._trial(config, place, claims)
