"""What a study searches over: every setting by its path, and which of them a branch brings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.study.distributions import Setting

Entries = Mapping[str, Setting]


@dataclass(frozen=True, kw_only=True)
class Space:
    """Settings by path, such as ``model/sigma`` or ``defense/nopeek/lam``: constants and distributions."""

    shared: Entries
    """Of every trial."""
    defense: Mapping[str, Entries]
    """By branch; one is drawn per trial, and its name is the setting ``defense/name``."""
    term: Mapping[str, Entries] | None
    """Likewise with ``term/name``; None if the study has no terms."""

    def roles(self) -> Iterator[tuple[str, Mapping[str, Entries]]]:
        """Yield ``defense``, and ``term`` if there is one, with their branches."""
        yield "defense", self.defense
        if self.term is not None:
            yield "term", self.term


def branches(role: str, given: Mapping[str, Entries]) -> dict[str, Entries]:
    """Return branches with full paths for their settings."""
    return {
        branch: {f"{role}/{branch}/{name}": entry for name, entry in entries.items()}
        for branch, entries in given.items()
    }
