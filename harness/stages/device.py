"""The device that a process may use, and its name."""

import torch


def pick_device() -> torch.device:
    """Return the accelerator that this process may use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """Return an accelerator's name, or ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
