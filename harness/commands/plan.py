"""``invfront plan``: what a study will take, before it runs."""

import os
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
    from harness.study import Resources, Study

HERE = "in-process"

UNSAID = 1e18
"""Of a resource of which nobody said how much a node has."""


def plan(
    space: Annotated[
        str,
        typer.Argument(metavar="SPACE", help="A study file, a bundled one's name, or a directory that ran."),
    ],
    set_: Pin = None,
    trials: Trials = None,
    earlier: Annotated[
        Path | None,
        typer.Option("--from", metavar="STUDY", help="An earlier study, whose trials it learns from."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="A", help="A Ray cluster, as for run: measured on it, and its nodes are counted."),
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(parser=count, metavar="N", help="Nodes that it is to run on; else this machine.")
    ] = None,
    cpus: Annotated[
        int | None, typer.Option("--cpus-per-node", parser=count, metavar="N", help="As this machine has, if not said.")
    ] = None,
    gpus: Annotated[
        int | None, typer.Option("--gpus-per-node", min=0, metavar="N", help="As this machine has, if not said.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="R/h", help="What a node costs an hour, as 2.5/h, in any currency.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure even where a directory has trials to learn from.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what a study will take: hours, memory, disk and money.

    It measures a few steps of each kind of job, in at most three minutes, or learns from the trials of an earlier study
    (--from). Of a study that has run, what its first third would have told, or what is measured now (--measure), is
    compared with what was.

    \b
    Examples:
      invfront plan quickstart
      invfront plan my-study.yaml --trials 200 --from runs/my-study --nodes 4 --gpus-per-node 8 --rate 2.5/h
      invfront plan runs/quickstart

    \b
    JSON: seconds, cpu_hours, gpu_hours, memory_bytes, disk_bytes, cost (each {low, mid, high}; cost null without a
    rate), limits [line], unplaceable [line], was (null, or of a study that ran {from_trials, seconds, cpu_hours}).
    """
    quiet(None)
    from harness.driver.forecast import Machine
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
    there = _nodes(study.resources, address, nodes, cpus, gpus)
    fit, unplaceable = _slots(study.resources, there)
    machine = Machine(fit, len(there), hourly, unplaceable)
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


def _nodes(
    resources: "Resources", address: str | None, nodes: int | None, cpus: int | None, gpus: int | None
) -> list[dict[str, float]]:
    """Return what each node has: those that are named, a cluster's, or this machine; of what nobody says, enough."""
    if address is not None and address != HERE and nodes is None and cpus is None and gpus is None:
        from harness.cluster import nodes_at

        return nodes_at(address)
    if gpus is None:
        import torch

        gpus = torch.cuda.device_count()
    unsaid = dict.fromkeys(resources.bundle(), UNSAID)
    node = unsaid | {"CPU": float(cpus or os.cpu_count() or 1), "GPU": float(gpus)}
    return [node] * (nodes or 1)


def _slots(resources: "Resources", nodes: list[dict[str, float]]) -> tuple[int, tuple[str, ...]]:
    """Return how many trials a machine holds at once, 0 for none, and what it cannot hold."""
    from harness.cluster import held_by, refuse_unplaceable

    try:
        refuse_unplaceable(resources, nodes)
    except UserError as error:
        return 0, (str(error),)
    return held_by(resources, nodes), ()


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
