"""The peer that the bench starts itself: llama-cpp-python's own server (`python -m llama_cpp.server`)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from server.backends.llama.machine import has_amx
from server.bench.engine.setup import Setup
from server.bench.processes import HOST, end, free_port, until_alive
from server.errors import BarkeepError

_WITHOUT_AMX = str(Path(__file__).with_name("peer_child.py"))


@asynccontextmanager
async def llama_cpp_server(python: Path, setup: Setup, folder: Path) -> AsyncIterator[str]:
    """That server on the same file with the same share of the machine, its log in `folder`; its base URL.

    It is set up as it is fastest: it keeps the logits of the last token alone, and states of earlier prompts in memory.
    It has the same kernels as our engine. `python` is an interpreter with llama-cpp-python[server].

    Raises:
        BarkeepError: it does not start.
    """
    port, said = free_port(), folder / "llama_cpp_server.log"
    given = {
        "model": setup.model,
        "n_ctx": setup.context,
        "n_threads": setup.threads,
        "n_threads_batch": setup.threads,
        "n_gpu_layers": setup.gpu_layers,
        "logits_all": False,
        "use_mlock": False,
        "cache": True,
        "verbose": False,
        "host": HOST,
        "port": port,
    }
    serve = [_WITHOUT_AMX] if has_amx() else ["-m", "llama_cpp.server"]
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    with said.open("wb") as log:
        try:
            process = await asyncio.create_subprocess_exec(
                python, *serve, *words, env={**os.environ, "PYTHONWARNINGS": "ignore"},
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        except OSError as error:
            hint = "name the Python of an environment with llama-cpp-python[server]"
            raise BarkeepError(f"{python} cannot be started: {error.strerror}", hint) from error
    url = f"http://{HOST}:{port}"
    try:
        await until_alive("llama-cpp-python's server", process, f"{url}/v1/models", said)
        yield url
    finally:
        await end(process)
