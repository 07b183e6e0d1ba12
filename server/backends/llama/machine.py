"""What this machine is: its memory, and whether llama.cpp may use all of its processor."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


def memory_bytes() -> int | None:
    """Physical memory in bytes; None where the system does not tell."""
    if sys.platform == "win32":
        return _windows_memory_bytes()
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def has_amx(cpu_info: Path = _CPU_INFO) -> bool:
    """True on a Linux machine with Intel's tile unit.

    llama.cpp's kernels for it crash at the first batch of a quantised model where GCC 12 compiled them: of the 64 bytes
    of the tile configuration, half are optimised away (https://github.com/ggml-org/llama.cpp/issues/20824).
    """
    try:
        with cpu_info.open(encoding="ascii", errors="replace") as lines:
            return any("amx_int8" in line.split() for line in lines if line.startswith("flags"))
    except OSError:
        return False


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API (sysinfoapi.h)."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load_percent", ctypes.c_uint32),
        ("total", ctypes.c_uint64),
        ("available", ctypes.c_uint64),
        ("page_total", ctypes.c_uint64),
        ("page_available", ctypes.c_uint64),
        ("virtual_total", ctypes.c_uint64),
        ("virtual_available", ctypes.c_uint64),
        ("extended_available", ctypes.c_uint64),
    )


def _windows_memory_bytes() -> int | None:
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - the attribute exists on Windows only
    return int(status.total) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None
