"""A running server on a tiny model, and SillyTavern to talk to it: once for all tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.frontends.places import missing
from tests.frontends.sillytavern import SillyTavern, sillytavern
from tests.support.program import Program, config, program
from tests.support.tiny_gguf import write_tiny_lfm2

CONTEXT = 8_192


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def barkeep(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Program]:
    """Barkeep with the route `local`, ready."""
    if why := missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("barkeep")
    path = write_tiny_lfm2(folder / "tiny.gguf", context=CONTEXT)
    local = {"kind": "llama", "path": str(path), "context": CONTEXT, "threads": 1}
    async with program(folder, config(folder, {"local": local})) as running:
        await running.until_ready("local")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tavern(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SillyTavern]:
    """SillyTavern, with nobody's data."""
    if why := missing():
        pytest.skip(why)
    async with sillytavern(tmp_path_factory.mktemp("sillytavern")) as one:
        yield one
