"""Whose turn it is, beside a plain reference that looks through all trials at every turn."""

import itertools
import random
from typing import Any, NamedTuple

import pytest

from harness.records import Scalar
from harness.search.turns import Turns
from harness.study import Study

Params = dict[str, Scalar]
SIGMA = "model/sigma"
INFINITE = {"low": 0.1, "high": 1.0, "log": True}
ENTRIES: dict[str, tuple[Any, list[Scalar]]] = {
    "choices": ({"choices": ["a", "b"]}, ["a", "b"]),
    "whole": ({"low": 1, "high": 3}, [1, 2, 3]),
    "stepped": ({"low": 0.5, "high": 2.0, "step": 0.5}, [0.5, 1.0, 1.5, 2.0]),
    "constant": (7, []),
}
"""Entries of a study file, with what each draws from."""


class Branch(NamedTuple):
    """A branch of a study."""

    file: dict[str, Any]
    """Its entries as the study file has them."""
    lists: dict[str, list[Scalar]]
    """What its finite entries draw from, by path, in file order."""
    infinite: str | None
    """Path of an entry that draws from infinitely many."""


def branch(rng: random.Random, role: str, name: str, infinite: bool) -> Branch:
    """Draw a branch of up to two finite entries."""
    chosen = rng.sample(list(ENTRIES), rng.randrange(3))
    file = {entry: ENTRIES[entry][0] for entry in chosen}
    lists = {f"{role}/{name}/{entry}": ENTRIES[entry][1] for entry in chosen if ENTRIES[entry][1]}
    if not infinite:
        return Branch(file, lists, None)
    return Branch(file | {"lam": INFINITE}, lists, f"{role}/{name}/lam")


class Case:
    """A random study, and what the rules say that its next trial is pinned to."""

    def __init__(self, seed: int, sampler: str, allocate: str) -> None:
        self.rng = rng = random.Random(seed)
        grid = sampler == "grid"
        self.defenses = {
            name: branch(rng, "defense", name, infinite=not grid and rng.random() < 0.3)
            for name in "pqrs"[: rng.randint(1, 4)]
        }
        self.terms = {name: branch(rng, "term", name, infinite=False) for name in "tu"} if rng.random() < 0.3 else {}
        self.sigmas: list[Scalar] = [0.05, 0.1][: rng.randint(1, 2)]
        self.trials: list[Params] = []
        self.anchors = [self.drawn(rng.choice(list(self.defenses))) for _ in range(rng.randrange(4))]
        self.anchors += [{"defense/name": rng.choice(list(self.defenses))}]
        self.grid, self.joint, self.budget = grid, allocate == "joint" and not grid, rng.choice((4, 12, 60))
        given = {"trials": self.budget, "sampler": sampler, "allocate": allocate, "seed": seed}
        term = {"term": {name: one.file for name, one in self.terms.items()}} if self.terms else {}
        self.study = Study.model_validate(
            {
                "name": "turns",
                "model": {"sigma": {"choices": self.sigmas}},
                "defense": {name: one.file for name, one in self.defenses.items()},
                "attacks": {"decoder": "quick"},
                "search": given | {"anchors": self.anchors},
                **term,
            }
        )

    def due(self) -> tuple[list[Params], bool]:
        """Return what the next trial may be pinned to, and whether it is an anchor, from all trials so far."""
        if len(self.trials) < len(self.anchors):
            return [self.anchors[len(self.trials)]], True
        if self.joint:
            return [{}], False
        having_new = [name for name in self.defenses if self.has_new(name)]
        name = min(having_new or self.defenses, key=lambda name: sum(self.of(trial, name) for trial in self.trials))
        every = self.every(name)
        if every is None or (len(every) > self.budget and not self.grid):
            return [{"defense/name": name}], False
        times = [self.trials.count(setting) for setting in every]
        least = [setting for setting, count in zip(every, times, strict=True) if count == min(times)]
        return least[:1] if self.grid else least, False

    def has_new(self, name: str) -> bool:
        """Whether a branch has a setting that was not asked; one asked off the grid stands for one on it."""
        every, asked = self.every(name), [trial for trial in self.trials if self.of(trial, name)]
        distinct = [trial for place, trial in enumerate(asked) if trial not in asked[:place]]
        return every is None or len(distinct) < len(every)

    def every(self, name: str) -> list[Params] | None:
        """Return all settings of a finite branch in file order."""
        one, found = self.defenses[name], []
        if one.infinite:
            return None
        for term in self.terms or [None]:
            lists = {SIGMA: self.sigmas} | one.lists | (self.terms[term].lists if term else {})
            named: Params = {"defense/name": name} | ({"term/name": term} if term else {})
            found += [named | dict(zip(lists, chosen, strict=True)) for chosen in itertools.product(*lists.values())]
        return found

    def of(self, trial: Params, name: str) -> bool:
        return trial["defense/name"] == name

    def drawn(self, name: str, pinned: Params | None = None) -> Params:
        """Return all parameters of a trial, as a sampler draws what is not pinned."""
        one, term = self.defenses[name], self.rng.choice(list(self.terms or [None]))
        term = (pinned or {}).get("term/name", term)
        named: Params = {"defense/name": name} | ({"term/name": term} if term else {})
        lists = {SIGMA: self.sigmas} | one.lists | (self.terms[str(term)].lists if term else {})
        free: Params = {one.infinite: self.rng.uniform(0.1, 1.0)} if one.infinite else {}
        return named | {path: self.rng.choice(values) for path, values in lists.items()} | free | (pinned or {})


CASES = [*itertools.product(range(20), ("random",), ("equal",)), *itertools.product(range(20), ("grid",), ("equal",))]
CASES += [*itertools.product(range(5), ("tpe", "grid"), ("joint",))]


@pytest.mark.parametrize(("seed", "sampler", "allocate"), CASES)
def test_every_turn_is_one_that_the_rules_allow(seed, sampler, allocate):
    case = Case(seed, sampler, allocate)
    turns = Turns(case.study)
    for number in range(50):
        allowed, anchor = case.due()
        pinned, told = turns.due(number, number)
        assert pinned in allowed
        assert told == anchor
        assert (pinned, told) == recounted(case).due(number, number)
        name = str(pinned.get("defense/name", case.rng.choice(list(case.defenses))))
        trial = case.drawn(name, pinned)
        if case.rng.random() < 0.1:
            trial[SIGMA] = 0.0999  # off the grid
        turns.count(trial)
        case.trials.append(trial)


def recounted(case: Case) -> Turns:
    """Return the turns as a resume counts them."""
    turns = Turns(case.study)
    for trial in case.trials:
        turns.count(trial)
    return turns


def study(defense: dict[str, Any], **search: Any) -> Study:
    return Study.model_validate(
        {"name": "turns", "defense": defense, "attacks": {"decoder": "quick"}, "search": {"trials": 30} | search}
    )


def asked(study: Study, count: int) -> list[Params]:
    turns, found = Turns(study), []
    for number in range(count):
        pinned, _ = turns.due(number, number)
        turns.count(pinned)
        found.append(pinned)
    return found


def test_a_grid_is_walked_in_file_order_branch_by_branch_and_again_when_all_was_asked():
    defense = {"p": {"x": {"choices": [3, 1]}}, "q": {}}
    found = asked(study(defense, sampler="grid"), 6)
    p3, p1 = ({"defense/name": "p", "defense/p/x": value} for value in (3, 1))
    q = {"defense/name": "q"}
    assert found == [p3, q, p1, q, p3, q]


def test_a_setting_off_the_grid_counts_for_its_branch_and_for_no_setting():
    given = study({"p": {"x": {"low": 1, "high": 3}}, "q": {"x": {"low": 1, "high": 3}}}, sampler="grid")
    turns = Turns(given)
    turns.count({"defense/name": "p", "defense/p/x": 7})
    assert turns.due(1, 1) == ({"defense/name": "q", "defense/q/x": 1}, False)
    turns.count({"defense/name": "q", "defense/q/x": 1})
    assert turns.due(2, 2) == ({"defense/name": "p", "defense/p/x": 1}, False)


def test_a_small_finite_branch_gives_all_its_settings_before_it_repeats_one_seeded_by_the_study():
    defense = {"p": {"x": {"low": 1, "high": 5}}}
    found = [[trial["defense/p/x"] for trial in asked(study(defense, seed=seed), 20)] for seed in range(4)]
    for values in found:
        assert all(sorted(values[start : start + 5]) == [1, 2, 3, 4, 5] for start in (0, 5, 10, 15))
    assert len({tuple(values) for values in found}) == 4


def test_of_a_branch_with_more_settings_than_trials_only_the_branch_is_pinned():
    defense = {"p": {"x": {"low": 1, "high": 40}}, "q": {"lam": INFINITE}}
    assert asked(study(defense), 4) == [{"defense/name": name} for name in "pqpq"]
