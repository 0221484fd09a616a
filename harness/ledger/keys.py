"""What the files of a study are called, and what that says of where they belong."""

from pathlib import PurePosixPath

TRIALS, CONFIRM = "trials", "confirm"
"""Folders of the trials that were searched, and of the trainings that confirm some of them."""

ON_DEMAND = ("report", "priors", "passports")
"""Folders of a study that come only when they are asked for."""

FOLDERS = (TRIALS, CONFIRM, *ON_DEMAND)

CHECKPOINTS = "attempt-*/checkpoint-*.pt"
"""Of all attempts of a trial."""

SERVER = "server.safetensors"
"""An attempt's file of the network's other half, the only one of a training that may go."""


def is_told(key: str) -> bool:
    """Say whether an object tells what a study is, or what has become of it."""
    return not (is_attempts(key) or key.split("/")[0] in ON_DEMAND) and not is_of_the_machine(PurePosixPath(key).name)


def is_attempts(key: str) -> bool:
    """Say whether an object lies in an attempt."""
    return any(part.startswith("attempt-") for part in key.split("/")[:-1])


def is_of_the_machine(name: str) -> bool:
    """Say whether a file is this machine's alone."""
    return name.startswith(".") or name.endswith(".lock")


def is_checkpoint(name: str) -> bool:
    """Say whether a file is a training's checkpoint."""
    return name.startswith("checkpoint-")


def attempt_in(key: str) -> int:
    """Return the number of the attempt that an object belongs to; 0 of any other."""
    found = [part.removeprefix("attempt-") for part in key.split("/")[:-1] if part.startswith("attempt-")]
    return int(found[0]) if found and found[0].isdecimal() else 0
