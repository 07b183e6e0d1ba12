"""The door for cards, over a real socket."""

from __future__ import annotations

import asyncio
import functools
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from server.config import ServerSettings
from server.gateway.app import make_app
from server.gateway.deps import GatewayDeps
from server.gateway.health import HealthReport
from server.gateway.listener import listen
from server.gateway.metrics import Metrics
from server.personas import loader
from server.personas.library import PersonaLibrary
from server.personas.shelving import Kept, keep
from tests.gateway.house import FakeSessions

CARD = json.dumps({"name": "Tilda", "description": "Mends nets.", "first_mes": "Evening."}).encode()
JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def _door(folder: Path) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    async def kept(data: bytes, wanted: str | None, is_replacing: bool) -> Kept:
        return await asyncio.to_thread(functools.partial(keep, data, folder, wanted, is_replacing=is_replacing))

    settings = ServerSettings(port=0)
    health = functools.partial(HealthReport, routes=[], running=0, sessions=0)
    deps = GatewayDeps(settings, FakeSessions(), health, Metrics(), "1", kept)
    listener = await listen(make_app(deps), settings)
    host, port = listener.address
    try:
        async with aiohttp.ClientSession() as client:
            yield client, f"http://{host}:{port}/v1/cards"
    finally:
        await listener.close()


async def test_a_card_that_is_sent_is_an_npc(tmp_path: Path) -> None:
    async with _door(tmp_path) as (client, url):
        async with client.post(url, data=CARD, headers=JSON) as answer:
            assert answer.status == 201
            assert (await answer.json()) == {"id": "tilda", "name": "Tilda", "kind": "card", "notes": []}
        async with client.post(url, data=CARD, headers=JSON) as answer:
            assert answer.status == 422
            assert (await answer.json())["error"]["code"] == "bad_card"
        async with client.post(f"{url}?id=tilda&replace=true", data=CARD, headers=JSON) as answer:
            assert answer.status == 201
    library = PersonaLibrary([tmp_path])
    library.load()
    assert library.ids() == ("tilda",)


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"%PDF", "application/octet-stream", 422),
        (CARD, "text/plain", 415),
        (CARD, "application/x-www-form-urlencoded", 415),
        (b"\x89PNG\r\n\x1a\n", "image/png", 422),
        (b"{" + b" " * (20 << 20), "application/json", 413),
    ],
)
async def test_what_is_no_card_is_refused(tmp_path: Path, data: bytes, content_type: str, status: int) -> None:
    async with (
        _door(tmp_path) as (client, url),
        client.post(url, data=io.BytesIO(data), headers={"Content-Type": content_type}) as answer,
    ):
        assert answer.status == status
        assert (await answer.json())["error"]["hint"]
    assert loader.listed(tmp_path) == []


async def test_pages_of_strangers_cannot_send_cards(tmp_path: Path) -> None:
    async with _door(tmp_path) as (client, url):
        headers = {"Content-Type": "image/png", "Origin": "https://example.org"}
        async with client.post(url, data=CARD, headers=headers) as answer:
            assert answer.status == 403
    assert loader.listed(tmp_path) == []
