"""Who asks, from the headers of a request."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from server.dialogue.completions.npc import Visitor
from server.errors import ApiError

_MOST = 64
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]+")
"""Bytes that are no UTF-8 come as lone surrogates."""


def visitor_of(request: web.Request, user: Any = None) -> Visitor:
    """World, player, scene and chat, as `X-Barkeep-…` headers say; `user` is the player where it is a plain string.

    Raises:
        ApiError: a header is too long, or holds control characters.
    """
    player = user.strip() if isinstance(user, str) and len(user.strip()) <= _MOST else ""
    return Visitor(
        world=_header(request, "World"),
        player=_header(request, "Player") or player,
        scene=_header(request, "Scene"),
        chat=_header(request, "Chat"),
    )


def _header(request: web.Request, name: str) -> str:
    value = request.headers.get(f"X-Barkeep-{name}", "").strip()
    if value and (len(value) > _MOST or not _PRINTABLE.fullmatch(value)):
        raise ApiError(
            f"X-Barkeep-{name} is at most {_MOST} printable characters, in UTF-8.", param=f"X-Barkeep-{name}"
        )
    return value
