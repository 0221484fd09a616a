"""One job on Ray, a child task of whoever hands it out: what it takes, what it says, and how it ends."""

import contextlib
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import ray
from ray.exceptions import GetTimeoutError, OutOfMemoryError, RayError, RayTaskError, TaskCancelledError

from harness.cluster.sight import refuse_unseen
from harness.ledger import LOG, logged, send
from harness.records import Failure, Progress, Tell
from harness.stages import RUN, Site, Stage, Stopwatch, attempt_of, failure_of, here

LOST, KILLED = "WorkerLost", "OutOfMemoryError"
"""Types of failures: a job's worker or node was lost; Ray's memory monitor ended it, whoever took the memory. Torch has
an error of the same name, which says of which device."""

FETCH_SECONDS = 60.0
"""Longest time for bringing what a job said to its trial."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What one job of a kind takes of the cluster."""

    cpu: float
    gpu: float
    memory: float = 0.0
    """Bytes that it asks for."""
    others: Mapping[str, float] = field(default_factory=dict)
    """Further resources, by Ray's names."""


class On(NamedTuple):
    """Where a job runs."""

    node: str
    """The cluster's name of it."""


class Lost(NamedTuple):
    """How a job came to no end of its own."""

    type: str
    why: str


VANISHED = Lost(LOST, "its worker or node was lost")


def not_on(nodes: Iterable[str]) -> dict[str, str]:
    """Return how Ray is told to choose none of some nodes."""
    return {"ray.io/node-id": f"!in({','.join(sorted(nodes))})"}


def hand_out(stage: Stage, job: tuple[Any, ...], claim: Claim, avoided: frozenset[str]) -> Any:
    """Hand a job out, to none of some nodes."""
    options: dict[str, Any] = {"num_cpus": claim.cpu, "num_gpus": claim.gpu, "max_retries": 0}
    options |= {"memory": claim.memory} if claim.memory else {}
    options |= {"resources": dict(claim.others)} if claim.others else {}
    options |= {"label_selector": not_on(avoided)} if avoided else {}
    return (_run_once if claim.gpu else _run).options(**options).remote(stage, job, claim.gpu > 0)


def _job(
    stage: Stage, job: tuple[Any, ...], accelerator: bool
) -> Generator[On | Site | Progress | tuple[Any] | Failure, None, None]:
    """Yield where it runs, a stage's progress, and last its value, wrapped, or its failure; log what it prints."""
    yield On(ray.get_runtime_context().get_node_id())
    end: tuple[Any] | Failure
    try:
        job = here(job)
    except Exception as error:  # a store that is not reached from this node
        yield failure_of(error, "")
        return
    attempt = attempt_of(job)
    with logged(attempt / LOG) if attempt else contextlib.nullcontext():
        try:
            if attempt is not None:
                refuse_unseen(attempt)
            end = ((yield from RUN.load()(stage, job, accelerator)),)
        except Exception as error:  # a job's failure is its outcome
            end = failure_of(error, "", attempt)
    if attempt is not None:
        with contextlib.suppress(OSError):
            send(attempt / LOG)
    yield end


_run: Any = ray.remote(_job)
_run_once: Any = ray.remote(max_calls=1)(_job)
"""For jobs on a GPU: their process ends with them, so the memory is free."""


def said(job: Any, watch: Stopwatch, tell: Tell, kind: str) -> Any:
    """Take what a job said next: where it runs, None for a sign of life, else its wrapped value, its failure, or how it
    was lost.
    """
    try:
        word = ray.get(next(job), timeout=FETCH_SECONDS)
    except StopIteration:
        return VANISHED
    except GetTimeoutError:  # its node does not answer: end it before it is handed out again
        ray.cancel(job, force=True)
        return VANISHED
    except OutOfMemoryError:
        return Lost(KILLED, "Ray ended it, since its node had no memory left,")
    except (RayTaskError, TaskCancelledError) as error:
        return failure_of(error, kind)
    except RayError:
        return VANISHED
    if isinstance(word, Site):
        watch.start(word)
        return None
    if isinstance(word, Progress):
        tell(word)
        return None
    return word
