from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.program import Program, config, program
from tests.support.tiny_gguf import write_tiny_lfm2

CONTEXT = 1_024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Program]:
    """The whole program on a tiny local model, which stands behind the route `local`."""
    folder = tmp_path_factory.mktemp("program")
    path = folder / "tiny.gguf"
    write_tiny_lfm2(path, context=CONTEXT)
    routes = {"local": {"kind": "llama", "path": str(path), "context": CONTEXT, "threads": 1}}
    async with program(folder, config(folder, routes, api={"reply_tokens": 64})) as server:
        await server.until_ready("local")
        yield server
