"""Whether the disk has room for another trial, asked before one is handed out."""

from collections.abc import Callable
from pathlib import Path

from harness.errors import Interrupted, UserError
from harness.ledger.disk import free_bytes, shown, size_of

LEAST_BYTES = 2**28
"""Taken for a trial while none has ended: two checkpoints of a VGG-11 at full width, and its weights."""

MARGIN = 2
"""A trial may take so many times what the largest has left: its checkpoints are gone, others run beside it."""


class Room:
    """Looks at the disk that a study lies on.

    Args:
        root: The study's directory; it need not be there yet.
        free: Returns the bytes that are free where a folder lies.
        way: How to go on once there is room, a clause; null for a resume.
    """

    def __init__(self, root: Path, free: Callable[[Path], int] = free_bytes, way: str | None = None) -> None:
        self._root, self._free = root, free
        self._go_on = way or f"`invfront resume {root}`"
        self._largest, self._withheld = 0, ""

    def ended(self, trial: Path) -> None:
        """Note what a trial that has ended takes."""
        self._largest = max(self._largest, size_of(trial))

    def enough(self) -> bool:
        """Say whether another trial may be handed out; remember if not."""
        lack = self._lack()
        self._withheld = self._withheld or lack
        return not lack

    def refuse(self) -> None:
        """Raise UserError if there is no room now, before anything has started."""
        if lack := self._lack():
            raise UserError(lack)

    def end(self) -> None:
        """Raise Interrupted if trials were withheld: those that ran are finished, the others wait for a resume."""
        if self._withheld:
            raise Interrupted(self._withheld)

    def _lack(self) -> str:
        needed, free = max(LEAST_BYTES, MARGIN * self._largest), self._free(self._place())
        if free >= needed:
            return ""
        way = "or name another --out"
        if self._root.exists():
            way = f"`invfront doctor {self._root} --clean` may help, then {self._go_on}"
        return f"{self._root}: {shown(free)} are free there, a trial may take {shown(needed)}; make room, {way}"

    def _place(self) -> Path:
        """Return the study's directory, or the nearest above it that is there."""
        return next(path for path in (self._root, *self._root.resolve().parents) if path.exists())
