"""Requests to a study that runs: one file each in ``ctl/``, so that writers on several machines need no lock."""

import secrets
import time
from pathlib import Path
from typing import NamedTuple

from harness.ledger.fetching import mirror_of
from harness.ledger.files import read_value
from harness.ledger.whole import write_whole
from harness.records import Answer, Request, Value

FOLDER, ANSWER = "ctl", ".answer.json"


class Asked(NamedTuple):
    """A request, and what has become of it."""

    name: str
    request: Request
    answer: Answer | None


class Requests:
    """The requests to one study.

    Args:
        root: The study's directory; of one in a store, this machine's copy of it.
    """

    def __init__(self, root: Path) -> None:
        self._folder, self._mirror = root / FOLDER, mirror_of(root)
        self._known: dict[str, Asked] = {}

    def ask(self, request: Request) -> Asked:
        """Put a request on storage; one that waits already is not asked again."""
        for there in self.all():
            same = there.request.model_copy(update={"time": request.time})
            if there.answer is None and same == request and self._is_last_of_its_kind(there):
                return there
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        self._write(f"{name}.json", request)
        return Asked(name, request, None)

    def all(self) -> list[Asked]:
        """Return all requests, the oldest first; answered ones are read once. A file that is not whole is left out."""
        try:
            names = sorted(path.name.removesuffix(".json") for path in self._folder.glob("[0-9]*.json"))
        except OSError:
            names = []
        return [found for name in names if not name.endswith(".answer") and (found := self._one(name)) is not None]

    def open(self) -> list[Asked]:
        """Return the requests that have no answer yet, the oldest first; of a study in a store, those that are there
        now, else OSError is raised.
        """
        if self._mirror is not None:
            self._mirror.fetch(self._folder)
        return [found for found in self.all() if found.answer is None]

    def answer(self, asked: Asked, answer: Answer) -> None:
        """Say what has become of a request; the driver's alone."""
        self._write(f"{asked.name}{ANSWER}", answer)

    def _write(self, name: str, value: Value) -> None:
        path, content = self._folder / name, value.model_dump_json(indent=1).encode() + b"\n"
        if self._mirror is None:
            write_whole(path, content)
        else:
            self._mirror.put(path, content)

    def _one(self, name: str) -> Asked | None:
        there = self._known.get(name)
        if there is not None and there.answer is not None:
            return there
        try:
            request = there.request if there else read_value(self._folder / f"{name}.json", Request)
            told = self._folder / f"{name}{ANSWER}"
            answer = read_value(told, Answer) if told.exists() else None
        except (OSError, ValueError):
            return None
        self._known[name] = Asked(name, request, answer)
        return self._known[name]

    def _is_last_of_its_kind(self, asked: Asked) -> bool:
        """Say whether nothing was asked after it that may undo it."""
        kinds = {"pause": "running", "continue": "running", "stop": "running"}
        kind = kinds.get(asked.request.verb, asked.request.verb)
        later = [each.request.verb for each in self.all() if each.name > asked.name]
        return kind in ("skip", "enqueue", "retry") or all(kinds.get(verb, verb) != kind for verb in later)
