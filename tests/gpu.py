"""What a GPU does to a trial, in under six minutes, without Ray and without a network: `make gpu`.

A trial and three attacks run in this process, twice; steps in float32 and bfloat16 stand side by side; what memory each
job takes and leaves behind is read, and two jobs share the GPU. Without a GPU the same is done on the CPU with a small
network, as far as it makes sense there. Everything that was seen is printed as one table; the exit code is 1 where a
promise is broken: a trial that fails, numbers of a CPU that differ from run to run, memory of a GPU of which jobs keep
more and more, Ray or MLflow where there is no need of them.
"""

import gc
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from harness.records import Asked, AttackJob, Place, Scalar, Tell
from harness.stages import Outcome, Stage, call
from harness.stages.device import device_name, pick_device
from harness.trial import Result, run_trial
from tests.gpu_steps import Row, side_by_side, steps, together
from tests.slight import NAME
from tests.values import asked

CIFAR = Path(os.environ.get("CIFAR10", "data/cifar10"))
"""Where CIFAR-10 lies, if it does."""

MOST_SECONDS = 345.0
"""When this ends with what it has seen by then."""

MIB = 2**20
GROWTH_BYTES = 16 * MIB
"""Most by which what the same job leaves allocated may grow from one run to the next."""

NEEDLESS = ("ray", "mlflow", "optuna")

SLIGHT: dict[str, Scalar] = {
    "model/name": NAME, "model/cut": 1, "model/bottleneck": "None", "model/width": 1.0,
    "train/epochs": 1, "train/images": 320,
}  # fmt: skip
"""A network that takes a second, trained for less."""


class Job(NamedTuple):
    """What a job took."""

    name: str
    seconds: float
    peak_bytes: int
    """Of a GPU what was allocated at most during the job; of a CPU what the process held at most since it began."""
    left_bytes: int
    """Of a GPU, what is still allocated now that it has ended; else 0."""


class Ran(NamedTuple):
    """One run of a trial."""

    result: Result
    jobs: list[Job]
    seconds: float


def main() -> int:
    """Look, print the table, and return 1 where a promise is broken."""
    rows: list[Row] = []
    end = threading.Timer(MOST_SECONDS, give_up, (rows,))
    end.daemon = True
    end.start()
    if not torch.cuda.is_available():
        print("there is no GPU here that torch can use: this is the CPU part alone", flush=True)
    for row in seen(pick_device()):
        rows.append(row)
        print(f"  {row.what}: {row.seen}", file=sys.stderr, flush=True)
    end.cancel()
    print(table(rows))
    return int(any(row.broken for row in rows))


def give_up(rows: list[Row]) -> None:
    """Print what was seen so far, and end this process and whatever it waits for."""
    late = Row("time", f"it ends after {MOST_SECONDS:.0f} s; what is missing was not looked at", broken=True)
    print(table([*rows, late]), flush=True)
    os._exit(1)


def table(rows: Sequence[Row]) -> str:
    """Return what was seen, one thing a line, what breaks a promise being marked."""
    width = max(len(row.what) for row in rows)
    return "\n".join(f"{row.what:{width}}  {row.seen}{'  BROKEN' if row.broken else ''}" for row in rows)


def seen(device: torch.device) -> Iterator[Row]:
    """Yield what is seen on a device."""
    gpu = device.type == "cuda"
    yield Row("device", f"{device_name(device)}, torch {torch.__version__}")
    trial, place = the_trial(gpu)
    yield Row("images", f"{trial.settings['data/name']}, {trial.settings['train/images'] or 'all'} of them")
    runs = []
    with tempfile.TemporaryDirectory(prefix="invfront-gpu-") as folder:
        for time_ in ("first", "second"):
            runs.append(ran(trial, Path(folder) / time_ / "trials" / "00000", place))
            yield told(runs[-1], time_)
    one, other = runs
    yield from memory(one.jobs, other.jobs, gpu)
    yield from compared(one.result, other.result, exact=not gpu)
    yield from steps(device, small=not gpu)
    if gpu:
        yield from together(side_by_side(1), side_by_side(2))
    else:
        yield Row("two jobs on one GPU", "not looked at: no GPU")
    yield needless(sys.modules)


def the_trial(gpu: bool) -> tuple[Asked, Place]:
    """Return what is run: on a GPU the default network on CIFAR-10 if it is there, else a small one on digits."""
    if not gpu:
        small = jobs((("tests.adversaries:Guess", "quick"), ("tests.small_ledger:SmallDecoder", "tiny")))
        again = small[0].model_copy(update={"seed": 1})
        return asked(settings=SLIGHT, attacks=(*small, again)), Place()
    attacks = jobs((("linear", "quick"), ("decoder", "quick"), ("rmle", "quick")))
    common = {"model/width": 0.5, "train/batch_size": 128}
    if CIFAR.is_dir():
        settings = common | {"data/name": "cifar10", "train/epochs": 4, "train/images": 10_000}
        return asked(settings=settings, attacks=attacks), Place(data_root=str(CIFAR.resolve()))
    settings = common | {"train/epochs": 8, "train/images": None, "train/batch_size": 64}
    return asked(settings=settings, attacks=attacks), Place()


def jobs(attacks: Sequence[tuple[str, str]]) -> tuple[AttackJob, ...]:
    """Return attack jobs on the validation part."""
    return tuple(AttackJob(attack=name, budget=budget, seed=0, part="validation") for name, budget in attacks)


def ran(trial: Asked, folder: Path, place: Place) -> Ran:
    """Run a trial in this process; look at the memory after each job."""
    ended: list[Job] = []
    folder.mkdir(parents=True)
    begun = time.perf_counter()
    result = run_trial(trial, folder, place, looking(ended))
    return Ran(result, ended, time.perf_counter() - begun)


def looking(ended: list[Job]) -> Callable[..., Generator[Outcome, None, None]]:
    """Return what runs jobs one after another, and notes in ``ended`` what each took and left."""

    def submit(stage: Stage, given: Sequence[tuple[Any, ...]], kind: str, tell: Tell) -> Generator[Outcome, None, None]:
        for number, job in enumerate(given):
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
            begun = time.perf_counter()
            (outcome,) = call(stage, [job], kind, tell)
            name = job[-1].name if kind == "attack" else kind
            ended.append(Job(name, time.perf_counter() - begun, *held()))
            yield outcome._replace(number=number)

    return submit


def held() -> tuple[int, int]:
    """Return the bytes that were held at most, and those still allocated on the GPU."""
    if not torch.cuda.is_available():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, 0
    peak = torch.cuda.max_memory_allocated()
    gc.collect()
    torch._C._cuda_clearCublasWorkspaces()  # a library's own, which is no job's
    torch.cuda.empty_cache()
    return peak, torch.cuda.memory_allocated()


def told(run: Ran, time_: str) -> Row:
    """Return how a run of a trial ended."""
    record = run.result.record
    error = f", {record.error.type}: {record.error.message}" if record.error else ""
    ended = f"{record.state}, accuracy {record.measured.accuracy}, {run.seconds:.1f} s{error}"
    return Row(f"trial and three attacks, {time_} time", ended, broken=record.state != "complete")


def memory(first: Sequence[Job], second: Sequence[Job], gpu: bool) -> Iterator[Row]:
    """Yield what each job took in two runs, and left behind; on a GPU it must not grow from run to run."""
    for one, other in zip(first, second, strict=True):
        took = f"{one.seconds:.1f} and {other.seconds:.1f} s, at most {other.peak_bytes / MIB:.0f} MiB"
        left = f"; left {one.left_bytes / MIB:.0f}, then {other.left_bytes / MIB:.0f} MiB" if gpu else " in the process"
        yield Row(f"job {one.name}", took + left, broken=other.left_bytes - one.left_bytes > GROWTH_BYTES)


def compared(one: Result, other: Result, exact: bool) -> Iterator[Row]:
    """Yield what is the same, bit for bit, in two runs of one trial.

    Args:
        one: A run.
        other: Another one.
        exact: Whether all of it must be.
    """
    measured, again = one.record.measured, other.record.measured
    pairs: dict[str, tuple[Any, Any]] = {
        "accuracy": (measured.accuracy, again.accuracy),
        "training curve": (measured.curve, again.curve),
        "floors": (measured.floors, again.floors),
        "diagnostics": (measured.diagnostics, again.diagnostics),
    }
    for first, second in zip(one.attacks, other.attacks, strict=True):
        networks = first.measured.digests.get("client"), second.measured.digests.get("client")
        pairs["network that attacks met"] = networks
        pairs[f"scores of {first.job.name}"] = (first.measured.scores, second.measured.scores)
    for name, (first_value, second_value) in pairs.items():
        same = first_value == second_value
        numbers = f": {first_value}, {second_value}" if name == "accuracy" or name.startswith("scores") else ""
        yield Row(f"bit for bit: {name}", "the same" if same else f"differs{numbers}", exact and not same)


def needless(loaded: Iterable[str]) -> Row:
    """Return which of the packages that a trial has no need of were loaded nevertheless."""
    found = [name for name in NEEDLESS if name in loaded]
    return Row("Ray, MLflow, Optuna", f"loaded: {', '.join(found)}" if found else "not loaded", broken=bool(found))


if __name__ == "__main__":
    sys.exit(main())
