"""The C library's allocator, told to keep what it was given: temporaries of a forward pass are used again and again.

glibc maps every temporary above 128 KiB of its own and unmaps it afterwards, so that each batch pays for thousands of
page faults. With higher thresholds the pages stay (`mallopt(3)`). That costs memory: the heap is some 1.2 to 2 times as
large as what is alive at once, because aligned blocks seldom fit into the hole that one of their size has left. Blocks
above 32 MiB are mapped as before: their holes were the largest, and their faults are few beside the work on them.
`CHARTUNE_ALLOCATOR=system` leaves the allocator as it is. Other C libraries, and other allocators, are left alone.
Between two runs of a process `give_back` returns what is free: holes that one training has left do not fit the next.
"""

import ctypes
import os
import platform
from functools import cache
from typing import Final

SWITCH: Final = "CHARTUNE_ALLOCATOR"
TRIM_THRESHOLD: Final = -1
TOP_PAD: Final = -2
MMAP_THRESHOLD: Final = -3
"""Names of `mallopt`'s parameters in malloc.h."""
MAPPED_BYTES: Final = 32 << 20
"""Blocks from which on memory is mapped; glibc before 2.35 takes no more."""


@cache
def keep_pages() -> bool:
    """Let this process keep the memory that it frees; returns whether glibc agreed. Done once, however often called."""
    if os.environ.get(SWITCH) == "system" or platform.libc_ver()[0] != "glibc" or os.environ.get("LD_PRELOAD"):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    taken = mallopt(MMAP_THRESHOLD, MAPPED_BYTES)
    return bool(taken and mallopt(TRIM_THRESHOLD, (1 << 31) - 1) and mallopt(TOP_PAD, 64 << 20))


def give_back() -> bool:
    """Return free pages to the system where this process keeps them; returns whether there were some."""
    return keep_pages.cache_info().currsize > 0 and keep_pages() and bool(ctypes.CDLL(None).malloc_trim(0))
