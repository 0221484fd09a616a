"""Everything that is wrong with a study file at once: what was found is put right, and the rest read again."""

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import search_spaces
from harness.errors import UserError
from harness.records import one_line
from harness.study.check import check, check_ready
from harness.study.held import started
from harness.study.load import Loaded, read, resolve
from harness.study.overrides import Override
from harness.study.problem import Problem
from harness.study.study import Study

MOST = 100
"""Faults after which no more are looked for."""

PLACEHOLDERS = {"name": "unnamed"}
"""What stands for a key that a study cannot do without."""


class Fault(NamedTuple):
    """One thing that is wrong."""

    path: str
    text: str
    """The value, and the way out."""
    where: str
    """The file, or the override as it was written."""


class Inspection(NamedTuple):
    """What was found in a study file."""

    study: Study | None
    """The study, if nothing is wrong."""
    faults: tuple[Fault, ...]


def inspect(space: str | Path, overrides: Sequence[str] = (), trials: int | None = None) -> Inspection:
    """Return everything that is wrong with a study file, or the study; arguments as of ``load_study``.

    Plug-ins that it names are imported, and its folders of images are looked at.
    """
    try:
        given, where = search_spaces.load(space)
    except (ValueError, OSError) as error:
        return Inspection(None, (Fault("", one_line(error), str(space)),))
    faults, written = [], []
    for text in overrides:
        try:
            written += read([text], None)
        except UserError as error:
            path = text.partition("=")[0].strip()
            faults.append(Fault(path, str(error).removeprefix(f"--set {text}: "), f"--set {text}"))
    written += read([], trials)
    reading = _Reading(copy.deepcopy(given), written, where, Path(space).parent if Path(space).is_file() else None)
    study = reading.read()
    return Inspection(None if faults or reading.faults else study, (*faults, *reading.faults))


class _Reading:
    """A study file that is read again and again, each time without what was found wrong with it."""

    def __init__(self, given: dict[Any, Any], written: list[Override], where: str, beside: Path | None) -> None:
        self._given, self._written, self._where, self._beside = given, written, where, beside
        self._anchors = [*range(len(_anchors_of(given)))]
        """Where the anchors that are left stand in the file."""
        self._seen: set[tuple[str, str]] = set()
        self._gone: list[str] = []
        self.faults: list[Fault] = []

    def read(self) -> Study | None:
        """Return the study that is left, if any is; what was wrong stands in ``faults``."""
        for _ in range(MOST):
            study = None
            try:
                study, borrowed = resolve(self._given, self._written, self._beside)
                study = started(study)
                check(study, borrowed)
                check_ready(study)
            except Problem as problem:
                found = problem
            except UserError as error:  # of the images
                path, _, text = str(error).partition(": ")
                found = Problem(path, text)
            else:
                return study
            if not self._tell(found) or not self._put_right(found):
                return study
        return None

    def _tell(self, problem: Problem) -> bool:
        """Take a problem down; return whether it was not known yet."""
        path = self._as_written(problem.path)
        if (path, problem.text) in self._seen or self._is_known(problem):
            return False
        self._seen.add((path, problem.text))
        if not self._follows(problem):
            self.faults.append(Fault(path, problem.text, Loaded.place(problem.path, self._written, self._where)))
        return True

    def _as_written(self, path: str) -> str:
        """Return a path with the place that an anchor has in the file."""
        found = re.fullmatch(r"search/anchors/(\d+)(.*)", path)
        if not found or int(found[1]) >= len(self._anchors):
            return path
        return f"search/anchors/{self._anchors[int(found[1])]}{found[2]}"

    def _is_known(self, problem: Problem) -> bool:
        """Say whether a folder of images is asked for that was there and no good."""
        return problem.path.endswith("/root") and problem.path in self._gone

    def _follows(self, problem: Problem) -> bool:
        """Say whether an anchor is only wrong because what it names was."""
        if not problem.path.startswith("search/anchors/"):
            return False
        named = problem.path.split("/", 3)[-1]
        role, _, last = named.partition("/")
        lost = [path for path in self._gone if f"{named}/".startswith(f"{path}/")]
        branches = [path.partition("/")[2] for path in self._gone if path.startswith(f"{role}/")]
        return bool(lost) or (last == "name" and any(repr(branch) in problem.text for branch in branches))

    def _put_right(self, problem: Problem) -> bool:
        """Take away what is wrong, or give a key the name that was meant; return whether there was anything."""
        path = problem.path
        self._gone.append(path)
        for override in reversed(self._written):
            if f"{path}/".startswith(f"{override.path}/") or f"{override.path}/".startswith(f"{path}/"):
                self._written.remove(override)
                return True
        if path in PLACEHOLDERS and path not in self._given:
            self._given[path] = PLACEHOLDERS[path]
            return True
        changed = _without(self._given, path, problem.nearest) or self._without_owner(path)
        self._drop_empty()
        return changed

    def _drop_empty(self) -> None:
        """Let go of what only is empty because of what was taken away."""
        for section in ("attacks", "defense", "term"):
            if self._given.get(section) == {}:
                del self._given[section]
        anchors = _anchors_of(self._given)
        for index in reversed([index for index, anchor in enumerate(anchors) if anchor == {}]):
            del anchors[index]
            del self._anchors[index]

    def _without_owner(self, path: str) -> bool:
        owner = path.rpartition("/")[0]
        return bool(owner) and (_without(self._given, owner, None) or self._without_owner(owner))


def _anchors_of(given: dict[Any, Any]) -> list[Any]:
    search = given.get("search")
    anchors = search.get("anchors") if isinstance(search, dict) else None
    return anchors if isinstance(anchors, list) else []


def _without(section: Any, path: str, nearest: str | None) -> bool:
    """Remove the value at a path, or what it is in if that has no keys; return whether there was one."""
    if isinstance(section, list):
        index, _, rest = path.partition("/")
        if not index.isdecimal() or int(index) >= len(section):
            return False
        if not rest or not _without(section[int(index)], rest, nearest):
            section[int(index)] = {}
        return True
    for key in section if isinstance(section, dict) else ():
        if str(key) == path:
            value = section.pop(key)
            if nearest is not None and nearest not in section:
                section[nearest] = value
            return True
    for key in list(section) if isinstance(section, dict) else ():
        if path.startswith(f"{key}/"):
            if isinstance(section[key], dict | list):
                return _without(section[key], path.removeprefix(f"{key}/"), nearest)
            del section[key]
            return True
    return False
