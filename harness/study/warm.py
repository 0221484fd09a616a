"""What a study starts with of another one: the settings that were best there, or all that was measured there."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.errors import UserError
from harness.judging import Front, JudgedTrial, judged_trials
from harness.ledger import Ledger, find_study
from harness.records import Scalar
from harness.study.anchors import misfits
from harness.study.distributions import Distribution, Setting
from harness.study.problem import Problem, listed
from harness.study.sections import Origin
from harness.study.space import Space
from harness.study.study import Study

PATH = "search/from"
"""Where a study file names the other study."""

StudyAt = Callable[[Path], Study]
"""Reads a study file."""

TAKES = ("anchors", "results")

KEYS = ("study", "take")
"""What ``from`` takes if it is more than a directory."""


class Wish(NamedTuple):
    """What a study file asks for of another study."""

    study: str
    """The other study's directory, as written."""
    take: Literal["anchors", "results"]


class Other(NamedTuple):
    """Another study, as its directory stands."""

    root: Path
    study: Study
    trials: tuple[JudgedTrial, ...]

    def origin(
        self,
        take: Literal["anchors", "results"],
        taken: int,
        sha256: str | None = None,
        attacks: tuple[str, ...] = (),
    ) -> Origin:
        """Return what a study remembers of what it took; arguments as of ``Origin``."""
        named = self.study.named()
        return Origin(
            take=take,
            study=named["name"],
            digest=named["digest"],
            ledger=self.study.ledger,
            taken=taken,
            sha256=sha256,
            attacks=attacks,
        )


def wish_of(mapping: Mapping[str, Any]) -> Wish | None:
    """Take the other study out of a study file as written: what is taken from it stands elsewhere then.

    Raises:
        Problem: it is neither a directory nor ``{study, take}``.
    """
    search = mapping.get("search")
    given = search.pop("from", None) if isinstance(search, dict) else None
    if given is None:
        return None
    if isinstance(given, str):
        return Wish(given, "anchors")
    if not isinstance(given, dict):
        raise Problem(PATH, f"{given!r}: takes another study's directory, or {{study: DIRECTORY, take: results}}")
    if unknown := [key for key in given if key not in KEYS]:
        raise Problem(f"{PATH}/{unknown[0]}", f"unknown key; {listed(PATH, KEYS)}")
    study, take = given.get("study"), given.get("take", "anchors")
    if not isinstance(study, str):
        raise Problem(f"{PATH}/study", f"{study!r}: takes another study's directory")
    if take not in TAKES:
        raise Problem(f"{PATH}/take", f"takes {' or '.join(TAKES)}, not {take!r}")
    return Wish(study, take)


def other_study(folder: Path, study_at: StudyAt) -> Other:
    """Return another study.

    Args:
        folder: Its directory, or one that holds just it.
        study_at: Reads its file.

    Raises:
        Problem: there is no such study, or its files cannot be read.
    """
    try:
        root = find_study(folder)
        return Other(root, study_at(root / "study.yaml"), tuple(judged_trials(Ledger(root))))
    except UserError as error:
        raise Problem(PATH, str(error)) from error


def is_that(folder: Path, origin: Origin, study_at: StudyAt) -> bool:
    """Say whether a directory is where something was taken from: the same ledger, wherever it lies, or gone by now."""
    try:
        root = find_study(folder)
    except UserError:
        return True
    try:
        return study_at(root / "study.yaml").ledger == origin.ledger
    except UserError:
        return False


def anchors_from(other: Other, space: Space) -> list[dict[str, Scalar]]:
    """Return the settings of another study's front that this study can draw, in the order of their trials.

    Of each what this study draws is taken; its constants are its own. A trial of which any of that lies outside this
    study is left out.

    Raises:
        Problem: nothing of its front fits.
    """
    trials = {trial.number: trial for trial in other.trials}
    front = [trials[number].asked.settings for number in Front(other.trials).numbers]
    found: list[dict[str, Scalar]] = []
    for anchor in (anchor for settings in front for anchor in _fitting(settings, space)):
        if anchor not in found:
            found.append(anchor)
    if not found:
        raise Problem(PATH, f"{other.root}: none of the {len(front)} trials of its front fits this study; leave it out")
    return found


def _fitting(settings: Mapping[str, Scalar], space: Space) -> Iterator[dict[str, Scalar]]:
    """Yield what a study draws of a trial's settings, if it can: a trial with a term is none of a study without."""
    if space.term is None and "term/name" in settings:
        return
    drawn = {path for path, entry in space.shared.items() if isinstance(entry, Distribution)}
    for role, given in space.roles():
        name = settings.get(f"{role}/name")
        own: Mapping[str, Setting] = given.get(str(name), {})
        drawn |= {f"{role}/name", *(path for path, entry in own.items() if isinstance(entry, Distribution))}
    anchor = {path: value for path, value in settings.items() if path in drawn}
    if not any(misfits(space, anchor)):
        yield anchor
