"""A job where it runs: it says where that is, then does its stage's work."""

import socket
from collections.abc import Generator
from typing import Any

from harness.records import Progress
from harness.stages.assignment import attempt_of
from harness.stages.device import device_name, pick_device, reserved
from harness.stages.heap import give_back
from harness.stages.jobs import Stage
from harness.stages.spent import Site
from harness.stages.transfer import put


def run(stage: Stage, job: tuple[Any, ...], accelerator: bool | None = None) -> Generator[Site | Progress, None, Any]:
    """Yield where this process runs, then a stage's progress; return its value, what it wrote being on storage.

    Args:
        stage: What the job does.
        job: What it is given.
        accelerator: Whether an accelerator is reserved for it; null where nothing is reserved.
    """
    with reserved(accelerator):
        yield Site(socket.gethostname(), device_name(pick_device()))
        try:
            value = yield from stage.load()(*job)
        finally:
            give_back()
    attempt = attempt_of(job)
    if attempt is not None:
        put(attempt)
    return value
