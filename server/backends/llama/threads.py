"""How many threads the engine takes when the config says `auto`."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_CPUS = Path("/sys/devices")


def automatic_threads() -> int:
    """Physical performance cores less one, which is the game's and the server's; at least 1.

    Two threads on one physical core share the arithmetic units that a model keeps busy, and an efficiency core makes
    all others wait for it at each layer, so neither is counted. The threads also wait for each other at every layer, so
    one that shares its core with other work halts all of them. Measured on two cores, two threads against one: 1.9
    times as fast while nothing else runs, and with both cores busy 2 times slower to read and 2 to 10 times slower to
    speak. A machine that runs nothing else may set `threads` to all its cores.
    """
    return max(1, performance_cores() - 1)


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
