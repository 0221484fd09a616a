"""``invfront check``: everything that is wrong with a study file, or what it would run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from harness.commands.environment import quiet
from harness.commands.options import Json, Pin, Space, Trials, error_document, say
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.study import Study
    from harness.study.faults import Inspection

WRONG = 2
"""Exit code of a study file in which something is wrong."""


def check(
    space: Space,
    set_: Pin = None,
    trials: Trials = None,
    as_json: Json = False,
) -> int:
    """Say all that is wrong with a study file, or what it would run.

    Nothing is started. Each line has the path, the value and the way out. Plug-ins that the file names are imported.
    Ends with 0 if nothing is wrong, else with 2.

    \b
    Examples:
      invfront check my-study.yaml
      invfront check my-study.yaml --set train/epochs=12 --json

    \b
    JSON: space, wrong (how many), faults [{where, path, text}], runs {what: text} (null if anything is wrong),
    error {message, exit_code} (if anything is wrong).
    """
    quiet(None)
    from harness.study.faults import inspect

    found = inspect(space, set_ or [], trials)
    number = len(found.faults)
    told = f"{space}: wrong in {number} place{'s' * (number > 1)}, listed above; mend, then check again"
    if as_json:
        say(_document(space, found) | (error_document(told, WRONG) if number else {}))
        return WRONG if number else 0
    for fault in found.faults:
        path = f"{fault.path}: " if fault.path else ""
        typer.echo(f"{fault.where}: {path}{fault.text}")
    if found.study is None:
        raise UserError(told)
    typer.echo(f"{space}: nothing is wrong; it would run")
    for what, text in _plan(found.study):
        typer.echo(f"  {what}: {text}")
    return 0


def _document(space: str, found: "Inspection") -> dict[str, Any]:
    faults = [fault._asdict() for fault in found.faults]
    runs = None if found.study is None else dict(_plan(found.study))
    return {"space": space, "wrong": len(faults), "faults": faults, "runs": runs}


def _plan(study: "Study") -> Iterator[tuple[str, str]]:
    """Yield what a study would run, in words."""
    from harness.study import borrowed_lines
    from harness.study.jobs import attack_jobs, level_jobs
    from harness.study.sections import MOST

    space, search, resources = study.space(), study.search, study.resources
    yield "study", f"{study.name}, digest {study.digest()[:12]}"
    yield "data", f"{study.data.name}{f', {study.data.root}' if study.data.root else ''}, protocol {study.protocol}"
    yield "trials", f"{search.trials}, {search.sampler}, {_anchors(len(search.anchors))}, seed {search.seed}"
    yield from (("search", line) for line in borrowed_lines(study))
    yield "every trial", _settings(space.shared)
    for role, branches in space.roles():
        for branch, entries in branches.items():
            yield f"{role} {branch}", _settings(entries) or "no settings"
    yield "attacks on each", ", ".join(job.name for job in attack_jobs(study))
    if beside := level_jobs(study):
        where = "the front, once it is known" if study.attacker.levels == "front" else "every complete trial"
        yield f"then on {where}", ", ".join(job.name for job in beside)
    limit = f"at most {resources.timeout:g} s each" if resources.timeout else "no time limit"
    together = "as many as the nodes hold" if resources.concurrent == MOST else resources.concurrent
    yield "at a time", f"{together}, {limit}"
    if idling := resources.idling():
        yield "idle", idling


def _anchors(number: int) -> str:
    return f"{number or 'no'} anchor{'s' * (number != 1)} first"


def _settings(entries: Any) -> str:
    from harness.study import Choices, Range

    told = []
    for path, entry in entries.items():
        if isinstance(entry, Choices):
            told.append(f"{path} one of {', '.join(map(str, entry.values))}")
        elif isinstance(entry, Range):
            how = " in logarithm" if entry.log else f" by {entry.step:g}" if entry.step else ""
            told.append(f"{path} {entry.low:g} to {entry.high:g}{how}")
        elif entry is not None:
            told.append(f"{path} {entry}")
    return ", ".join(told)
