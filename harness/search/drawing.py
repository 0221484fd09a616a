"""What a study searches over, as Optuna draws it: every parameter by its path, conditional on the drawn branches."""

import itertools
import math
from collections.abc import Iterator, Mapping

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from harness.records import Scalar
from harness.study import Choices, Entries, Range, Setting, Space, alike


def draw(trial: BaseTrial, space: Space) -> dict[str, Scalar]:
    """Return every setting of a trial by its path: constants as they are, the rest as Optuna suggests."""
    settings = _drawn(trial, space.shared)
    for role, branches in _roles(space).items():
        name = _suggest(trial, f"{role}/name", Choices(tuple(branches)))
        settings |= {f"{role}/name": name} | _drawn(trial, branches[str(name)])
    return settings


def drawn_entries(space: Space, settings: Mapping[str, Scalar]) -> dict[str, Range | Choices]:
    """Return what the parameters of a trial with these settings were drawn from, by path."""
    entries = dict(space.shared)
    for role, branches in _roles(space).items():
        entries |= {f"{role}/name": Choices(tuple(branches))} | dict(branches[str(settings[f"{role}/name"])])
    return {path: entry for path, entry in entries.items() if isinstance(entry, Range | Choices)}


def distributions(space: Space, settings: Mapping[str, Scalar]) -> dict[str, BaseDistribution]:
    """Return the distributions of the parameters that were drawn for a trial with these settings."""
    return {path: distribution(entry) for path, entry in drawn_entries(space, settings).items()}


def distribution(entry: Range | Choices) -> BaseDistribution:
    """Return a distribution of the study file as Optuna's."""
    if isinstance(entry, Choices):
        return CategoricalDistribution(list(entry.values))
    if isinstance(entry.low, int) and isinstance(entry.high, int):
        step = 1 if entry.step is None else int(entry.step)
        return IntDistribution(entry.low, entry.high, log=entry.log, step=step)
    return FloatDistribution(entry.low, entry.high, log=entry.log, step=entry.step)


def size(space: Space, branch: str) -> float:
    """Return how many different settings a branch of ``defense`` has, infinity included."""
    terms = sum(_size(entries) for entries in space.term.values()) if space.term else 1
    return _size(space.shared) * _size(space.defense[branch]) * terms


def enumerate_branch(space: Space, branch: str) -> Iterator[dict[str, Scalar]]:
    """Yield the drawn parameters of every setting of a finite branch, by path, in file order."""
    terms: list[tuple[str | None, Entries]] = list(space.term.items()) if space.term else [(None, {})]
    for term, entries in terms:
        lists = {
            path: values(entry)
            for path, entry in (dict(space.shared) | dict(space.defense[branch]) | dict(entries)).items()
            if isinstance(entry, Range | Choices)
        }
        named: dict[str, Scalar] = {"defense/name": branch}
        if term is not None:
            named["term/name"] = term
        for chosen in itertools.product(*lists.values()):
            yield named | dict(zip(lists, chosen, strict=True))


def values(entry: Range | Choices) -> list[Scalar]:
    """Return all values of a finite distribution."""
    return [entry.at(index) for index in range(entry.size() or 0)]


def drawn_alike(space: Space, settings: Mapping[str, Scalar], params: Mapping[str, Scalar]) -> bool:
    """Say whether a row's parameters are what was drawn for settings, numbers on a grid by their position."""
    entries = drawn_entries(space, settings)
    return entries.keys() == params.keys() and all(
        alike(entry, settings[path], params[path]) for path, entry in entries.items()
    )


def entries_of(space: Space) -> dict[str, Setting]:
    """Return every setting of a space by its path, those of all branches."""
    known: dict[str, Setting] = dict(space.shared)
    for branches in _roles(space).values():
        known |= {path: entry for entries in branches.values() for path, entry in entries.items()}
    return known


def settled(space: Space, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return parameters as the study's grids and choices have them: an anchor may spell a number otherwise."""
    known = entries_of(space)
    return {path: _settled(known.get(path), value) for path, value in params.items()}


def _settled(entry: Setting | None, value: Scalar) -> Scalar:
    return entry.settled(value) if isinstance(entry, Range | Choices) else value


def _roles(space: Space) -> dict[str, Mapping[str, Entries]]:
    return {"defense": space.defense} | ({"term": space.term} if space.term else {})


def _size(entries: Entries) -> float:
    sizes = (entry.size() for entry in entries.values() if isinstance(entry, Range | Choices))
    return math.prod(math.inf if count is None else count for count in sizes)


def _drawn(trial: BaseTrial, entries: Entries) -> dict[str, Scalar]:
    return {path: _suggest(trial, path, entry) for path, entry in entries.items()}


def _suggest(trial: BaseTrial, path: str, entry: Scalar | Range | Choices) -> Scalar:
    if not isinstance(entry, Range | Choices):
        return entry
    match distribution(entry):
        case CategoricalDistribution() as named:
            chosen: Scalar = trial.suggest_categorical(path, named.choices)
            return chosen
        case IntDistribution() as whole:
            return trial.suggest_int(path, whole.low, whole.high, log=whole.log, step=whole.step)
        case FloatDistribution() as real:
            number = trial.suggest_float(path, real.low, real.high, log=real.log, step=real.step)
            return entry.settled(number)
    raise TypeError(f"{path}: no way to draw from {entry}")
