"""How a study begins with another one: what it asks for is taken once, and kept by its own directory from then on."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.records import Borrowed, Scalar
from harness.study.evidence import results_of
from harness.study.problem import Problem
from harness.study.sections import Origin
from harness.study.study import Study
from harness.study.warm import PATH, StudyAt, Wish, anchors_from, is_that, other_study


class Begun(NamedTuple):
    """A resolved study, and what it takes of another one."""

    study: Study
    borrowed: Borrowed | None = None
    """Results of another study; null if it takes none, or has them on storage."""


def begun_with(study: Study, wish: Wish, folder: Path, own: Path | None, study_at: StudyAt) -> Begun:
    """Return a study with what it asks for of another one.

    Args:
        study: The study.
        wish: What it asks for.
        folder: The other study's directory.
        own: The study file that its own directory would have: a study that has begun keeps what it took then, whatever
            has become of the other one. Null if its directory is not known.
        study_at: Reads a study file.

    Raises:
        Problem: the other study cannot be read, or gives nothing.
    """
    there = study_at(own).search if own is not None and own.exists() else None
    origin = None if there is None else there.origin
    if there is not None and origin is not None and origin.take == wish.take and is_that(folder, origin, study_at):
        taken = there.anchors[len(there.anchors) - origin.taken :] if wish.take == "anchors" else ()
        return Begun(_with(study, origin, taken))
    other = other_study(folder, study_at)
    if wish.take == "anchors":
        known = study.search.anchors
        added = [anchor for anchor in anchors_from(other, study.space()) if anchor not in known]
        return Begun(_with(study, other.origin("anchors", len(added)), added))
    borrowed = results_of(other, study)
    origin = other.origin("results", len(borrowed.results), borrowed.sha256(), study.efforts())
    return Begun(_with(study, origin, ()), borrowed)


def refuse_foreign(study: Study) -> None:
    """Refuse a note of borrowed results in a file that is no directory's own: they lie beside that one.

    Raises:
        Problem: says what to write in its place.
    """
    origin = study.search.origin
    if study.ledger is None and origin is not None and origin.take == "results":
        raise Problem("search/origin", f"is what a study's own directory notes; write {PATH} in its place")


def _with(study: Study, origin: Origin, anchors: Sequence[dict[str, Scalar]]) -> Study:
    """Return a study that notes what it took, settings among it after its own anchors."""
    search = study.search.model_copy(update={"origin": origin, "anchors": (*study.search.anchors, *anchors)})
    return study.model_copy(update={"search": search})
