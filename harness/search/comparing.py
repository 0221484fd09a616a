"""Whether Optuna's rows of a study can be read, and whether they tell what the directory tells; nothing is changed."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from harness.judging import Outline
from harness.ledger.database import sqlite_path, sqlite_url
from harness.search.drawing import distribution, drawn_alike, entries_of
from harness.search.index import DATABASE, INDEX_FAULTS, frozen, outdated
from harness.search.storage import OPTUNA, engine_options, refuse_torn, tables_of
from harness.study import Choices, Difference, Range, Space, Study


class Differences(NamedTuple):
    """How rows differ from the directory; empty where they agree."""

    fault: str | None = None
    """``missing``, or why the rows cannot be read."""
    other: tuple[int, ...] = ()
    """Rows that tell of other trials than the directory."""
    unheard: tuple[int, ...] = ()
    """Trials that have no row."""
    outdated: tuple[int, ...] = ()
    """Rows with objectives of before attacks that were run later."""
    strangers: tuple[int, ...] = ()
    """Trials that the study's file cannot have asked; then the rows were not looked at."""
    untold: tuple[int, ...] = ()
    """Rows of finished trials that are running still."""


MISSING = Differences(fault="missing")


def compared(study: Study, root: Path, outlines: Mapping[int, Outline], url: str | None) -> Differences:
    """Return how Optuna's rows differ from the directory.

    Args:
        study: The study.
        root: Its directory.
        outlines: The directory's trials.
        url: A server's storage; null for ``study.db``, of which a copy is opened, since opening may write.
    """
    path = root / DATABASE
    there = _frozen(outlines, study.space())
    if foreign := sorted(outlines.keys() - there.keys()):
        return Differences(strangers=tuple(foreign))
    if url is None and not os.path.lexists(path):
        return MISSING if outlines else Differences()
    try:
        rows = _rows(study.row_name, url) if url else _rows_of_copy(study.row_name, path)
    except KeyError:
        return MISSING if url else Differences(fault="unreadable (KeyError)")
    except (*INDEX_FAULTS, OSError, RuntimeError, ValueError) as error:
        return Differences(fault=f"unreadable ({type(error).__name__})")
    return _differences(rows, there, outlines, study.space())


def redrawn(study: Study, root: Path, url: str | None) -> Difference | None:
    """Return the first setting that rows were drawn for from something else than the study has; null if there is none,
    or the rows cannot be read. Arguments as of ``compared``.
    """
    path = root / DATABASE
    if url is None and not os.path.lexists(path):
        return None
    try:
        rows = _rows(study.row_name, url) if url else _rows_of_copy(study.row_name, path)
    except (*INDEX_FAULTS, OSError, RuntimeError, ValueError, KeyError):
        return None
    space = study.space()
    known = entries_of(space) | {f"{role}/name": Choices(tuple(given)) for role, given in space.roles()}
    now = {name: distribution(entry) for name, entry in known.items() if isinstance(entry, Range | Choices)}
    for name, drawn in ((name, drawn) for row in rows for name, drawn in row.distributions.items()):
        if drawn != now.get(name):
            return Difference(name, _shown(drawn), _shown(now[name]) if name in now else json.dumps(known.get(name)))
    return None


def edited_line(edit: Difference) -> str:
    """Return what is wrong with a study file that its rows were not drawn from."""
    return f"{edit.path}: edited by hand, {edit.other} in place of {edit.one} that its trials were drawn from"


def _shown(drawn: BaseDistribution) -> str:
    """Return a distribution of Optuna's as the study file has it."""
    if isinstance(drawn, CategoricalDistribution):
        return json.dumps({"choices": list(drawn.choices)})
    told = {name: value for name, value in drawn._asdict().items() if value not in (None, False)}
    return json.dumps({name: value for name, value in told.items() if not (name == "step" and value == 1)})


def _differences(
    rows: list[FrozenTrial], there: Mapping[int, FrozenTrial], outlines: Mapping[int, Outline], space: Space
) -> Differences:
    known = {number: row for number, row in there.items() if number < len(rows)}
    lost = [row.number for row in rows if row.number not in there and row.state.is_finished()]
    other = [
        number
        for number, row in known.items()
        if not (_agree(rows[number], row, outlines[number]) and _alike(space, outlines[number], rows[number]))
    ]
    untold = [n for n, row in known.items() if row.state.is_finished() and rows[n].state == TrialState.RUNNING]
    return Differences(
        other=tuple(sorted([*lost, *other])),
        unheard=tuple(sorted(there.keys() - known.keys())),
        outdated=tuple(row.number for row, _ in outdated(rows, outlines)),
        untold=tuple(untold),
    )


def _frozen(outlines: Mapping[int, Outline], space: Space) -> dict[int, FrozenTrial]:
    """Return the trials as rows, without those whose settings the study's space does not have."""
    found = {}
    for number, outline in outlines.items():
        with contextlib.suppress(KeyError, ValueError):
            found[number] = frozen(outline, space)
    return found


def _agree(row: FrozenTrial, expected: FrozenTrial, outline: Outline) -> bool:
    """Say whether a row is what the directory says, or said before the record, a retry or a later attack came."""
    if row.state == TrialState.RUNNING or (row.state == TrialState.FAIL and outline.tries > 1):
        return True
    return row.state == expected.state and (row.values == expected.values or outline.later)


def _alike(space: Space, outline: Outline, row: FrozenTrial) -> bool:
    return drawn_alike(space, outline.settings, row.params)


def _rows_of_copy(name: str, path: Path) -> list[FrozenTrial]:
    with tempfile.TemporaryDirectory(prefix="invf-doctor-") as folder:
        for file in path.parent.glob(f"{path.name}*"):
            if ".torn-" not in file.name:
                shutil.copy(file, folder)
        return _rows(name, sqlite_url(Path(folder) / path.name))


def _rows(name: str, url: str) -> list[FrozenTrial]:
    file = sqlite_path(url)
    if (file is not None and not file.exists()) or OPTUNA not in tables_of(url):
        raise KeyError(f"no study {name}")  # opened by Optuna, it would be made
    storage = RDBStorage(url, engine_kwargs=engine_options(url))
    try:
        if url.startswith("sqlite"):
            refuse_torn(storage.engine)
        return optuna.load_study(study_name=name, storage=storage).get_trials()
    finally:
        storage.remove_session()
        storage.engine.dispose()
