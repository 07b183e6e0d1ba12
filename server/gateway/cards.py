"""`POST /v1/cards`: a card or a lorebook becomes an NPC, or what NPCs know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from server.errors import CardError
from server.gateway.answers import problem
from server.gateway.tcp import body_in_time

MAX_BYTES = 20 << 20
UPLOAD_S = 60.0
CONTENT_TYPES = frozenset({"image/png", "image/apng", "image/jpeg", "application/zip", "application/octet-stream"})
"""What a card comes as besides JSON. No plain HTML form can send any of them."""


class Kept(Protocol):
    """What was kept."""

    @property
    def id(self) -> str:
        """The id of the NPC, or of the book."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def kind(self) -> str:
        """`card` or `book`."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about it, for people."""


KeepCard = Callable[[bytes, str | None, bool], Awaitable[Kept]]
"""Keeps a file under an id, in place of another one where the flag says so."""


def card_door(keep: KeepCard) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler. The body is the file; `?id=` is the id that it gets, `?replace=true` lets it replace a card."""

    async def take(request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(UPLOAD_S):
                data = await _body(request)
        except TimeoutError:
            return problem(408, "too_slow", f"The file took longer than {UPLOAD_S:.0f} s.", "Send it again.")
        if data is None:
            return problem(
                413, "too_long", f"The file is larger than {MAX_BYTES >> 20} MiB.", "Make its pictures smaller."
            )
        try:
            kept = await keep(data, request.query.get("id"), request.query.get("replace") == "true")
        except CardError as error:
            return problem(422, error.code, error.message, error.hint)
        body = {"id": kept.id, "name": kept.name, "kind": kept.kind, "notes": list(kept.notes)}
        return web.json_response(body, status=201)

    return take


async def _body(request: web.Request) -> bytes | None:
    """The whole body; None where it is too long, of which no more is read."""
    if (request.content_length or 0) > MAX_BYTES:
        return None
    data = bytearray()
    async with body_in_time():
        async for piece in request.content.iter_any():
            data += piece
            if len(data) > MAX_BYTES:
                return None
    return bytes(data)
