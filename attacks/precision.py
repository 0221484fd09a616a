"""Where bfloat16 is computed faster than float32, and autocast to it there alone."""

import functools
import statistics
import time
from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F

from attacks.base import Target

PAIRS = 9
"""Pairs of convolutions that are timed."""

MOST = 0.8
"""Largest share of float32's time at which bfloat16 is worth its digits."""


@functools.cache
def bfloat16_is_faster(device: torch.device) -> bool:
    """Return whether autocast to bfloat16 makes a step faster on a device.

    A GPU is asked whether it has it. A CPU that has the instructions is timed, for about a tenth of a second:
    having them is not enough. On an Intel Xeon with AVX512-BF16 and without AMX a convolution was seen at 1.8 times
    float32's time.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")) and share_of_float32() <= MOST
    return False


def of_networks(target: Target) -> torch.dtype:
    """Return what autocast should use in networks of an attacker's own: ``target.networks``, which a target of which
    everything is exact in float32 need not share; of one that does not say, its ``precision``."""
    found: torch.dtype = getattr(target, "networks", target.precision)
    return found


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Return a context in which matrix products run in ``dtype``; for float32 it changes nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)


@torch.inference_mode()
def share_of_float32() -> float:
    """Return a bfloat16 convolution's time over float32's on one thread, median over pairs that lie side by side.

    Not by torch's own timer: to import it looks for compilers, and warns on standard error.
    """
    x = torch.ones(16, 64, 16, 16).to(memory_format=torch.channels_last)
    weight = torch.ones(64, 64, 3, 3).to(memory_format=torch.channels_last)
    kinds = [(x.to(dtype), weight.to(dtype)) for dtype in (torch.bfloat16, torch.float32)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine more threads wait for each other, and both kinds look alike
    try:
        for kind in kinds:
            F.conv2d(*kind, padding=1)  # oneDNN compiles its kernels
        pairs = [[_seconds(*kind) for kind in kinds] for _ in range(PAIRS)]
    finally:
        torch.set_num_threads(threads)
    return statistics.median(quick / plain for quick, plain in pairs)


def _seconds(x: torch.Tensor, weight: torch.Tensor) -> float:
    begin = time.perf_counter()
    F.conv2d(x, weight, padding=1)
    return time.perf_counter() - begin
