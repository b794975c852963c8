"""Keeps glibc from returning freed upload buffers to the system after every piece.

Pieces of 256 KiB lie at the heap's top or in mappings of their own; freed at once, each costs
page faults on its next use. Both thresholds are needed: each rules out one of the two.
"""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT = 64 * 1024 * 1024
"""Bytes of free memory that the process may keep for the next pieces."""
_MAPPED_FROM = 4 * 1024 * 1024


def keep_freed_memory() -> None:
    """Raise malloc's thresholds where the C library is glibc; elsewhere do nothing."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM)
