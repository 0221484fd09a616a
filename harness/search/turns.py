"""Whose turn it is: what every branch of ``defense`` was asked so far, kept up to date trial by trial."""

import bisect
import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping

from harness.records import Scalar, derive
from harness.search.drawing import entries_of, enumerate_branch, settled, size
from harness.study import Choices, Range, Study

Params = Mapping[str, Scalar]
Key = tuple[tuple[str, str], ...]


class Turns:
    """Answers what the next trial is pinned to; takes no longer the more trials there are.

    Args:
        study: Its branches, anchors, allocation and budget.
    """

    def __init__(self, study: Study) -> None:
        self._search, self._space = study.search, study.space()
        self._entries = entries_of(self._space)
        self._sizes = {branch: size(self._space, branch) for branch in self._space.defense}
        self._asked: Counter[Scalar] = Counter()
        self._times: defaultdict[Scalar, Counter[Key]] = defaultdict(Counter)
        """How often each setting of a finite branch was asked."""
        self._repeats: dict[str, _Repeats] = {}

    def count(self, params: Params) -> None:
        """Take a trial into account by its drawn parameters."""
        branch = params.get("defense/name")
        self._asked[branch] += 1
        if self._sizes.get(str(branch), math.inf) < math.inf:
            key = self._key(params)
            self._times[branch][key] += 1
            if branch in self._repeats:
                self._repeats[branch].count(key)

    def due(self, number: int, total: int) -> tuple[dict[str, Scalar], bool]:
        """Return what a trial is pinned to, an anchor or the branch whose turn it is, and whether it is the former.

        Args:
            number: The trial's number.
            total: Rows there are before it; a finite branch's choice is seeded by it.
        """
        anchors = self._search.anchors
        if number < len(anchors):
            return settled(self._space, anchors[number]), True
        if self._search.allocate == "joint" and self._search.sampler != "grid":
            return {}, False
        branch = min(self._open_branches(), key=lambda name: self._asked[name])
        return self._turn(branch, total), False

    def _open_branches(self) -> list[str]:
        """Return the branches that have something new; all of them if none has."""
        return [name for name, count in self._sizes.items() if len(self._times[name]) < count] or list(self._sizes)

    def _turn(self, branch: str, total: int) -> dict[str, Scalar]:
        """Return what a branch's next trial is pinned to: of a small finite branch, a setting not asked yet."""
        grid = self._search.sampler == "grid"
        if self._sizes[branch] > self._search.trials and not grid:
            return {"defense/name": branch}
        if branch not in self._repeats:
            settings = list(enumerate_branch(self._space, branch))
            self._repeats[branch] = _Repeats(settings, [self._key(one) for one in settings], self._times[branch])
        least = self._repeats[branch]
        return least.first() if grid else least.any_of(random.Random(derive(self._search.seed, "finite", total)))

    def _key(self, params: Params) -> Key:
        """Return what tells settings of a branch apart: the positions of their values, on a grid or among choices."""
        return tuple(sorted((path, self._place(path, value)) for path, value in params.items()))

    def _place(self, path: str, value: Scalar) -> str:
        entry = self._entries.get(path)
        position = entry.position(value) if isinstance(entry, Range | Choices) else None
        return repr(value) if position is None else f"#{position}"


class _Repeats:
    """The settings of a finite branch by how often they were asked, each level in file order."""

    def __init__(self, settings: list[dict[str, Scalar]], keys: list[Key], times: Mapping[Key, int]) -> None:
        self._settings = settings
        self._places = {key: place for place, key in enumerate(keys)}
        self._times = [times[key] for key in self._places]
        self._levels: defaultdict[int, list[int]] = defaultdict(list)
        for place, asked in enumerate(self._times):
            self._levels[asked].append(place)

    def count(self, key: Key) -> None:
        """Move a setting one level up; one that is none of the branch's, as an anchor off a grid, counts for none."""
        place = self._places.get(key)
        if place is None:
            return
        level = self._levels[self._times[place]]
        del level[bisect.bisect_left(level, place)]
        if not level:
            del self._levels[self._times[place]]
        self._times[place] += 1
        bisect.insort(self._levels[self._times[place]], place)

    def first(self) -> dict[str, Scalar]:
        """Return the first setting of those asked least."""
        return self._settings[self._least()[0]]

    def any_of(self, rng: random.Random) -> dict[str, Scalar]:
        """Return a random setting of those asked least."""
        return self._settings[rng.choice(self._least())]

    def _least(self) -> list[int]:
        return self._levels[min(self._levels)]
