"""Two steps timed in turns, so that a noisy neighbour slows both."""

import statistics
import time
from collections.abc import Callable

import torch

Step = Callable[[], object]


def paired_ratio(first: Step, second: Step, *, pairs: int, device: torch.device) -> float:
    """Return the median over pairs of the first's seconds over the second's, the two taking turns to begin."""
    for _ in range(2):
        first()
        second()
    ratios = []
    for pair in range(pairs):
        order = (first, second) if pair % 2 else (second, first)
        seconds = {step: _seconds(step, device) for step in order}
        ratios.append(seconds[first] / seconds[second])
    return statistics.median(ratios)


def _seconds(step: Step, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
