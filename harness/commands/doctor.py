"""``invfront doctor``: what is wrong with a study's directory, and what would mend it."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness import cache
from harness.commands.environment import quiet
from harness.commands.finding import StudyPath, find_study
from harness.commands.options import Json, Storage, error_document, say
from harness.errors import UserError
from harness.ledger.disk import shown
from harness.records import one_line

if TYPE_CHECKING:
    from harness.doctor import Finding

ROUNDS = 3
"""The rows can only be compared once the files are whole, and a trial may have more than one fault."""

WRONG = 2
"""Exit code of a study in which something is wrong."""


def doctor(
    study: StudyPath,
    fix: Annotated[bool, typer.Option("--fix", help="Do what would otherwise only be printed.")] = False,
    clean: Annotated[
        bool,
        typer.Option("--clean", help="Remove attempts that no record rests on, and checkpoints of trainings done."),
    ] = False,
    clear_cache: Annotated[
        bool, typer.Option("--clear-cache", help="Remove this machine's decoded images, of all studies.")
    ] = False,
    storage: Storage = None,
    as_json: Json = False,
) -> int:
    """Say what is wrong with a study, and mend it if told to.

    Nothing is changed without --fix, --clean or --clear-cache. What cannot be read is moved aside, and what has a good
    copy is restored from it. --clean frees space, once nothing is wrong; what a record or a later attack needs stays.
    Ends with 0 if nothing is wrong or all of it was mended, else with 2.

    \b
    Examples:
      invfront doctor runs/quickstart
      invfront doctor runs/quickstart --fix
      invfront doctor runs/quickstart --clean
      invfront doctor runs/quickstart --clear-cache

    \b
    JSON: study (its directory), cache {folder, data_sets, bytes, cleared}, wrong (how many are left), done [finding],
    found [finding], error {message, exit_code} (if anything is wrong); a finding is path, what, remedy, action, wrong.
    """
    root = find_study(study)
    quiet(None)
    from harness.ledger import address

    done, found = _treated(root, storage, fix, clean, lambda finding: _tell(finding, "done: ", as_json))
    images = _images(clear_cache, as_json)
    num_wrong = sum(finding.wrong for finding in found)
    named = address(root)
    told = f"{named}: nothing is wrong"
    if num_wrong:
        told = f"{named}: wrong in {num_wrong} places, listed above; {_way_out(named, found, fix)}"
    if as_json:
        error = error_document(told, WRONG) if num_wrong else {}
        say({"study": named, "cache": images, "wrong": num_wrong, "done": _plain(done), "found": _plain(found)} | error)
        typer.echo(f"invfront: {told}" if num_wrong else told, err=True)
        return WRONG if num_wrong else 0
    for finding in found:
        _tell(finding, "", as_json)
    if num_wrong:
        raise UserError(told)
    typer.echo(told)
    return 0


def _images(clear: bool, as_json: bool) -> dict[str, Any]:
    """Say what the image cache holds or, if it is to be cleared, held; return it."""
    try:
        held = cache.clear() if clear else cache.held()
    except cache.Unusable as unusable:
        raise UserError(str(unusable)) from unusable
    size = f"{held.data_sets} data set{'s' * (held.data_sets != 1)}, {shown(held.total_bytes)}"
    then = "removed; the next run decodes them again" if clear else "--clear-cache removes them"
    if not as_json:
        typer.echo(f"{held.folder}: decoded images of this machine, {size}; {then}")
    return {
        "folder": str(held.folder),
        "data_sets": held.data_sets,
        "bytes": held.total_bytes,
        "cleared": clear,
    }


def _tell(finding: "Finding", done: str, as_json: bool) -> None:
    typer.echo(f"{finding.path}: {finding.what}; {done}{finding.remedy}", err=as_json)


def _treated(
    root: Path, storage: str | None, fix: bool, clean: bool, tell: "Callable[[Finding], None]"
) -> "tuple[list[Finding], list[Finding]]":
    """Return what was mended or removed, of which ``tell`` hears at once, and what is left."""
    from harness.doctor import examine, examine_surplus, mend, remove
    from harness.ledger import Ledger
    from harness.ledger.fetching import mirror_of
    from harness.search import check_storage

    done = []
    ledger, url = _whereabouts(root, storage)
    check_storage(url)
    mirror = mirror_of(root)
    with _held(root, ledger, url, changes=fix or clean):
        fetched = mirror.fetch(root) if mirror is not None else set()
        found = examine(root, url)
        for _ in range(ROUNDS):
            fixable = [finding for finding in found if fix and finding.fixable]
            if not fixable:
                break
            for finding in fixable:
                mend(root, finding, url)
                tell(finding)
            done += fixable
            found = examine(root, url)
        if clean and not any(finding.wrong for finding in found):
            surplus = list(examine_surplus(Ledger(root)))
            for finding in surplus:
                remove(finding.path)
                tell(finding)
            done += surplus
        if mirror is not None and done:
            mirror.settle(fetched)
    return done, found


@contextlib.contextmanager
def _held(root: Path, ledger: str, url: str | None, changes: bool) -> Iterator[None]:
    """Hold a study while the body runs; one that is only looked at, where nothing can be written, needs no holding.

    Raises:
        UserError: another driver has it, or its storage or its disk cannot be written.
    """
    from harness.ledger.lease import LOCK, lease
    from harness.search import INDEX_FAULTS

    lock = root / LOCK
    if not changes and not os.access(lock if lock.exists() else root, os.W_OK):
        yield
        return
    try:
        with lease(root, ledger, url):
            yield
    except INDEX_FAULTS as error:
        fault = getattr(error.__cause__, "orig", None) or getattr(error, "orig", None) or error
        raise UserError(f"storage of {root}: {one_line(fault)}; mend it, then give this command again") from error


def _way_out(named: str, found: "list[Finding]", fix: bool) -> str:
    """Return what to do about what is wrong."""
    by_us = sum(finding.fixable for finding in found)
    if by_us and not fix:
        rest = sum(finding.wrong for finding in found) - by_us
        return f"`invfront doctor {named} --fix` mends {by_us}" + (f", {rest} by hand" if rest else "")
    return "mend what is left by hand" if fix else "mend them by hand, as told there"


def _plain(found: "list[Finding]") -> list[dict[str, Any]]:
    return [
        {
            "path": str(finding.path),
            "what": finding.what,
            "remedy": finding.remedy,
            "action": finding.action,
            "wrong": finding.wrong,
        }
        for finding in found
    ]


def _whereabouts(root: Path, storage: str | None) -> tuple[str, str | None]:
    """Return a study's ledger and the URL of its rows, null for ``study.db``: the one given, else the remembered.

    A study file that cannot be read tells neither; doctor reports it, and then looks at no rows.
    """
    from harness.study import load_study

    try:
        study = load_study(root / "study.yaml")
    except UserError:
        return "", None
    return str(study.ledger), storage or study.storage
