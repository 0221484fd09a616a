"""Reads a study: the file, ``--set``, the defaults, each error one line; needs neither torch nor what it names."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

import search_spaces
from harness import plugins
from harness.errors import UserError
from harness.records import CURRENT, VERSIONS, Borrowed, Scalar, Value, former, keys_after, one_line
from harness.study import warm
from harness.study.anchors import relieved
from harness.study.beginning import Begun, begun_with, refuse_foreign
from harness.study.folders import located
from harness.study.keys import refuse_misplaced, refuse_odd_keys
from harness.study.overrides import BRANCHED, Override, apply, parse
from harness.study.problem import Problem, problem_of, unknown_key
from harness.study.sections import Model
from harness.study.study import Study

DEFAULTS: dict[str, Any] = {
    "defense": {"none": {}, "laplace": "default", "cem_paper": "default", "cem_code": "default"},
    "attacks": {"decoder": "quick"},
}
"""What a file has that is silent about them."""


OWN = "study.yaml"
"""Name of the file of a study's directory."""


class Loaded(NamedTuple):
    """A resolved study, and where each of its values was written."""

    study: Study
    overrides: tuple[Override, ...]
    where: str
    """The file."""
    borrowed: Borrowed | None = None
    """Results of another study that it takes; null if it takes none, or has them on storage."""

    def blamed(self, problem: Problem) -> UserError:
        """Return a problem with the place where its value was written."""
        return UserError(f"{self.place(problem.path, self.overrides, self.where)}: {problem}")

    @staticmethod
    def place(path: str, overrides: Sequence[Override], where: str) -> str:
        """Return where a value was written: an override, or else the file."""
        override = _touching(path, overrides)
        return where if override is None else override.shown


def load_study(space: str | Path, overrides: Sequence[str] = (), trials: int | None = None) -> Study:
    """Return a study from its file, resolved; `harness.study.check` holds it against the parts that it names.

    Args:
        space: A YAML file, or the name of a bundled study.
        overrides: ``PATH=VALUE`` each, applied in order.
        trials: Budget that replaces the file's.

    Raises:
        UserError: names where, the path, the value and the way out, in one line.
    """
    return load(space, overrides, trials).study


def load(
    space: str | Path, overrides: Sequence[str] = (), trials: int | None = None, out: Path | None = None
) -> Loaded:
    """Return what ``load_study`` returns, with where each value was written.

    Args:
        space: As of ``load_study``.
        overrides: As of ``load_study``.
        trials: As of ``load_study``.
        out: Folder of studies: one that has begun there keeps what it took of another study.
    """
    path = Path(space)
    if path.name == OWN and not path.exists() and (path.parent / "trials").is_dir():
        raise UserError(f"{path}: is missing; `invfront doctor {path.parent}` says how to have it back")
    try:
        given, where = search_spaces.load(space)
    except (ValueError, OSError) as error:
        raise UserError(one_line(error)) from error
    written: list[Override] = []
    beside = path.parent if path.is_file() else None
    try:
        written += read(overrides, trials)
        study, borrowed = resolve(given, written, beside, out)
        return Loaded(study, tuple(written), where, borrowed)
    except Problem as problem:
        raise UserError(f"{Loaded.place(problem.path, written, where)}: {problem}") from problem


def load_text(text: str, where: str) -> Study:
    """Return a study from the text of its file, whose name is ``where``; errors as of ``load_study``."""
    try:
        given = search_spaces.parse(text)
        if not isinstance(given, dict):
            raise UserError(f"{where}: holds no study")
        return resolve(given, [], None).study
    except (ValueError, Problem) as error:
        raise UserError(f"{where}: {one_line(error)}") from error


def read(texts: Sequence[str], trials: int | None) -> list[Override]:
    """Return overrides from ``PATH=VALUE`` each, ``--trials`` last; errors as of ``load_study``."""
    found = []
    for text in texts:
        try:
            found.append(parse(text))
        except Problem as problem:
            raise UserError(f"--set {text}: {problem.text}") from problem
    return [*found, *([] if trials is None else [Override("search/trials", trials, f"--trials {trials}")])]


def resolve(
    given: dict[Any, Any], overrides: Sequence[Override], beside: Path | None, out: Path | None = None
) -> Begun:
    """Return a study from its file as written.

    Args:
        given: The file; it stays as it is.
        overrides: Applied in order.
        beside: The file's folder; null of a bundled one.
        out: As of ``load``.

    Raises:
        Problem: the first thing that is wrong.
    """
    mapping = copy.deepcopy(DEFAULTS | given)
    refuse_odd_keys(mapping)
    _fill(mapping)
    _expand(mapping)
    for override in overrides:
        if override.path == "version":
            raise Problem("version", f"{override.value!r}: is the package's that made the study; leave it out")
        apply(mapping, override)
        refuse_odd_keys(mapping)
        _expand(mapping)
    wish = warm.wish_of(mapping)
    refuse_misplaced(mapping)
    _settle_network(mapping)
    try:
        study = Study.model_validate(mapping)
    except ValidationError as error:
        raise problem_of(error) from None
    refuse_foreign(study)
    settled = _settled(study, overrides, beside)
    if wish is None:
        return Begun(settled)
    folder = located(warm.PATH, wish.study, None if _touching(warm.PATH, overrides) else beside)
    own = None if out is None else out / study.name / OWN
    return begun_with(settled, wish, Path(folder), own, load_study)


def _fill(mapping: dict[Any, Any]) -> None:
    """Give a directory's own file its version, and keys that came later what their absence meant in it."""
    version = str(mapping.setdefault("version", VERSIONS[0] if mapping.get("ledger") else CURRENT))
    if mapping["version"] is None:
        raise Problem("version", f"is empty; write `version: '{CURRENT}'`, or leave the line out in a file of your own")
    if version not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise Problem("version", f"{version!r} is unknown, this invfront reads {known}; install the one that wrote it")
    train = mapping.get("train")
    recipe = train.get("recipe", "fast") if isinstance(train, Mapping) else "fast"
    later = former(recipe) if isinstance(recipe, str) else {}
    # a directory's own file is whole: what it lacks there was not, whatever version it is of
    unknown = later if mapping.get("ledger") else keys_after(version)
    fill(mapping, {path: later[path] for path in unknown if path in later})


def fill(mapping: dict[Any, Any], meanings: Mapping[str, Scalar]) -> None:
    """Set what is absent at paths of a mapping; a section that is none is left to be refused."""
    for path, meaning in meanings.items():
        *owners, last = path.split("/")
        section: Any = mapping
        for owner in owners:
            section = section.setdefault(owner, {}) if isinstance(section, dict) else None
        if isinstance(section, dict):
            section.setdefault(last, meaning)


def _settled(study: Study, overrides: Sequence[Override], beside: Path | None) -> Study:
    """Make folders of images absolute, and let anchors of the file give way to what was set beside it.

    A directory's own file has whole paths, which may hold what would be a variable elsewhere.
    """
    update: dict[str, Value] = {}
    for name, section in (("data", study.data), ("attacker", study.attacker)):
        root, path = section.root, f"{name}/root"
        outside = _touching(path, overrides) is not None
        if root is not None and (outside or study.ledger is None):
            folder = located(path, root, None if outside else beside)
            update[name] = section.model_copy(update={"root": folder})
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


def _settle_network(mapping: dict[Any, Any]) -> None:
    """Refuse unknown keys of ``model``, of which a network of one's own is none; its settings may be empty."""
    model = mapping.get("model")
    if not isinstance(model, Mapping):
        return
    fields = list(Model.model_fields)
    own = [key for key in model if key not in fields]
    for key in own:
        if not plugins.is_plugin(str(key), plugins.MODELS):
            raise unknown_key("model", key, [*fields, "the settings of a network of your own as package.module:Class"])
    named = [*own, *([model["name"]] if own and "name" in model else [])]
    if len(set(map(str, named))) > 1:
        listed = ", ".join(map(str, named))
        raise Problem(f"model/{own[-1]}", f"{listed}: a study has one network; leave the others out")
    mapping["model"] = {key: {} if key in own and value is None else value for key, value in model.items()}


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


def _touching(path: str, overrides: Sequence[Override]) -> Override | None:
    """Return the last override of a path, of what it is in, or of what is in it."""
    for override in reversed(overrides):
        if f"{path}/".startswith(f"{override.path}/") or f"{override.path}/".startswith(f"{path}/"):
            return override
    return None
