"""Reads a study: the file, ``--set``, the defaults, then every check there is, each error one line."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import search_spaces
from harness import data
from harness.data import attacker
from harness.records.errors import UserError
from harness.records.record import Value
from harness.study.anchors import relieved
from harness.study.check import check, refuse_misplaced, refuse_odd_keys
from harness.study.distributions import probes
from harness.study.overrides import BRANCHED, Override, apply, parse
from harness.study.problem import Problem, problem_of
from harness.study.study import Study

DEFAULTS: dict[str, Any] = {
    "defense": {"none": {}, "laplace": "default", "cem_paper": "default", "cem_code": "default"},
    "attacks": {"decoder": "quick"},
}
"""What a file has that is silent about them."""


def load_study(
    space: str | Path, overrides: Sequence[str] = (), trials: int | None = None, *, plugins: bool = True
) -> Study:
    """Return a study from its file, checked and resolved.

    Args:
        space: A YAML file, or the name of a bundled study.
        overrides: ``PATH=VALUE`` each, applied in order.
        trials: Budget that replaces the file's.
        plugins: Whether to check settings against constructors, for which plug-ins are imported. False for reading
            a directory whose trials are not run.

    Raises:
        UserError: names where, the path, the value and the way out, in one line.
    """
    try:
        given, where = search_spaces.load(space)
    except (ValueError, OSError) as error:
        raise UserError(" ".join(str(error).split())) from error
    written: list[Override] = []
    try:
        for override in _overrides(overrides, trials):
            written.append(override)
        study = _resolved(given, written)
        if plugins:
            check(study)
    except Problem as problem:
        raise UserError(f"{_origin(problem.path, written, where)}: {problem}") from problem
    return study


def check_ready(study: Study) -> None:
    """Refuse a study whose images are not there, before any worker starts.

    Raises:
        UserError: a data set's folder is missing or does not hold what is expected, or it has too few images to train
            on or for the attacker to hold.
    """
    data.check(study.data.name, study.data.root, download=study.data.download, size=study.data.size)
    held = study.attacker
    if held.name is not None:
        attacker.check_other(held.name, held.root, study.data.name, study.data.root)
    if held.images is not None:
        attacker.check_images(held.images, held.data, study.data.name, held.name)
    for count in probes(study.train.images):
        if isinstance(count, int):
            data.check_train_images(study.data.name, count, study.protocol)


def _overrides(texts: Sequence[str], trials: int | None) -> Iterator[Override]:
    for text in texts:
        try:
            yield parse(text)
        except Problem as problem:
            raise UserError(f"--set {text}: {problem.text}") from problem
    if trials is not None:
        yield Override("search/trials", trials, f"--trials {trials}")


def _resolved(given: dict[Any, Any], overrides: Sequence[Override]) -> Study:
    mapping = copy.deepcopy(DEFAULTS | given)
    refuse_odd_keys(mapping)
    _expand(mapping)
    for override in overrides:
        apply(mapping, override)
        refuse_odd_keys(mapping)
        _expand(mapping)
    refuse_misplaced(mapping)
    try:
        study = Study.model_validate(mapping)
    except ValidationError as error:
        raise problem_of(error) from None
    return _settled(study, overrides)


def _settled(study: Study, overrides: Sequence[Override]) -> Study:
    """Make folders of images absolute, and let anchors of the file give way to what was set beside it."""
    update: dict[str, Value] = {}
    for name, section in (("data", study.data), ("attacker", study.attacker)):
        if section.root is not None:
            root = str(Path(section.root).expanduser().absolute())
            update[name] = section.model_copy(update={"root": root})
    if _touching("search/anchors", overrides) is None:
        anchors = relieved(study.space(), study.search.anchors, lambda path: _touching(path, overrides) is not None)
        update["search"] = study.search.model_copy(update={"anchors": anchors})
    return study.model_copy(update=update)


def _expand(mapping: dict[Any, Any]) -> None:
    """Replace ``default`` by the bundled ranges, and an empty branch by one without settings."""
    for role in BRANCHED:
        if not isinstance(mapping.get(role), Mapping):
            continue
        mapping[role] = {branch: _branch(role, branch, entries) for branch, entries in mapping[role].items()}


def _branch(role: str, branch: str, entries: Any) -> Any:
    if entries is None:
        return {}
    if isinstance(entries, str):
        if entries != "default":
            raise Problem(f"{role}/{branch}", f"takes a mapping of settings or `default`, not {entries!r}")
        try:
            ranges: dict[Any, Any] = search_spaces.defense(branch)
            return ranges
        except ValueError as error:
            raise Problem(f"{role}/{branch}", str(error)) from error
    return entries


def _origin(path: str, overrides: Sequence[Override], where: str) -> str:
    """Return where the value at a path was written: an override, or else the file."""
    override = _touching(path, overrides)
    return where if override is None else override.shown


def _touching(path: str, overrides: Sequence[Override]) -> Override | None:
    """Return the last override of a path, of what it is in, or of what is in it."""
    for override in reversed(overrides):
        if f"{path}/".startswith(f"{override.path}/") or f"{override.path}/".startswith(f"{path}/"):
            return override
    return None
