"""What doctor says: one thing that is wrong with a study's directory, or worth knowing, and what would be done."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Action = Literal["restore", "again", "lost", "remove", "rebuild", "tell", "yours", "keep", "clean"]
"""What ``mend`` does.

``restore``: put a good copy in its place, the bad file aside. ``again``: move files aside, so that the trial is handed
out again. ``lost``: move a trial's directory out of the way. ``remove``: unlink a leftover. ``rebuild``: make Optuna's
rows anew. ``tell``: give Optuna what it has not heard of. ``yours``: only the user can mend it. ``keep``: nothing is
wrong. ``clean``: nothing is wrong, and it may go if the user wants the space."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing found."""

    path: Path
    what: str
    remedy: str
    """What is done about it, in words."""
    action: Action
    aside: tuple[Path, ...] = ()
    """Files that are moved aside to ``<name>.corrupt-<n>``."""
    unread: bool = False
    """Whether what it is about cannot be read before the user has mended it: Optuna's rows are then not compared."""
    copy: bytes | None = None
    """What ``restore`` puts in place of ``path``."""

    @property
    def fixable(self) -> bool:
        """Whether ``mend`` does it."""
        return self.action not in ("yours", "keep", "clean")

    @property
    def wrong(self) -> bool:
        """Whether something is wrong at all."""
        return self.action not in ("keep", "clean")
