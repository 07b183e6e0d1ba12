"""`PYTHON peer_child.py ARGUMENTS`: llama-cpp-python's own server, without kernels that crash on some machines.

Run as a file, by any Python that has llama-cpp-python[server]: it imports nothing else of ours.
"""

from __future__ import annotations

import runpy
from typing import Any

import llama_cpp


def main() -> None:
    """Serve as `python -m llama_cpp.server` does; it has no option for this.

    See `server.backends.llama.machine.has_amx`.
    """
    defaults = llama_cpp.llama_cpp.llama_model_default_params

    def without_extra_buffers() -> Any:
        parameters = defaults()
        parameters.use_extra_bufts = False
        return parameters

    llama_cpp.llama_cpp.llama_model_default_params = without_extra_buffers
    runpy.run_module("llama_cpp.server", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
