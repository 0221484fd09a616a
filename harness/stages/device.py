"""The device that a job may use, and its name."""

import contextlib
import os
from collections.abc import Generator, Iterator
from contextvars import ContextVar

import torch

from attacks.precision import bfloat16_is_faster
from harness.records import Progress

REHEARSAL = "INVFRONT_REHEARSAL"
"""Environment variable under which a job that reserved an accelerator may run on a CPU, so that a schedule for GPUs can
be tried where there is none."""

_RESERVED: ContextVar[bool | None] = ContextVar("reserved", default=None)


class DeviceError(RuntimeError):
    """A job reserved an accelerator that it cannot use: its node is to blame."""


@contextlib.contextmanager
def reserved(accelerator: bool | None) -> Iterator[None]:
    """Say for the body what the job in this process reserved.

    Args:
        accelerator: Whether an accelerator; null where nothing is reserved, and whatever is there may be used.
    """
    token = _RESERVED.set(accelerator)
    try:
        yield
    finally:
        _RESERVED.reset(token)


def pick_device() -> torch.device:
    """Return the accelerator that this process may use, else the CPU.

    A job that reserved none does not so much as ask for one: CUDA would remember what it was shown first, and its
    process may be given a GPU later.

    Raises:
        DeviceError: the job reserved an accelerator, and torch finds none that works.
    """
    accelerator = _RESERVED.get()
    if accelerator is False:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        if accelerator and not os.environ.get(REHEARSAL):
            raise DeviceError(
                f"a GPU is reserved (CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES', '')}) and torch "
                f"{torch.__version__} cannot use it; mend the node's driver or its torch"
            )
        return torch.device("cpu")
    device = torch.device("cuda")
    try:
        torch.zeros(1, device=device)
    except RuntimeError as error:
        raise DeviceError(f"{device_name(device)} does not answer: {error}") from error
    return device


def device_name(device: torch.device) -> str:
    """Return an accelerator's name, or ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def fast_stage() -> Generator[Progress, None, bool]:
    """Return whether bfloat16 makes a step faster on this job's device."""
    yield Progress("precision", 0, 1)
    return bfloat16_is_faster(pick_device())
