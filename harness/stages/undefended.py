"""The undefended network whose course a steered training follows: trained once per network, recipe and images.

Like a prior it is part of no trial: its seed derives from the study's seed and from what it is, so that whichever trial
needs it first trains the same one, and the same ``asked.json`` gives the same numbers.
"""

import hashlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from harness.data import Data
from harness.ledger import CHECKPOINTS, drop, read_value, write_whole
from harness.records import Asked, Circumstances, Progress, Value, derive, told
from harness.stages.assignment import Assignment
from harness.stages.building import build
from harness.stages.controlled import TARGET
from harness.stages.ground import Meter, seed_everything
from harness.stages.optimising import train
from harness.stages.steering import MARGIN, VERSION, Measurement
from harness.stages.transfer import bring, put
from harness.stages.underway import folder_of

OWNERS = ("data", "model", "train", "protocol")
"""Owners of the settings that make an undefended network what it is."""

LONGEST_WAIT = 24 * 3600.0
"""Seconds that a trial of a study without ``resources/timeout`` waits for another one that trains it."""


class Undefended(Value):
    """``priors/undefended-<digest>.json``."""

    version: int = 1
    settings: str
    """Everything the digest is of, as JSON."""
    course: tuple[tuple[float, float], ...]
    """Share of the training done and accuracy on the control part, in order."""
    circumstances: Circumstances


class _Named(NamedTuple):
    """What an undefended network is."""

    asked: Asked
    settings: str
    digest: str


def undefended_course(handed: Assignment, data: Data) -> Generator[Progress, None, tuple[Measurement, ...]]:
    """Return the course of the undefended network of a trial's kind; one writer at a time trains it if no file has it.

    Raises:
        ValueError: it does not exceed the trial's target by ``MARGIN``.
        TimeoutError: another process has been training it for half of a trial's time.
    """
    named, folder = _named(handed.asked, data), folder_of(handed.attempt.parent)
    stem = folder / f"undefended-{named.digest}"
    folder.mkdir(parents=True, exist_ok=True)
    limit = handed.place.timeout_seconds
    patience = LONGEST_WAIT if limit is None else limit / 2
    try:
        with FileLock(stem.with_suffix(".lock")).acquire(timeout=patience):
            bring(stem.with_suffix(".json"))
            found = _found(stem)
            if found is None:
                found = yield from _trained(named, handed, data, stem)
    except Timeout:
        raise TimeoutError(
            f"{stem}.lock: another process has held it for {patience:g} s to train the undefended network; end that "
            "process, or raise resources/timeout"
        ) from None
    course = tuple(Measurement(*point) for point in found.course)
    target = float(handed.asked.settings[TARGET] or 0.0)
    if course[-1].accuracy < target + MARGIN:
        raise ValueError(
            f"{TARGET}: {target:g}: the undefended network reaches {course[-1].accuracy:.3f}, and must exceed it by "
            f"{MARGIN:g}; take at most {max(0.0, course[-1].accuracy - MARGIN):.2f}"
        )
    return course


def _named(asked: Asked, data: Data) -> _Named:
    own = {path: value for path, value in told(asked.settings).items() if path.split("/")[0] in OWNERS}
    settings = {path: value for path, value in own.items() if path != TARGET} | {"defense/name": "none"}
    parts = {name: data.parts[name].digest for name in ("train", "control")}
    seed, precision, threads = asked.study_seed, asked.precision, asked.threads["train"]
    written = {"settings": settings, "images": parts, "seed": seed, "precision": precision, "threads": threads}
    written["held"] = VERSION
    text = json.dumps(written, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    change = {"settings": settings, "seed": derive(seed, "undefended", digest), "anchor": False}
    return _Named(asked.model_copy(update=change), text, digest)


def _found(stem: Path) -> Undefended | None:
    try:
        return read_value(stem.with_suffix(".json"), Undefended)
    except (OSError, ValueError):
        return None


def _trained(named: _Named, handed: Assignment, data: Data, stem: Path) -> Generator[Progress, None, Undefended]:
    """Train it, from its own checkpoints if there are any; nothing of it is kept but its course."""
    asked, attempt = named.asked, stem / "attempt-1"
    attempt.mkdir(parents=True, exist_ok=True)
    meter = Meter(asked.shared(), "train", data.parts["train"].x.device, handed.place.driver)
    seed_everything(derive(asked.seed, "train"))
    model = build(asked, data)
    training = yield from train(model, data, Assignment(asked, handed.place, attempt))
    found = Undefended(settings=named.settings, course=training.course, circumstances=meter.read())
    write_whole(stem.with_suffix(".json"), found.model_dump_json(indent=1).encode())
    put(stem.with_suffix(".json"))
    drop([stem], CHECKPOINTS)
    return found
