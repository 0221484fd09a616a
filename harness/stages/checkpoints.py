"""Checkpoints of a training: the last two are kept, and a corrupt one falls back to the one before; and of a prior."""

import io
import time
from pathlib import Path
from typing import Any

import torch

from harness.ledger import CHECKPOINTS, drop, write_whole
from harness.stages.transfer import bring, put

Snapshot = dict[str, Any]


class Checkpoints:
    """Checkpoints of one trial: written into this attempt's directory, read from any attempt's."""

    def __init__(self, attempt: Path, every_seconds: float) -> None:
        self._attempt = attempt
        self._every = every_seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        """Say whether the time for the next one has come."""
        return time.monotonic() - self._last >= self._every

    def save(self, step: int, state: Snapshot) -> None:
        """Write the state after ``step`` optimiser steps, with the random generators' states; keep the last two."""
        state = state | {"step": step, "cpu_rng": torch.get_rng_state()}
        if torch.cuda.is_initialized():
            state["cuda_rng"] = torch.cuda.get_rng_state_all()
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_whole(self._attempt / f"checkpoint-{step:09d}.pt", buffer.getvalue())
        for old in sorted(self._attempt.glob("checkpoint-*.pt"))[:-2]:
            old.unlink()
        put(self._attempt)
        self._last = time.monotonic()

    def latest(self, device: torch.device) -> tuple[Snapshot | None, list[str]]:
        """Return the newest readable state of any attempt, and a note for each that could not be read."""
        notes = []
        bring(self._attempt.parent, CHECKPOINTS)
        found = sorted(self._attempt.parent.glob(CHECKPOINTS), key=lambda path: (path.name, path))
        for path in reversed(found):
            try:
                state: Snapshot = torch.load(path, map_location=device, weights_only=True)
                state["step"], state["cpu_rng"], state["model"], state["optimisers"]
            except Exception as error:  # whatever a torn file raises, the one before it is tried
                notes.append(f"{path.parent.name}/{path.name}: unreadable ({type(error).__name__}), passed over")
                continue
            return state, notes
        return None, notes


class Kept:
    """The newest state of one prior's training, in a file that its only writer replaces whole, in a store too.

    Args:
        file: Where it lies.
        every_seconds: Between two of them.
        device: Where it is loaded to.
    """

    def __init__(self, file: Path, every_seconds: float, device: torch.device) -> None:
        self.file, self._every, self._device = file, every_seconds, device
        self._last = time.monotonic()

    def found(self) -> Snapshot | None:
        """Return the state; null if there is none that can be read."""
        try:
            state: Snapshot = torch.load(self.file, map_location=self._device, weights_only=True)
            state["step"], state["course"], state["cpu_rng"]
        except Exception:  # whatever a torn file raises, the training begins anew
            return None
        return state

    def due(self) -> bool:
        """Say whether the time for the next one has come."""
        return time.monotonic() - self._last >= self._every

    def keep(self, state: Snapshot) -> None:
        """Replace the state."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_whole(self.file, buffer.getvalue())
        put(self.file)
        self._last = time.monotonic()

    def over(self) -> None:
        """Remove the file, in a store too."""
        drop([self.file.parent], self.file.name)


def restore_rng(state: Snapshot) -> None:
    """Bring the random generators back to where the checkpoint was written."""
    torch.set_rng_state(state["cpu_rng"].cpu())
    if "cuda_rng" in state and torch.cuda.is_initialized():
        torch.cuda.set_rng_state_all([rng.cpu() for rng in state["cuda_rng"]])


def discard(trial: Path) -> None:
    """Remove the checkpoints of all attempts of a finished trial."""
    drop([trial], CHECKPOINTS)
