"""Memory that a step frees and the next one needs: this process keeps it, where its C library is glibc.

glibc maps each large buffer anew and gives it back when it is freed, so that every step of a network has its buffers
zeroed by the kernel, page after page.
"""

import ctypes
import platform

IS_GLIBC = platform.libc_ver()[0] == "glibc"

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""glibc's names of what ``mallopt`` sets."""

PAD_BYTES = 64 * 2**20
"""By how much the heap grows beyond what is asked for."""


def keep_freed() -> None:
    """Keep what is freed from now on; nothing where the C library is another."""
    if IS_GLIBC:
        for what, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, -1), (TOP_PAD, PAD_BYTES)):
            ctypes.CDLL(None).mallopt(what, value)


def give_back() -> None:
    """Give back what is kept, as between two jobs of a process."""
    if IS_GLIBC:
        ctypes.CDLL(None).malloc_trim(0)
