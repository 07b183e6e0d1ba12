"""The one door to llama.cpp: its Python binding, loaded on first use. Barkeep also runs where it is not installed."""

from __future__ import annotations

import functools
import importlib.util
from collections import deque
from typing import Any

from server.errors import RouteUnavailable

INSTALL_HINT = (
    "In a checkout, run ./start.sh --retry-engine (it needs a C++ compiler), or put a prebuilt wheel in: "
    ".venv/bin/pip install llama-cpp-python==0.3.36 --extra-index-url https://abetlen.github.io/llama-cpp-python/whl/cpu"
)

_LOG_LINES = 40


def installed() -> bool:
    """True where llama-cpp-python can be imported; does not import it."""
    return importlib.util.find_spec("llama_cpp") is not None


@functools.cache
def library() -> Any:
    """The binding's low-level module, with one function for each function of `llama.h`.

    Typed as Any: its ctypes signatures mean nothing to a type checker.

    Raises:
        RouteUnavailable: llama-cpp-python is missing or does not load on this machine.
    """
    try:
        from llama_cpp import llama_cpp
    except (ImportError, OSError, RuntimeError) as error:
        raise RouteUnavailable(f"llama-cpp-python cannot be loaded: {error}", INSTALL_HINT) from error
    llama_cpp.llama_backend_init()
    return llama_cpp


class NativeLog:
    """Takes llama.cpp's log away from stderr and keeps its last lines.

    llama.cpp has one log for the whole process, so there is one of these, and it is never taken down: `native_log()`.
    """

    def __init__(self, binding: Any) -> None:
        self._lines: deque[str] = deque(maxlen=_LOG_LINES)
        # ctypes does not keep the callback alive; this attribute does.
        self._callback = binding.llama_log_callback(self._take)
        binding.llama_log_set(self._callback, None)

    def last_lines(self) -> list[str]:
        """The last lines that llama.cpp logged, oldest first."""
        return list(self._lines)

    def _take(self, _level: int, text: bytes, _user_data: object) -> None:
        line = text.decode("utf-8", "replace").strip()
        if line and line != ".":
            self._lines.append(line)


@functools.cache
def native_log() -> NativeLog:
    """The log of this process; from the first call on llama.cpp writes nothing to stderr."""
    return NativeLog(library())


@functools.cache
def schema_converter() -> Any:
    """The binding's function from a JSON Schema, as text, to GBNF.

    Raises:
        RouteUnavailable: llama-cpp-python is missing or does not load on this machine.
    """
    library()
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    return json_schema_to_gbnf
