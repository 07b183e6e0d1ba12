"""`python -m server.bench.model.quantise SOURCE TARGET TYPE THREADS`: a process that quantises one GGUF and ends.

It is a process of its own because llama.cpp works for minutes without looking up: this one can be ended at any time.
How far it is goes to stdout, one line `DONE TOTAL` for each tensor; llama.cpp's last words to stderr where it failed.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections import deque

from server.backends.llama.native import library

FILE_TYPES = {"F16": 1, "Q4_0": 2, "Q4_K_M": 15}
"""`llama_ftype` of llama.h."""

_STEP = re.compile(rb"^\[ *(\d+)/ *(\d+)\]")


def main(source: str, target: str, kind: str, threads: str) -> int:
    """Quantise; 0 where it worked."""
    binding = library()
    last_lines: deque[bytes] = deque(maxlen=3)

    @binding.llama_log_callback  # type: ignore[untyped-decorator]  # ctypes makes the type at run time
    def take(_level: int, text: bytes, _user_data: object) -> None:
        if step := _STEP.match(text):
            print(int(step[1]), int(step[2]), flush=True)
        elif text.strip():
            last_lines.append(text.strip())

    binding.llama_log_set(take, None)
    parameters = binding.llama_model_quantize_default_params()
    parameters.ftype = FILE_TYPES[kind]
    parameters.nthread = int(threads)
    failed = int(binding.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(parameters)))
    if failed:
        print(b" / ".join(last_lines).decode("utf-8", "replace"), file=sys.stderr)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
