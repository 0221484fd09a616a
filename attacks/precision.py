"""Where bfloat16 is computed by the hardware itself, and autocast to it there alone."""

from contextlib import AbstractContextManager

import torch


def hardware_has_bfloat16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 natively; emulated, it makes a step slower, not faster."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
    return False


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Return a context in which matrix products run in ``dtype``; for float32 it changes nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)
