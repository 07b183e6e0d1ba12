"""HTTP answers in JSON, the same shape for every refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiohttp import web


def problem(
    status: int, code: str, message: str, hint: str = "", headers: Mapping[str, str] | None = None
) -> web.Response:
    """A refusal as `{"error": {code, message, hint}}` with this HTTP status."""
    body = json.dumps({"error": {"code": code, "message": message, "hint": hint}})
    return web.Response(status=status, text=body, content_type="application/json", headers=headers)
