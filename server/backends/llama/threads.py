"""How many threads the engine takes when the config says `auto`."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_CPUS = Path("/sys/devices")


def automatic_threads() -> int:
    """Physical performance cores less one, which is the game's; on one or two cores all of them.

    Two threads on one physical core share the arithmetic units that a model keeps busy, and an efficiency core makes
    all others wait for it at each layer, so neither is counted. On two cores the one left over would cost half of the
    engine's speed (reading the prompt scales with threads), and the system shares a busy core fairly in any case.
    """
    cores = performance_cores()
    return cores if cores <= 2 else cores - 1


def performance_cores() -> int:
    """Physical performance cores that this process may use, as well as the system tells; at least 1."""
    if sys.platform == "linux":
        return linux_cores(_CPUS, os.sched_getaffinity(0))
    logical = os.cpu_count() or 1
    if sys.platform == "darwin":
        return _sysctl(b"hw.perflevel0.physicalcpu") or _sysctl(b"hw.physicalcpu") or logical
    return max(1, logical // 2)


def linux_cores(devices: Path, allowed: set[int]) -> int:
    """Physical performance cores among the logical `allowed`, from the tree that is usually /sys/devices."""
    fast = _cpu_list(devices / "cpu_core" / "cpus")  # only there where the processor also has efficiency cores
    usable = allowed & fast if fast else allowed
    cores = {
        frozenset(_cpu_list(devices / f"system/cpu/cpu{cpu}/topology/thread_siblings_list")) or frozenset({cpu})
        for cpu in usable or allowed
    }
    return max(1, len(cores))


def _cpu_list(path: Path) -> set[int]:
    """The numbers in a kernel list such as `0-3,8`; empty where it cannot be read."""
    try:
        spans = [span.split("-") for span in path.read_text("ascii").strip().split(",") if span]
        return {cpu for span in spans for cpu in range(int(span[0]), int(span[-1]) + 1)}
    except (OSError, ValueError):
        return set()


def _sysctl(name: bytes) -> int:
    value, size = ctypes.c_int(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
    failed = ctypes.CDLL(None).sysctlbyname(name, ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0))
    return 0 if failed else value.value
