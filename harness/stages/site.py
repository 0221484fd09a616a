"""Where a job runs: its host and its device."""

import socket
from typing import NamedTuple

import torch


class Site(NamedTuple):
    """Where a job runs: the first thing that it says."""

    node: str
    """Host name."""
    device: str
    """The accelerator's name, or ``cpu``."""


def site() -> Site:
    """Return where this process runs."""
    return Site(socket.gethostname(), device_name(pick_device()))


def pick_device() -> torch.device:
    """Return the accelerator that this process may use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """Return an accelerator's name, or ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
