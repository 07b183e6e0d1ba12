"""HTTP answers in JSON, the same shape for every refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiohttp import web

MAX_REASON = 120
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def problem(
    status: int,
    code: str,
    message: str,
    hint: str = "",
    headers: Mapping[str, str] | None = None,
    *,
    param: str | None = None,
) -> web.Response:
    """A refusal with this HTTP status, as `{"type": "error", "error": {message, type, param, code, hint}}`.

    That is the shape of OpenAI's API and of Anthropic's. The message is the reason phrase too: some frontends show
    people nothing else.
    """
    error = {"message": message, "type": error_type(status), "param": param, "code": code, "hint": hint}
    text = json.dumps({"type": "error", "error": error})
    return web.Response(
        status=status, reason=_reason(message), text=text, content_type="application/json", headers=headers
    )


def error_type(status: int) -> str:
    """OpenAI's word for the kind of an error."""
    return _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")


def _reason(message: str) -> str | None:
    """`message` as a reason phrase may be (RFC 9112 §4): printable ASCII on one line."""
    plain = "".join(character if " " <= character <= "~" else " " for character in message)
    return " ".join(plain.split())[:MAX_REASON] or None
