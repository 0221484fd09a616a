"""Optuna's storage of a study: an index of the ledger, opened, brought up to date, or rebuilt from the directory."""

import itertools
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages._rdb.models import TrialValueModel
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from harness.errors import UserError
from harness.judging import Outline
from harness.ledger.database import sqlite_url
from harness.records import one_line
from harness.search.drawing import distributions, drawn_alike, settled
from harness.search.informed import FLOOR, values_of
from harness.search.storage import engine_options, load
from harness.study import Space, Study

optuna.logging.set_verbosity(optuna.logging.WARNING)
_LOG = logging.getLogger(__name__)

DATABASE = "study.db"

DIGEST = "invfront.digest"
"""Attribute of Optuna's study: of which identity its rows were drawn."""

INDEX_FAULTS = (SQLAlchemyError, StorageInternalError)
"""What a storage that cannot be read or written raises; Optuna wraps some of them."""


def open_rows(study: Study, root: Path, outlines: Mapping[int, Outline], url: str | None) -> optuna.Study:
    """Return Optuna's study, with a row for every trial of the directory.

    A ``study.db`` that cannot be read, or that tells of other trials than the directory, is kept aside as
    ``study.db.torn-<n>`` and rebuilt; so is one that is lost.

    Those of before a study was widened are made anew under the wider one; cut off, that is done again.

    Args:
        study: The resolved study.
        root: Its directory.
        outlines: The directory's trials, by ascending number.
        url: A server's storage; null for ``study.db`` in the directory.
    """
    space, name = study.space(), study.row_name
    if foreign := strangers(outlines, space):
        raise UserError(f"{root / 'study.yaml'}: {foreign_line(foreign)}")
    if url is not None:
        rows = _of_now(load(name, url), study, url)
        if not _agrees(rows, outlines, space):
            raise UserError(f"storage: study {name} tells of other trials than {root}; delete it there, then resume")
        return _extended(_corrected(rows, outlines, url), outlines, space)
    path = root / DATABASE
    url = sqlite_url(path)
    try:
        rows = _of_now(load(name, url), study, url)
        agrees = _agrees(rows, outlines, space)
    except (*INDEX_FAULTS, UnicodeDecodeError, ValueError, KeyError) as error:
        _LOG.warning("%s: unreadable (%s), kept aside and rebuilt", path, type(error).__name__)
        agrees = False
    if not agrees:
        keep_aside(path)
        rows = _of_now(load(name, url), study, url)
    return _extended(_corrected(rows, outlines, url), outlines, space)


def _of_now(rows: optuna.Study, study: Study, url: str) -> optuna.Study:
    """Return the study's rows; none, to be made anew, if they were drawn before it was widened: Optuna refuses other
    choices under a name.
    """
    drawn, now, storage = rows.user_attrs.get(DIGEST), study.digest(), rows._storage
    if drawn == now:
        return rows
    if drawn is not None or study.extends is not None:
        kept = storage.get_study_system_attrs(rows._study_id)
        optuna.delete_study(study_name=rows.study_name, storage=storage)
        rows = load(rows.study_name, url)
        for name in filter(_is_position, kept):
            rows._storage.set_study_system_attr(rows._study_id, name, kept[name])
    rows.set_user_attr(DIGEST, now)
    return rows


def _is_position(name: str) -> bool:
    """Say whether a sampler's note is its place in a sequence, which goes on; others name rows that are no more."""
    return name.startswith("qmc:")


def strangers(outlines: Mapping[int, Outline], space: Space) -> tuple[int, ...]:
    """Return the trials that a study's space cannot have asked: its file was changed since."""
    return tuple(number for number, outline in outlines.items() if not _is_known(outline, space))


def foreign_line(numbers: Sequence[int]) -> str:
    """Return what is wrong with a study file beside such trials, and the way out."""
    return f"trials {list(numbers)} were asked of another study; put back the file by which they were asked"


def _is_known(outline: Outline, space: Space) -> bool:
    try:
        return all(path in outline.settings for path in distributions(space, outline.settings))
    except KeyError:  # a branch that there is no more
        return False


def outdated(rows: Iterable[FrozenTrial], outlines: Mapping[int, Outline]) -> Iterator[tuple[FrozenTrial, list[float]]]:
    """Yield the finished rows whose values attacks run after the record have changed, and what these are now."""
    for row in rows:
        outline = outlines.get(row.number)
        if outline is None or not outline.later or outline.objectives is None or row.state != TrialState.COMPLETE:
            continue
        if values_of(outline.objectives) != row.values:
            yield row, values_of(outline.objectives)


def frozen(outline: Outline, space: Space) -> FrozenTrial:
    """Return a trial of the ledger as Optuna's row: unfinished is RUNNING."""
    drawn = distributions(space, outline.settings)
    state, values, constraints = TrialState.RUNNING, None, None
    if outline.finished:
        state = TrialState.FAIL if outline.objectives is None else TrialState.COMPLETE
    if outline.objectives is not None:
        values = values_of(outline.objectives)
        constraints = None if outline.constraint is None else {FLOOR: outline.constraint}
    return create_trial(
        state=state,
        values=values,
        params=settled(space, {path: outline.settings[path] for path in drawn}),
        distributions=drawn,
        user_attrs={"anchor": True} if outline.anchor else {},
        constraints=constraints,
    )


def _corrected(rows: optuna.Study, outlines: Mapping[int, Outline], url: str) -> optuna.Study:
    """Give finished rows the values over attacks run later, in one transaction; return the study as it is then.

    Optuna changes no finished row. Rows made anew would lose what samplers keep beside the values and by the rows' ids:
    generations and their parents, the place in a sequence. So the values alone are changed, in Optuna's own table.
    """
    stale = list(outdated(rows.get_trials(deepcopy=False), outlines))
    if not stale:
        return rows
    table = TrialValueModel.__table__
    engine = sqlalchemy.create_engine(url, poolclass=NullPool, **engine_options(url))
    with engine.begin() as connection:
        for row, values in stale:
            for objective, value in enumerate(values):
                place = (table.c.trial_id == row._trial_id) & (table.c.objective == objective)
                connection.execute(sqlalchemy.update(table).where(place).values(value=value))
    return load(rows.study_name, url)


def _agrees(rows: optuna.Study, outlines: Mapping[int, Outline], space: Space) -> bool:
    """Say whether no row tells of another trial than the directory has under its number, nor of one it lacks."""
    known = rows.get_trials(deepcopy=False)
    if any(row.state.is_finished() and row.number not in outlines for row in known):
        return False
    for row in known:
        outline = outlines.get(row.number)
        if outline is None:
            continue
        lost_record = not outline.finished and row.state.is_finished()
        alike = drawn_alike(space, outline.settings, row.params)
        if row.state == TrialState.WAITING or not alike or lost_record:
            return False
    return True


def _extended(rows: optuna.Study, outlines: Mapping[int, Outline], space: Space) -> optuna.Study:
    """Add the directory's trials that the storage has never heard of, in number order; gaps become WAITING."""
    for number in range(len(rows.get_trials(deepcopy=False)), max(outlines, default=-1) + 1):
        if number in outlines:
            rows.add_trial(_placed(outlines[number], space))
        else:
            rows.enqueue_trial({})
    return rows


def _placed(outline: Outline, space: Space) -> FrozenTrial:
    try:
        return frozen(outline, space)
    except ValueError as error:
        raise UserError(f"study.yaml: {foreign_line([outline.number])} ({one_line(error)})") from error


def keep_aside(path: Path) -> None:
    """Move a database away, with the journals that belong to it."""
    taken = next(number for number in itertools.count() if not list(path.parent.glob(f"{path.name}.torn-{number}*")))
    for suffix in ("", "-wal", "-shm", "-journal"):
        file = path.with_name(path.name + suffix)
        if os.path.lexists(file):
            file.rename(path.with_name(f"{path.name}.torn-{taken}{suffix}"))
