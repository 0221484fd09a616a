"""One job on each of some nodes that have GPUs: what those are good for, and which of them is broken."""

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.cluster.gpus import Node, kinds_of
from harness.cluster.requests import held_by
from harness.cluster.submitting import NEVER, POLL_SECONDS
from harness.cluster.tasks import LOST, Claim
from harness.records import Failure, Tell, one_line
from harness.stages import RUN, Outcome, Stage, Stopwatch, drain, failure_of
from harness.study import Resources

MOST_NODES = 4

OTHERS_SECONDS = 60.0
"""Longest wait for further nodes once one has answered well: their GPUs may be taken, by whomever."""


def chosen(nodes: Iterable[Node], resources: Resources, most: int = MOST_NODES) -> list[Node]:
    """Return some of the nodes that hold a trial, of as many kinds of accelerators as there are.

    Args:
        nodes: Those that have GPUs.
        resources: What trials ask for.
        most: How many, >= 1.
    """
    by_kind: dict[frozenset[str], list[Node]] = {}
    for node in nodes:
        if held_by(resources, [node.resources]):
            by_kind.setdefault(kinds_of(node.resources), []).append(node)
    turns = zip_longest(*by_kind.values())
    return [node for turn in turns for node in turn if node is not None][:most]


class Survey:
    """A ``Submit`` that runs one job on each of some nodes, and yields how it ended there; of nodes that do not answer
    while another does, nothing.

    Args:
        nodes: The nodes.
        claims: What jobs take of a GPU, by their kind.
        timeout_seconds: In which one must answer; null for no limit.
    """

    def __init__(self, nodes: Sequence[Node], claims: Mapping[str, Claim], timeout_seconds: float | None) -> None:
        self._nodes, self._claims = nodes, claims
        self._timeout = NEVER if timeout_seconds is None else timeout_seconds

    def __call__(
        self, stage: Stage, jobs: Sequence[tuple[Any, ...]], kind: str, tell: Tell
    ) -> Generator[Outcome, None, None]:
        """Run the one job that there is; outcomes are numbered by their nodes, and failures name them."""
        (job,), gpu, watch = jobs, self._claims[kind].gpu, Stopwatch()
        watch.start()
        asked = {_start(node, stage, job, gpu): number for number, node in enumerate(self._nodes)}
        end, well = time.monotonic() + self._timeout, False
        try:
            while asked and (left := end - time.monotonic()) > 0:
                ready, _ = ray.wait(list(asked), timeout=min(POLL_SECONDS, left))
                for answer in ready:
                    number = asked.pop(answer)
                    value, failure = _said(answer, kind)
                    if failure is None and not well:
                        end, well = min(end, time.monotonic() + OTHERS_SECONDS), True
                    yield Outcome(number, value, self._named(number, failure), watch.read())
            late = Failure(stage=kind, type="Timeout", message=f"no answer in {self._timeout:g} s (resources/timeout)")
            for number in [] if well else asked.values():
                yield Outcome(number, None, self._named(number, late), watch.read())
        finally:
            for answer in asked:
                ray.cancel(answer, force=True)

    def _named(self, number: int, failure: Failure | None) -> Failure | None:
        """Return a failure with its node."""
        if failure is None:
            return None
        return failure.model_copy(update={"message": f"node {self._nodes[number].host}: {failure.message}"})


def _start(node: Node, stage: Stage, job: tuple[Any, ...], gpu: float) -> Any:
    strategy = NodeAffinitySchedulingStrategy(node.id, soft=False)
    return _answer.options(num_cpus=0, num_gpus=gpu, max_retries=0, scheduling_strategy=strategy).remote(stage, job)


def _ask(stage: Stage, job: tuple[Any, ...]) -> tuple[Any, Failure | None]:
    """Return what a job returns, or its failure."""
    try:
        return drain(RUN.load()(stage, job, True), lambda said: None), None
    except Exception as error:  # a job's failure is its outcome
        return None, failure_of(error, "")


_answer: Any = ray.remote(max_calls=1)(_ask)
"""Its process ends with it, so the GPU's memory is free."""


def _said(answer: Any, kind: str) -> tuple[Any, Failure | None]:
    """Return a job's value, or its failure; also of one whose node was lost."""
    try:
        value, failure = ray.get(answer)
    except RayError as error:
        return None, Failure(stage=kind, type=LOST, message=one_line(error)[:200])
    return value, failure and failure.model_copy(update={"stage": kind})
