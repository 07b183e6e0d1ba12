"""What a failed request means: an HTTP status, an error object or a broken connection as one of our errors.

Statuses as OpenAI and OpenRouter document them. Error objects come as `{"error": {"code", "type", "message"}}`, at
times inside HTTP 200 or in the middle of a stream, and as ModelsLab's `{"status": "error", "message": …}`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from server.errors import ContextOverflow, RouteBroken, RouteBusy, RouteError, RouteRejected

MAX_BODY_BYTES = 65_536
"""How much of an error's body is read."""
MAX_RETRY_AFTER_S = 86_400.0
_MAX_TOLD = 200

_HINTS = {
    400: "this request and this server do not fit each other: check `model` and `base_url` of the route",
    401: "the key is missing or wrong: check `api_key` of the route, or the environment variable that it names",
    402: "the account has no credit left: add some at the provider, or take the route out of `dialogue.order`",
    403: "this key may not use this model: check the account's permissions and the `model` of the route",
    404: "no such address or model there: check `base_url` and `model` of the route against the provider's list",
}
_STATUS_OF_WORD = {
    "invalid_api_key": 401,
    "authentication_error": 401,
    "insufficient_quota": 402,
    "payment_required": 402,
    "permission_error": 403,
    "content_policy_violation": 403,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
}
_OVERFLOW_WORDS = {"context_length_exceeded", "exceed_context_size_error"}


def error_for_status(status: int, body: bytes, headers: Mapping[str, str], now: datetime) -> RouteError:
    """The error behind an HTTP status other than 200. `now` (aware) is what a Retry-After date is counted from."""
    problem = _problem(_json(body))
    return _typed(status, problem, retry_after_s(headers.get("Retry-After"), now))


def error_in_body(body: Any) -> RouteError:
    """The error that a parsed JSON body reports although the HTTP status was fine."""
    problem = _problem(body)
    if problem.status is None and not problem.overflow:
        return RouteBroken(f"the route reported an error: {problem.message or 'it did not say which'}")
    return _typed(problem.status or 400, problem, None)


def error_in_page(body: bytes) -> RouteError:
    """The error behind HTTP 200 with a body that is no event stream: JSON that reports one, or any other page."""
    parsed = _json(body)
    if isinstance(parsed, dict) and (parsed.get("error") or parsed.get("status") == "error"):
        return error_in_body(parsed)
    hint = "check `base_url` of the route: it ends where /chat/completions begins, most often in /v1"
    return RouteBroken("the route answered with something that is no event stream", hint)


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Retry-After in seconds from `now`; None where it says nothing usable.

    Seconds or a date, as RFC 9110 has it in section 10.2.3.
    """
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return None  # neither form: as good as no header
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if not math.isnan(seconds) else None


class _Problem:
    """An error object, as far as it can be understood."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        metadata = fields.get("metadata")
        kind = metadata.get("error_type") if isinstance(metadata, Mapping) else None
        words = [word for word in (kind, fields.get("code"), fields.get("type")) if isinstance(word, str)]
        code = fields.get("code")
        statuses = [_STATUS_OF_WORD[word] for word in words if word in _STATUS_OF_WORD]
        if isinstance(code, int | str) and str(code).isdecimal() and len(str(code)) == 3:
            statuses.append(int(code))
        self.overflow = not _OVERFLOW_WORDS.isdisjoint(words)
        self.status = statuses[0] if statuses else None
        message = fields.get("message") or fields.get("messege")  # ModelsLab's older spelling
        self.message = " ".join(message.split())[:_MAX_TOLD] if isinstance(message, str) else ""


def _problem(body: Any) -> _Problem:
    fields = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(fields, Mapping):
        return _Problem(fields)
    if isinstance(fields, str):
        return _Problem({"message": fields})
    return _Problem(body if isinstance(body, Mapping) else {})


def _typed(status: int, problem: _Problem, retry_s: float | None) -> RouteError:
    said = f": {problem.message}" if problem.message else ""
    if problem.overflow:
        return ContextOverflow(
            f"the prompt is larger than the model's context{said}", "lower `budget.hosted.prompt_tokens`"
        )
    if status == 429:
        hint = "the provider limits how often it is asked; it will answer again later"
        return RouteBusy(f"the route asks for patience (429){said}", hint, retry_after_s=retry_s)
    if status == 408 or status >= 500:
        return RouteBroken(f"the route failed ({status}){said}")
    if 300 <= status < 400:
        hint = "put the address that it points to into `base_url` of the route"
        return RouteRejected(
            f"the route answered with a redirect ({status}), which is not followed", hint, status=status
        )
    hint = _HINTS.get(status, _HINTS[400])
    return RouteRejected(f"the route refused the request ({status}){said}", hint, status=status)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
