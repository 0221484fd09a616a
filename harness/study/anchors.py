"""Settings that are tried first: whether a study can draw them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.records import Scalar
from harness.study.distributions import Distribution, Setting, holds
from harness.study.problem import Problem, suggestion
from harness.study.space import Space

Anchor = Mapping[str, Scalar]


class Misfit(NamedTuple):
    """A setting of an anchor that its study cannot draw."""

    path: str
    why: str


def check_anchors(space: Space, anchors: Sequence[Anchor]) -> None:
    """Refuse an anchor outside the study.

    Raises:
        Problem: names the setting, the value and what the study has.
    """
    for index, anchor in enumerate(anchors):
        for misfit in misfits(space, anchor):
            raise Problem(f"search/anchors/{index}/{misfit.path}", misfit.why)


def relieved(space: Space, anchors: Sequence[Anchor], moved: Callable[[str], bool]) -> tuple[dict[str, Scalar], ...]:
    """Return anchors without what no longer fits because it was moved; whole anchors go with their branch.

    So a study whose noise is pinned from the command line still tries the undefended network first.
    """
    kept = []
    for anchor in anchors:
        gone = {misfit.path for misfit in misfits(space, anchor) if moved(misfit.path)}
        if not any(path in gone for path in ("defense/name", "term/name")):
            kept.append({path: value for path, value in anchor.items() if path not in gone})
    return tuple(anchor for anchor in kept if anchor)


def misfits(space: Space, anchor: Anchor) -> Iterator[Misfit]:
    """Yield every setting of an anchor that the study cannot draw, branches first."""
    known: dict[str, Setting] = dict(space.shared)
    names = {f"{role}/name": given for role, given in space.roles()}
    for path, given in names.items():
        name = anchor.get(path)
        if isinstance(name, str) and name in given:
            known |= given[name]
        elif path in anchor:
            yield Misfit(path, f"{name!r} is no branch of the study; take one of {', '.join(given)}")
    for path, value in anchor.items():
        if path in names:
            continue
        if path not in known:
            yield Misfit(path, f"unknown setting{suggestion(path, known)}; {_ways(path, space)}")
        elif not holds(known[path], value):
            yield Misfit(path, f"{value!r} is outside the study, which has {_shown(known[path])}; take a value of that")


def _shown(entry: Setting) -> str:
    return str(entry.plain()) if isinstance(entry, Distribution) else repr(entry)


def _ways(path: str, space: Space) -> str:
    """Return how an anchor could name a setting."""
    for role, given in space.roles():
        for branch, entries in given.items():
            if path in entries:
                return f"it belongs to branch {branch}: the anchor must have {role}/name: {branch}"
    settings = [*space.shared, *(f"{role}/name" for role, _ in space.roles())]
    return f"an anchor takes {', '.join(settings)} and the settings of its branch"
