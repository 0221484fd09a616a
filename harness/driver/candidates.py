"""Which trials a confirm is for, and what they are attacked by."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy

import attacks
from harness.errors import UserError
from harness.judging import Book, Front, Outline, objectives_over
from harness.records import DIRECTIONS, AttackJob
from reports.formats import listed
from reports.statistics import near_front

TEST = "test"
"""The part that confirming is scored on."""


class Chosen(NamedTuple):
    """The trials of a confirm."""

    trials: tuple[int, ...]
    raced: tuple[int, ...]
    """Those near the front, which get further seeds only if they may still be on it."""


def chosen(book: Book, root: Path, which: str) -> Chosen:
    """Return the trials that a confirm is for.

    Args:
        book: What is known of the study's trials.
        root: The study's directory, for messages.
        which: ``front``, the front and the anchors; ``near``, what is near the front too; ``all`` that is complete; or
            numbers with commas.

    Raises:
        UserError: there are none, or one of them is not complete.
    """
    if which == "all" and (complete := [each.number for each in book.outlines.values() if each.objectives]):
        return Chosen(tuple(sorted(complete)), ())
    if which not in ("front", "near", "all"):
        return Chosen(_numbers(book, root, which), ())
    front = Front(book.outlines.values())
    if not front.numbers:
        states = book.status({"name": "", "digest": ""}, 0).states
        told = ", ".join(f"{count} {state}" for state, count in states.items() if count) or "no trials"
        raise UserError(
            f"{root}: no trial is on the front: of {told} none is complete and reaches the floor; "
            "`invfront resume` runs more, --trials names complete ones"
        )
    anchors = {each.number for each in book.outlines.values() if each.anchor and each.objectives}
    sure = anchors.union(front.numbers)
    raced = set(_near(book, front)) - sure if which == "near" else set[int]()
    return Chosen(tuple(sorted(sure | raced)), tuple(sorted(raced)))


def raised(jobs: Iterable[AttackJob], budget: str | None) -> tuple[AttackJob, ...]:
    """Return a study's own reconstruction attacks, on the test part, with at least a budget; null for their own.

    Raises:
        UserError: none of them has such a budget.
    """
    own = [job for job in jobs if job.kind == "reconstruction"]
    budgets = {job.attack: list(attacks.resolve(job.attack).budgets) for job in own}
    if budget is not None and not any(budget in known for known in budgets.values()):
        known = listed(list(dict.fromkeys(name for each in budgets.values() for name in each)))
        raise UserError(f"--attacks {budget}: the study's attacks have no such budget; take one of {known}")
    found = [
        job.model_copy(update={"part": TEST, "budget": _higher(job.budget, budget, budgets[job.attack])}) for job in own
    ]
    return tuple(dict.fromkeys(found))


def _higher(own: str, asked: str | None, known: Sequence[str]) -> str:
    """Return the higher of two budgets, of which an attack lists its own from the lowest."""
    return asked if asked is not None and asked in known[known.index(own) :] else own


def _near(book: Book, front: Front) -> list[int]:
    """Return the trials near the front, itself included, over the attacks that it is compared over."""
    able = [(each, objectives_over(each, front.jobs)) for each in book.outlines.values() if each.feasible]
    there = [(each.number, found) for each, found in able if found is not None]
    points = numpy.array([[getattr(found, name) for name in DIRECTIONS] for _, found in there])
    return [number for (number, _), near in zip(there, near_front(points), strict=True) if near]


def _numbers(book: Book, root: Path, which: str) -> tuple[int, ...]:
    numbers = set[int]()
    for text in which.split(","):
        outline = book.outlines.get(int(text)) if text.strip().isdecimal() else None
        if outline is None:
            known = list(book.outlines)
            have = f"trials {known[0]} to {known[-1]}" if known else "no trials"
            ways = "front, near, all, or numbers such as 1,4,7"
            raise UserError(f"--trials {text or which}: {root} has {have}; say {ways}")
        _refuse_incomplete(outline)
        numbers.add(outline.number)
    return tuple(sorted(numbers))


def _refuse_incomplete(outline: Outline) -> None:
    if outline.objectives is None:
        raise UserError(f"--trials {outline.number}: is {outline.state}; name trials that are complete")
