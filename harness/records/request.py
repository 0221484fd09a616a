"""What a user asks of a study that runs, and what its driver says to that: files in ``ctl/`` of its directory."""

from typing import Literal

from harness.records.value import Scalar, Value

Verb = Literal["pause", "continue", "stop", "concurrent", "skip", "enqueue", "retry"]


class Request(Value):
    """``ctl/<name>.json``: what was asked; it is never rewritten."""

    version: int = 1
    verb: Verb
    time: str
    """UTC, ISO 8601."""
    now: bool = False
    """Of ``stop``: whether trials that run are cut off, to be resumed."""
    number: int | None = None
    """Of ``concurrent``, how many; of ``skip`` and ``retry``, a trial."""
    kind: Literal["failed", "partial"] | None = None
    """Of ``retry``: which trials, in place of a number."""
    settings: dict[str, Scalar] = {}
    """Of ``enqueue``, by path."""

    def words(self) -> str:
        """Return it as it was asked on the command line."""
        if self.verb == "concurrent":
            return f"concurrent={self.number}"
        if self.verb == "enqueue":
            return f"enqueue {', '.join(f'{path}={value}' for path, value in self.settings.items())}"
        what = self.kind or self.number
        return f"{self.verb}{' --now' if self.now else ''}{'' if what is None else f' {what}'}"


class Answer(Value):
    """``ctl/<name>.answer.json``: what a driver has made of it."""

    version: int = 1
    done: bool
    """Whether it has taken effect; else it was refused."""
    text: str
    trial: int | None = None
    """Of ``enqueue``: which trial has it; null in answers of before it was recorded."""
