"""``invfront plan``: what a study will take, before it runs."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands.environment import quiet
from harness.commands.options import Json, Pin, Trials, count, say
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.driver.forecast import Forecast, Interval, Machine
    from harness.driver.planning import Compared
    from harness.ledger import Ledger
    from harness.study import Study

HERE = "in-process"


def size(text: str) -> int:
    """Return a size in bytes that the user wrote as a study file has it."""
    from harness.study.fields import bytes_of

    try:
        return bytes_of(int(text) if text.isdecimal() else text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from error


StudyOrSpace = Annotated[
    str, typer.Argument(metavar="SPACE", help="A study file, a bundled one's name, or a directory that ran.")
]

Earlier = Annotated[
    Path | None, typer.Option("--from", metavar="STUDY", help="An earlier study, whose trials it learns from.")
]

MeasuredAt = Annotated[
    str | None, typer.Option(metavar="A", help="A Ray cluster, as for run: measured on it, and its nodes are counted.")
]

NumNodes = Annotated[
    int | None, typer.Option(parser=count, metavar="N", help="Nodes that it is to run on; else this machine.")
]

CpusOfNode = Annotated[
    int | None, typer.Option("--cpus-per-node", parser=count, metavar="N", help="As this machine has, if not said.")
]

GpusOfNode = Annotated[
    int | None, typer.Option("--gpus-per-node", min=0, metavar="N", help="As this machine has, if not said.")
]

GpuMemory = Annotated[
    int | None,
    typer.Option(
        parser=size,
        metavar="SIZE",
        help="How large each of those GPUs is, as 80GiB; as this machine's, if not said. For gpu_memory alone.",
    ),
]

Rate = Annotated[str | None, typer.Option(metavar="R/h", help="What a node costs an hour, as 2.5/h, in any currency.")]

MeasureAnew = Annotated[
    bool, typer.Option("--measure", help="Measure even where a directory has trials to learn from.")
]


def plan(
    space: StudyOrSpace,
    set_: Pin = None,
    trials: Trials = None,
    earlier: Earlier = None,
    address: MeasuredAt = None,
    nodes: NumNodes = None,
    cpus: CpusOfNode = None,
    gpus: GpusOfNode = None,
    gpu_memory: GpuMemory = None,
    rate: Rate = None,
    measure: MeasureAnew = False,
    as_json: Json = False,
) -> None:
    """Say what a study will take: hours, memory, disk and money.

    It measures a few steps of each kind of job, in at most three minutes, or learns from the trials of an earlier study
    (--from). Of a study that has run, what its first third would have told, or what is measured now (--measure), is
    compared with what was. Memory of a GPU, where trials ask for it, is a share of the smallest one here, at --address,
    or of nodes as --gpu-memory says.

    \b
    Examples:
      invfront plan quickstart
      invfront plan my-study.yaml --trials 200 --from runs/my-study --nodes 4 --gpus-per-node 8 --rate 2.5/h
      invfront plan my-study.yaml --gpus-per-node 8 --gpu-memory 80GiB --set resources/train/gpu_memory=6GiB
      invfront plan runs/quickstart

    \b
    JSON: seconds, cpu_hours, gpu_hours, memory_bytes, disk_bytes, cost (each {low, mid, high}; cost null without a
    rate), limits [line], unplaceable [line], was (null, or of a study that ran {from_trials, seconds, cpu_hours}).
    """
    quiet(None)
    from harness.driver.machines import Described, fitted
    from harness.ledger import Ledger, find_study
    from harness.study import load_study
    from harness.study.check import load_checked

    if measure and earlier is not None:
        raise UserError("--measure: --from names what to learn from; take one of the two")
    hourly = None if rate is None else _rate(rate)
    ran = find_study(Path(space)) if Path(space).is_dir() else None
    if ran is not None and trials is not None:
        raise UserError(
            f"--trials {trials}: {ran} is compared with what it was; for more trials, plan its study file --from {ran}"
        )
    load = load_checked if ran is None else load_study
    study = load(space if ran is None else ran / "study.yaml", set_ or [], trials)
    ledger = Ledger(ran or Path(study.name))
    machine, resources = fitted(study.resources, address, Described(nodes, cpus, gpus, gpu_memory), hourly)
    study = study.model_copy(update={"resources": resources})
    try:
        found, was = _forecast(study, ledger, machine, address or HERE, ran is not None, earlier, measure)
    except ValueError as error:
        raise UserError(f"{error}; name a study that ran it, or leave --from away") from error
    _tell(found, was, as_json)


def _forecast(
    study: "Study",
    ledger: "Ledger",
    machine: "Machine",
    address: str,
    ran: bool,
    earlier: Path | None,
    measure: bool,
) -> "tuple[Forecast, Compared | None]":
    """Return the forecast and, of a study that ran, how it compares; it rests on an earlier study, or on what ran, or
    on what is measured now.
    """
    from harness.driver.forecast import forecast
    from harness.driver.planning import compared, learnt, measured
    from harness.ledger import Ledger, find_study
    from harness.study.check import check_ready, make_ready

    known = None
    if earlier is not None:
        known = learnt(Ledger(find_study(earlier)))
    elif measure or not ran:
        check_ready(study)
        make_ready(study)
        known = measured(study, ledger, address)
    if ran or known is None:
        was = compared(study, ledger, machine, known)
        return was.forecast, was
    return forecast(study, known.costs, machine, known.images), None


def _rate(text: str) -> float:
    amount, slash, unit = text.partition("/")
    try:
        rate = float(amount)
    except ValueError:
        rate = -1.0
    if not 0 <= rate < float("inf") or (slash and unit != "h"):
        raise UserError(f"--rate {text}: takes an amount an hour, as 2.5/h")
    return rate


def _tell(found: "Forecast", was: "Compared | None", as_json: bool) -> None:
    truth: dict[str, Any] | None = None
    if was is not None:
        truth = {"from_trials": was.from_trials, "seconds": was.seconds, "cpu_hours": was.cpu_hours}
    if as_json:
        say(found.model_dump(mode="json") | {"was": truth})
        return
    from harness.display.words import duration
    from harness.ledger.disk import shown

    rows = {
        "time": _three(found.seconds, duration),
        "CPU hours": _three(found.cpu_hours, lambda hours: f"{hours:.2f}"),
        "GPU hours": _three(found.gpu_hours, lambda hours: f"{hours:.2f}"),
        "memory at once": _three(found.memory_bytes, lambda size: shown(round(size))),
        "disk": _three(found.disk_bytes, lambda size: shown(round(size))),
    }
    if found.cost is not None:
        rows["cost"] = _three(found.cost, lambda amount: f"{amount:.2f}")
    for what, text in rows.items():
        typer.echo(f"{what}: {text}")
    for line in found.limits:
        typer.echo(f"limit: {line}")
    for line in found.unplaceable:
        typer.echo(f"cannot be placed: {line}")
    if was is not None:
        by = f"its first {was.from_trials} trials" if was.from_trials else "other trials, or steps that were measured"
        typer.echo(f"was: {duration(was.seconds)}, {was.cpu_hours:.2f} CPU hours; forecast by {by}")


def _three(interval: "Interval", spelt: Callable[[float], str]) -> str:
    return f"{spelt(interval.mid)} ({spelt(interval.low)} to {spelt(interval.high)})"
