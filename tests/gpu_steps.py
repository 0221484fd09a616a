"""Training steps, timed: in two precisions side by side, and in processes that share a GPU. For `make gpu`."""

import multiprocessing
import queue
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from attacks.precision import autocast, bfloat16_is_faster
from harness.models import Network, Pictures, build_model
from harness.stages.device import pick_device
from harness.stages.ground import settle

STEPS = 60
"""Steps that are timed on a GPU."""

CLEARLY = 0.3
"""What two precisions must differ by, as a share, for a choice between them to be called wrong."""

WAIT_SECONDS = 60.0
"""Longest wait for a process that shares the GPU: until all have begun, and until it has answered."""


class Row(NamedTuple):
    """Something that was seen."""

    what: str
    seen: str
    broken: bool = False


def steps(device: torch.device, small: bool) -> Iterator[Row]:
    """Yield how long a training step takes in each precision, and what the stages take for faster.

    Args:
        device: Where.
        small: Whether a small network and few steps will do.
    """
    step = {name: stepper(device, name, small) for name in ("float32", "bfloat16")}
    for warm in (*step.values(), *step.values()):
        warm()
    taken = {name: timed(device, step[name], 5 if small else STEPS) for name in step}
    for name, seconds in taken.items():
        yield Row(f"step in {name}", f"{1000 * seconds:.2f} ms")
    times, chosen = taken["float32"] / taken["bfloat16"], bfloat16_is_faster(device)
    doubt = "" if (times > 1) == chosen or abs(times - 1) < CLEARLY else ", which is not what was measured"
    yield Row("bfloat16", f"{times:.2f} times as fast; trials here would use it: {'yes' if chosen else 'no'}{doubt}")


def stepper(device: torch.device, precision: str, small: bool) -> Callable[[], None]:
    """Return a function that takes one training step of the default network."""
    settle(1, 0)
    network = Network(name="vgg11_bn_sgm", head="linear", width=0.125 if small else 1.0)
    client, server = build_model(network, Pictures(num_classes=10, mean=(0.5,) * 3, std=(0.25,) * 3))
    model = torch.nn.Sequential(client, server).to(device, memory_format=torch.channels_last).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    size = 32 if small else 128
    x = torch.rand(size, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.arange(size, device=device) % 10
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with autocast(device, dtype):
            logits = model(x)
        F.cross_entropy(logits.float(), y).backward()
        optimiser.step()

    return step


def timed(device: torch.device, step: Callable[[], None], count: int) -> float:
    """Return the seconds that one of so many steps takes."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begun = time.perf_counter()
    for _ in range(count):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - begun) / count


def together(alone: list[float | str], both: list[float | str]) -> Iterator[Row]:
    """Yield how long steps take in a process of their own, and in two at a time on one GPU.

    Args:
        alone: Of one process, the seconds of a step or its error.
        both: Of each of two.
    """
    yield Row("a job alone on the GPU", ", ".join(map(_shown, alone)), broken=any(map(_failed, alone)))
    share = ""
    if not any(map(_failed, (*alone, *both))):
        mean = sum(float(seconds) for seconds in both) / len(both)
        share = f"; {len(both) * float(alone[0]) / mean:.2f} times the steps of one"
    yield Row("two jobs on one GPU", ", ".join(map(_shown, both)) + share, broken=any(map(_failed, both)))


def _failed(answer: float | str) -> bool:
    return isinstance(answer, str)


def _shown(answer: float | str) -> str:
    return answer if isinstance(answer, str) else f"{1000 * answer:.2f} ms a step"


def side_by_side(count: int, small: bool = False) -> list[float | str]:
    """Return the seconds of a step in each of some processes that begin together, or why there are none."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(count), context.Queue()
    running = [context.Process(target=job, args=(barrier, answers, small), daemon=True) for _ in range(count)]
    for process in running:
        process.start()
    found: list[float | str] = []
    try:
        found.extend(answers.get(timeout=2 * WAIT_SECONDS) for _ in running)
    except queue.Empty:
        found += [f"no answer in {2 * WAIT_SECONDS:.0f} s"] * (count - len(found))
    for process in running:
        process.join(timeout=10)
        process.kill()
    return found


def job(barrier: Any, answers: Any, small: bool) -> None:
    """Time steps once all others are ready to, and answer with their seconds or an error."""
    try:
        device = pick_device()
        step = stepper(device, "float32", small)
        step()
        barrier.wait(timeout=WAIT_SECONDS)
        answers.put(timed(device, step, 5 if small else 2 * STEPS))
    except Exception as error:  # whoever reads the table wants to know
        barrier.abort()
        answers.put(f"{type(error).__name__}: {error}".splitlines()[0])
