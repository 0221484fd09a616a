"""What must hold of every data set of one's own, as checks that its author runs on their function.

A data set's whole test is::

    @pytest.mark.parametrize("law", contract.LAWS.values(), ids=contract.LAWS)
    def test_mine_keeps(law):
        law(contract.Case(mine, root=Path("data/mine")))
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.data.listing import Listing, Undecoded
from harness.data.own import Collection, found_of
from harness.data.pixels import NoPicture
from harness.errors import UserError

LEAST = 5
"""Parts that a class's images are divided into, without those of a test part of its own."""

SIZE = 32
"""Height and width in pixels to which pictures are decoded."""


@dataclass(frozen=True)
class Case:
    """A data set under test."""

    create: Callable[[Path | None], Collection]
    """Its function."""
    root: Path | None = None
    """Its folder, if it needs one."""

    def listing(self) -> Listing:
        """Return what it gives, listed as a study does."""
        try:
            return found_of("it", self.create, self.root).open(SIZE)
        except UserError as error:
            raise AssertionError(str(error)) from error

    def parts(self) -> dict[str, Undecoded]:
        """Return its parts by name."""
        listing = self.listing()
        return {name: part for name, part in (("train", listing.train), ("test", listing.test)) if part is not None}


def is_a_collection(case: Case) -> None:
    """It gives a collection whose labels fit its pictures and its classes."""
    case.listing()


def repeats_itself(case: Case) -> None:
    """Called again it gives the same classes, the same labels and the same pictures, in the same order."""
    _require(case.listing().class_names == case.listing().class_names, "called again it gives other class_names")
    for name, part in case.parts().items():
        again = case.parts()[name]
        _require(torch.equal(part.y, again.y), f"called again it gives other labels of {name}")
        first = min(len(part.y), 20)
        same = all(torch.equal(part.decode(index), again.decode(index)) for index in range(first))
        _require(same, f"called again it gives other pictures of {name}, or another order")


def can_be_divided(case: Case) -> None:
    """Every class has enough images for the parts of a study."""
    listing = case.listing()
    for name, count in zip(listing.class_names, _counts(listing.train, len(listing.class_names)), strict=True):
        _require(count >= LEAST, f"class {name} has {count} training images; the parts of a study need {LEAST}")


def has_pictures(case: Case) -> None:
    """Every picture can be decoded, and they are not all the same."""
    for name, part in case.parts().items():
        seen = set()
        for index in range(len(part.y)):
            try:
                seen.add(part.decode(index).numpy().tobytes())
            except NoPicture as error:
                raise AssertionError(f"{part.name(index)}: {error}") from error
        _require(len(seen) > len(part.y) // 2, f"of {len(part.y)} pictures of {name} only {len(seen)} differ")


LAWS: dict[str, Callable[[Case], None]] = {
    "is_a_collection": is_a_collection,
    "repeats_itself": repeats_itself,
    "can_be_divided": can_be_divided,
    "has_pictures": has_pictures,
}


def _counts(part: Undecoded, num_classes: int) -> list[int]:
    counts: list[int] = part.y.bincount(minlength=num_classes).tolist()
    return counts


def _require(truth: bool, otherwise: str) -> None:
    if not truth:
        raise AssertionError(otherwise)
