"""``invfront ctl``: steer a study while it runs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands.environment import quiet
from harness.commands.finding import StudyPath, find_study
from harness.commands.options import Json, say
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.ledger import Ledger
    from harness.ledger.requests import Asked
    from harness.records import Request

PLAIN = ("pause", "continue", "stop")
ORDERS = "pause, continue, stop, concurrent=N, skip TRIAL, enqueue PATH=VALUE..., retry failed|partial|TRIAL"


def ctl(
    study: StudyPath,
    order: Annotated[str, typer.Argument(metavar="ORDER", help=f"One of {ORDERS}.")],
    what: Annotated[
        list[str] | None, typer.Argument(metavar="[WHAT...]", help="Of skip, enqueue and retry: which trial, or what.")
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="With stop: cut off the trials that run; they are resumed later.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Steer a study while it runs, through files in its directory.

    It may be given on any machine that sees the directory, or has its address in a store, and needs no Ray there. The
    driver looks every few seconds; `invfront status` says what was asked and what has come of it. The same order twice
    is one. pause, continue and stop are for the driver that runs now; a stopped study is resumed. A trial that is
    skipped is pruned. What is enqueued is tried in place of what the sampler would have drawn.

    \b
    Examples:
      invfront ctl runs/mine pause
      invfront ctl runs/mine concurrent=8
      invfront ctl runs/mine skip 17
      invfront ctl runs/mine enqueue defense/nopeek/lam=.3 model/sigma=0.1
      invfront ctl runs/mine retry failed
      invfront ctl runs/mine stop --now

    \b
    JSON: asked, time, state (open, done or refused), text.
    """
    root = find_study(study)
    quiet(None)
    from harness.ledger import Ledger, address
    from harness.ledger.requests import Requests

    put = Requests(root).ask(_request(Ledger(root), order, what or [], now))
    document = told(put)
    if as_json:
        say(document)
    else:
        typer.echo(f"asked: {document['asked']}; `invfront status {address(root)}` says what comes of it")


def told(put: "Asked") -> dict[str, Any]:
    """Return a request and what has come of it, for programs."""
    answer = put.answer
    state = "open" if answer is None else "done" if answer.done else "refused"
    text = answer.text if answer else None
    return {"asked": put.request.words(), "time": put.request.time, "state": state, "text": text}


def told_line(put: "Asked") -> str:
    """Return the same for people."""
    one = told(put)
    return f"ctl {one['asked']} ({one['time']}): {one['state']}" + (f", {one['text']}" if one["text"] else "")


def _request(ledger: "Ledger", order: str, what: list[str], now: bool) -> "Request":
    """Return what was ordered; raises UserError of what can be seen from here to be none."""
    from datetime import UTC, datetime

    from harness.records import Request

    time = datetime.now(UTC).isoformat(timespec="seconds")
    verb, equals, number = order.partition("=")
    if now and verb != "stop":
        raise UserError(f"--now: is of stop, not of {order}; leave it out")
    if order in PLAIN or equals:
        if what:
            raise UserError(f"{order} {' '.join(what)}: takes nothing more; leave {' '.join(what)} out")
        if order in PLAIN:
            return Request(verb=order, time=time, now=now)  # type: ignore[arg-type]  # one of the verbs
        if verb != "concurrent" or not number.isdecimal() or int(number) < 1:
            raise UserError(f"{order}: no such order; take one of {ORDERS}")
        return Request(verb="concurrent", time=time, number=int(number))
    if order == "skip" and len(what) == 1:
        return Request(verb="skip", time=time, number=_trial(ledger, order, what[0]))
    if order == "retry" and len(what) == 1:
        if what[0] in ("failed", "partial"):
            return Request(verb="retry", time=time, kind=what[0])  # type: ignore[arg-type]  # one of both
        return Request(verb="retry", time=time, number=_trial(ledger, order, what[0]))
    if order == "enqueue" and what:
        return Request(verb="enqueue", time=time, settings=_settings(ledger, what))
    raise UserError(f"{' '.join([order, *what])}: no such order; take one of {ORDERS}")


def _trial(ledger: "Ledger", order: str, text: str) -> int:
    """Return the number of a trial that an order can be of, or was carried out of already."""
    if not text.isdecimal() or not ledger.was_asked(int(text)):
        raise UserError(f"TRIAL {text}: was not asked; see `invfront status {ledger.root}`")
    files = ledger.read(int(text))
    state = files.record.state if files.record else "running"
    if order == "skip":
        takes, fits = "not finished", state in ("running", "pruned")
    else:
        takes, fits = "failed or partial", state in ("failed", "partial") or files.tries > 1
    if not fits:
        raise UserError(f"TRIAL {text}: is {state}; takes one that is {takes}")
    return int(text)


def _settings(ledger: "Ledger", texts: list[str]) -> dict[str, Any]:
    """Return settings by path; the branch that one belongs to need not be named."""
    from harness.study import load_study
    from harness.study.anchors import misfits
    from harness.study.overrides import parse
    from harness.study.problem import Problem

    study, settings = load_study(ledger.study_file), dict[str, Any]()
    for text in texts:
        try:
            override = parse(text)
        except Problem as problem:
            raise UserError(f"enqueue {text}: {problem.text}") from problem
        role, _, rest = override.path.partition("/")
        if role in ("defense", "term") and rest.count("/"):
            settings.setdefault(f"{role}/name", rest.rpartition("/")[0])
        settings[override.path] = override.value
    for misfit in misfits(study.space(), settings):
        raise UserError(f"enqueue {misfit.path}: {misfit.why}")
    if len(ledger.numbers()) >= study.search.trials and not _was_taken(ledger, settings):
        raise UserError(f"enqueue: no trial waits; `invfront resume {ledger.root} --trials N` gives the study more")
    return settings


def _was_taken(ledger: "Ledger", settings: dict[str, Any]) -> bool:
    """Say whether a trial was given these settings when they were asked for before."""
    from harness.ledger.requests import Requests

    asked = (put for put in Requests(ledger.root).all() if put.request.settings == settings)
    return any(put.answer is not None and put.answer.trial is not None for put in asked)
