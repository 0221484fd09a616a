"""What a GPU does to a trial, in under six minutes, without Ray and without a network: `make gpu`.

A trial and three attacks run in this process, twice; steps in float32 and bfloat16 stand side by side; what memory each
job leaves behind is read, and two jobs share the GPU. Without a GPU the same is done on the CPU with a small network,
as far as it makes sense there. Everything that was seen is printed as one table; the exit code is 1 where a promise of
the README is broken: numbers of a CPU that differ from run to run, or memory of a GPU that is not given back.
"""

import gc
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from attacks.precision import autocast, bfloat16_is_faster
from harness.models import Network, Pictures, build_model
from harness.records import Asked, AttackJob, Place, Precision, Tell
from harness.stages import Outcome, Stage, call
from harness.stages.device import device_name, pick_device
from harness.stages.ground import settle
from harness.trial import Result, run_trial
from tests.holding import SLIGHT
from tests.values import asked

CIFAR = Path(os.environ.get("CIFAR10", "data/cifar10"))
"""Where CIFAR-10 lies, if it does."""

MIB = 2**20
LEFT_BYTES = 64 * MIB
"""Most that a job may leave allocated on a GPU: what libraries keep for themselves."""

CLEARLY = 0.3
"""What two precisions must differ by, as a share, for a choice between them to be called wrong."""

STEPS = 60
"""Training steps that are timed."""


class Row(NamedTuple):
    """Something that was seen."""

    what: str
    seen: str
    broken: bool = False


class Ran(NamedTuple):
    """One run of a trial."""

    result: Result
    jobs: list[Row]
    seconds: float


def main() -> int:
    """Look, print the table, and return 1 where a promise is broken."""
    gpu = torch.cuda.is_available()
    device = pick_device()
    rows = [Row("device", f"{device_name(device)}, torch {torch.__version__}")]
    if not gpu:
        print("there is no GPU here that torch can use: this is the CPU part alone", flush=True)
    for row in seen(device):
        rows.append(row)
        print(f"  {row.what}: {row.seen}", file=sys.stderr, flush=True)
    width = max(len(row.what) for row in rows)
    for row in rows:
        print(f"{row.what:{width}}  {row.seen}{'  BROKEN' if row.broken else ''}")
    return int(any(row.broken for row in rows))


def seen(device: torch.device) -> Iterator[Row]:
    """Yield what is seen on a device."""
    gpu = device.type == "cuda"
    trial, place = the_trial(gpu)
    yield Row("images", f"{trial.settings['data/name']}, {trial.settings['train/images'] or 'all'} of them")
    with tempfile.TemporaryDirectory(prefix="invfront-gpu-") as folder:
        first, second = (ran(trial, Path(folder) / str(number) / "trials" / "00000", place) for number in range(2))
    for run in (first, second):
        record = run.result.record
        error = f", {record.error.type}: {record.error.message}" if record.error else ""
        told = f"{record.state}, accuracy {record.measured.accuracy}, {run.seconds:.1f} s{error}"
        yield Row("trial and three attacks", told, broken=record.state != "complete")
    yield from first.jobs
    yield from compared(first.result, second.result, exact=not gpu)
    yield from steps(device, small=not gpu)
    if gpu:
        yield from together()
    else:
        yield Row("two jobs on one GPU", "not looked at: no GPU")


def the_trial(gpu: bool) -> tuple[Asked, Place]:
    """Return what is run: on a GPU the default network on CIFAR-10 if it is there, else a small one on digits."""
    if not gpu:
        settings = SLIGHT | {"train/epochs": 2}
        small = (("tests.adversaries:Guess", "quick"), ("tests.small_ledger:SmallDecoder", "tiny"))
        attacks = (("linear", "quick"), *small)
        return asked(settings=settings, attacks=jobs(attacks)), Place()
    attacks = (("linear", "quick"), ("decoder", "quick"), ("rmle", "quick"))
    common = {"model/width": 0.5, "train/batch_size": 128}
    if CIFAR.is_dir():
        settings = common | {"data/name": "cifar10", "train/epochs": 4, "train/images": 10_000}
        return asked(settings=settings, attacks=jobs(attacks)), Place(data_root=str(CIFAR.resolve()))
    settings = common | {"train/epochs": 8, "train/images": None, "train/batch_size": 64}
    return asked(settings=settings, attacks=jobs(attacks)), Place()


def jobs(attacks: Sequence[tuple[str, str]]) -> tuple[AttackJob, ...]:
    """Return attack jobs on the validation part."""
    return tuple(AttackJob(attack=name, budget=budget, seed=0, part="validation") for name, budget in attacks)


def ran(trial: Asked, folder: Path, place: Place) -> Ran:
    """Run a trial in this process; look at the memory after each job."""
    told: list[Row] = []
    folder.mkdir(parents=True)
    begun = time.perf_counter()
    result = run_trial(trial, folder, place, looking(told))
    return Ran(result, told, time.perf_counter() - begun)


def looking(told: list[Row]) -> Callable[..., Generator[Outcome, None, None]]:
    """Return what runs jobs one after another, and notes what memory each took and left."""

    def submit(stage: Stage, given: Sequence[tuple[Any, ...]], kind: str, tell: Tell) -> Generator[Outcome, None, None]:
        for number, job in enumerate(given):
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
            (outcome,) = call(stage, [job], kind, tell)
            name = job[-1].name if kind == "attack" else kind
            told.append(memory(name))
            yield outcome._replace(number=number)

    return submit


def memory(job: str) -> Row:
    """Return what a job that has ended took, and left behind."""
    gc.collect()
    if not torch.cuda.is_available():
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return Row(f"memory after {job}", f"{resident / MIB:.0f} MiB, the process's peak")
    torch.cuda.empty_cache()
    peak, left = torch.cuda.max_memory_allocated(), torch.cuda.memory_allocated()
    free, total = torch.cuda.mem_get_info()
    said = f"peak {peak / MIB:.0f} MiB, left {left / MIB:.0f} MiB, free {free / MIB:.0f} of {total / MIB:.0f} MiB"
    return Row(f"memory after {job}", said, broken=left > LEFT_BYTES)


def compared(one: Result, other: Result, exact: bool) -> Iterator[Row]:
    """Yield what is the same, bit for bit, in two runs of one trial.

    Args:
        one: A run.
        other: Another one.
        exact: Whether all of it must be.
    """
    pairs = {
        "accuracy": (one.record.measured.accuracy, other.record.measured.accuracy),
        "training curve": (one.record.measured.curve, other.record.measured.curve),
        "floors": (one.record.measured.floors, other.record.measured.floors),
    }
    for first, second in zip(one.attacks, other.attacks, strict=True):
        pairs[f"network that {first.job.name} met"] = (
            first.measured.digests.get("client"),
            second.measured.digests.get("client"),
        )
        pairs[f"scores of {first.job.name}"] = (first.measured.scores, second.measured.scores)
    for name, (first_value, second_value) in pairs.items():
        same = first_value == second_value
        numbers = f": {first_value}, {second_value}" if name == "accuracy" or name.startswith("scores") else ""
        yield Row(f"bit for bit: {name}", "the same" if same else f"differs{numbers}", exact and not same)


def steps(device: torch.device, small: bool) -> Iterator[Row]:
    """Yield how long a training step takes in each precision, side by side, and what the stages take for faster."""
    taken = {}
    for precision in ("float32", "bfloat16"):
        step = stepper(device, precision, small)
        for _ in range(3):
            step()
        taken[precision] = timed(device, step, 5 if small else STEPS)
        yield Row(f"step in {precision}", f"{1000 * taken[precision]:.2f} ms")
    times, chosen = taken["float32"] / taken["bfloat16"], bfloat16_is_faster(device)
    doubt = "" if (times > 1) == chosen or abs(times - 1) < CLEARLY else ", which is not what was measured"
    yield Row("bfloat16", f"{times:.2f} times as fast; trials here would use it: {chosen}{doubt}")


def stepper(device: torch.device, precision: Precision | str, small: bool) -> Callable[[], None]:
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


def together() -> Iterator[Row]:
    """Yield how long steps take in one process of its own, and in two at a time on one GPU."""
    alone = side_by_side(1)[0]
    both = side_by_side(2)
    yield Row("a job alone on the GPU", f"{1000 * alone:.2f} ms a step")
    told = ", ".join(f"{1000 * seconds:.2f}" for seconds in both)
    yield Row("two jobs on one GPU", f"{told} ms a step, {2 * alone * 2 / sum(both):.2f} times the steps of one")


def side_by_side(count: int) -> list[float]:
    """Return the seconds of a step in each of some processes that begin together."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(count), context.Queue()
    running = [context.Process(target=job, args=(barrier, answers)) for _ in range(count)]
    for process in running:
        process.start()
    found = [answers.get(timeout=120) for _ in running]
    for process in running:
        process.join(timeout=60)
    return found


def job(barrier: Any, answers: Any) -> None:
    """Time steps once all others are ready to."""
    device = pick_device()
    step = stepper(device, "float32", small=False)
    step()
    barrier.wait(timeout=100)
    answers.put(timed(device, step, 2 * STEPS))


if __name__ == "__main__":
    sys.exit(main())
