"""Settings that another study found best, taken as anchors: what this one tries first."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.judging import Front, judged_trials
from harness.ledger import Ledger, find_study
from harness.records import Scalar
from harness.study.anchors import misfits
from harness.study.distributions import Distribution, Setting
from harness.study.problem import Problem
from harness.study.space import Space

PATH = "search/from"
"""Where a study file names the other study."""


def source_of(mapping: Mapping[str, Any]) -> str | None:
    """Take the other study out of a study file as written: what is taken from it stands among the anchors then.

    Raises:
        Problem: it is no text.
    """
    search = mapping.get("search")
    source = search.pop("from", None) if isinstance(search, dict) else None
    if source is not None and not isinstance(source, str):
        raise Problem(PATH, f"{source!r}: takes another study's directory")
    return source


def anchors_from(source: Path, space: Space) -> list[dict[str, Scalar]]:
    """Return the settings of another study's front that this study can draw, in the order of their trials.

    Of each what this study draws is taken; its constants are its own. A trial of which any of that lies outside this
    study is left out.

    Raises:
        Problem: there is no such study, its files cannot be read, or nothing of its front fits.
    """
    try:
        root = find_study(source)
        trials = {trial.number: trial for trial in judged_trials(Ledger(root))}
    except UserError as error:
        raise Problem(PATH, str(error)) from error
    front = [trials[number].asked.settings for number in Front(trials.values()).numbers]
    found: list[dict[str, Scalar]] = []
    for anchor in (anchor for settings in front for anchor in _fitting(settings, space)):
        if anchor not in found:
            found.append(anchor)
    if not found:
        raise Problem(PATH, f"{root}: none of the {len(front)} trials of its front fits this study; leave it out")
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
