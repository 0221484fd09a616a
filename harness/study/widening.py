"""Whether a study is another one widened: all that its trials were drawn from is there still, and more."""

import json
from collections.abc import Iterator, Mapping

from harness.records import Change
from harness.study.distributions import Choices, Range, Setting, holds
from harness.study.identity import Difference, differences, equal, plain
from harness.study.problem import Problem
from harness.study.space import Entries
from harness.study.study import Study

WIDENED = ("model", "train", "defense", "term", "attacks")
"""Sections of a study that can be widened."""

UNINFORMED = "search/origin"
"""What ends the informing of a search by another study's results, if it is set to null."""

RULE = "a study is widened, never narrowed; for another one choose another name"


def widened(there: Study, wider: Study) -> tuple[Change, ...]:
    """Return what a study has more than another one; empty if they are the same.

    Args:
        there: The study that trials were asked of.
        wider: What it is to become: ranges and choices that hold the old ones, more branches, attacks, repetitions.

    Raises:
        Problem: names the first path at which something is gone or another, with both values.
    """
    ended = tuple(_ended(there, wider))
    for difference in differences(there, wider):
        if difference.path.split("/")[0] not in (*WIDENED, "order") and not (ended and _is_origin(difference)):
            raise _gone(difference)
    before, after = there.space(), wider.space()
    if (before.term is None) != (after.term is None):
        raise Problem("term", f"the study has {'no ' if before.term is None else ''}terms; {RULE}")
    changes = [*_settings(before.shared, after.shared)]
    for (role, given), (_, now) in zip(before.roles(), after.roles(), strict=True):
        changes += _branches(role, given, now)
    return (*changes, *_attacks(there, wider), *ended)


def _ended(there: Study, wider: Study) -> Iterator[Change]:
    """Yield that results of another study inform the search no more, as if they were lost: they are none of its own."""
    origin = there.search.origin
    if origin is not None and origin.take == "results" and wider.search.origin is None:
        results = f"{origin.taken} results of {origin.study} inform the search"
        yield Change(path=UNINFORMED, was=results, now="null")


def _is_origin(difference: Difference) -> bool:
    return difference.path == UNINFORMED or difference.path.startswith(f"{UNINFORMED}/")


def covers(wider: Setting, entry: Setting) -> bool:
    """Say whether all values of a setting can be drawn from a wider one; how likely each is may change."""
    if not isinstance(entry, Range):
        return all(holds(wider, value) for value in (entry.values if isinstance(entry, Choices) else (entry,)))
    size = entry.size()
    if isinstance(wider, Range):
        if size is None:
            return wider.grid is None and wider.low <= entry.low and entry.high <= wider.high
        return all(wider.contains(entry.at(index)) for index in {0, min(1, size - 1), size - 1})
    return size is not None and all(holds(wider, entry.at(index)) for index in range(size))


def shown(entry: Setting) -> str:
    """Return a setting as JSON."""
    return json.dumps(plain(entry))


def _gone(difference: Difference) -> Problem:
    return Problem(difference.path, f"{difference.other} in place of {difference.one}; {RULE}")


def _settings(before: Entries, after: Entries) -> Iterator[Change]:
    for path in (*before, *(path for path in after if path not in before)):
        if path not in before:
            raise Problem(path, f"{shown(after[path])}: the trials have no such setting; {RULE}")
        if path not in after:
            raise Problem(path, f"absent in place of {shown(before[path])}; {RULE}")
        if not covers(after[path], before[path]):
            raise Problem(path, f"{shown(after[path])} does not hold all of {shown(before[path])}; {RULE}")
        if not equal(plain(before[path]), plain(after[path])):
            yield Change(path=path, was=shown(before[path]), now=shown(after[path]))


def _branches(role: str, before: Mapping[str, Entries], after: Mapping[str, Entries]) -> Iterator[Change]:
    kept = [branch for branch in after if branch in before]
    if kept != list(before):
        raise Problem(role, f"branches {', '.join(after)} in place of {', '.join(before)}, in that order; {RULE}")
    for branch, entries in after.items():
        if branch in before:
            yield from _settings(before[branch], entries)
        else:
            own = {path.split("/", 2)[2]: plain(entry) for path, entry in entries.items()}
            yield Change(path=f"{role}/{branch}", was="absent", now=json.dumps(own))


def _attacks(there: Study, wider: Study) -> Iterator[Change]:
    for name, effort in there.attacks.items():
        now = wider.attacks.get(name)
        if now is None or (now.budget, now.tune) != (effort.budget, effort.tune) or now.seeds < effort.seeds:
            value = "absent" if now is None else now.model_dump_json()
            raise Problem(f"attacks/{name}", f"{value} in place of {effort.model_dump_json()}; {RULE}")
        if now.seeds > effort.seeds:
            yield Change(path=f"attacks/{name}/seeds", was=str(effort.seeds), now=str(now.seeds))
    for name, effort in wider.attacks.items():
        if name not in there.attacks:
            yield Change(path=f"attacks/{name}", was="absent", now=effort.model_dump_json())
