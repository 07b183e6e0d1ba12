"""The model that ships, as a route: for tests of what is said, where the random model only says noise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from server.backends.base import Delta, Request
from server.backends.llama.backend import LlamaBackend
from server.config import LlamaRoute, default_routes
from tests.support.llama import GREEDY

LOAD_S = 30.0


class HouseModel(LlamaBackend):
    """Draws the likeliest token each time, so that a test always hears the same."""

    def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        return super().generate(replace(request, sampling=GREEDY))


@asynccontextmanager
async def house_model(folder: Path) -> AsyncIterator[HouseModel]:
    """The route `house` of the configuration that ships, ready."""
    route = default_routes()["house"]
    assert isinstance(route, LlamaRoute)
    backend = HouseModel("house", route, model_dir=folder)
    await backend.start()
    try:
        async with asyncio.timeout(LOAD_S):
            state = await backend.until("ready", "down", "off")
        assert state.state == "ready", state
        yield backend
    finally:
        await backend.close()
