"""What a failed request means: an HTTP status, an error object or a broken connection as one of our errors.

Statuses as OpenAI, OpenRouter and Anthropic document them. Error objects come as `{"error": {"code", "type",
"message"}}`, at times inside HTTP 200 or in the middle of a stream, and as ModelsLab's `{"status": "error",
"message": …}`, which says in words alone what went wrong.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from server.errors import ContextOverflow, RouteBroken, RouteBusy, RouteError, RouteFiltered, RouteRejected

MAX_BODY_BYTES = 65_536
"""How much of an error's body is read."""
MAX_RETRY_AFTER_S = 86_400.0
MAX_TOLD = 240
"""How much of a server's message is shown to people, in characters."""
REDACTED = "[key]"
_MAX_READ = 4_096

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
    "billing_error": 402,
    "permission_error": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "timeout": 408,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "provider_unavailable": 502,
    "provider_overloaded": 503,
    "overloaded_error": 529,
}
_OVERFLOW_WORDS = frozenset({"context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded"})
_FILTER_WORDS = frozenset({"content_filter", "content_policy_violation", "refusal", "moderation"})
# Some servers say in words alone what others have a code for.
_OVERFLOW = re.compile(
    r"maximum context length|prompt is too long|(exceeds?|larger than|greater than)\b.{0,40}\bcontext|too many tokens"
    r"|context (size|length|window).{0,30}\bexceed"
)
_NO_MODEL = re.compile(
    r"not a valid model|no endpoints found|(?:model|deployment).{0,80}(?:does not exist|not found|not exist|unknown)"
    r"|(?:no such|unknown|invalid) model"
)
# Some answer 400 to a key that they do not know; LiteLLM's proxy without a database then misses the database.
_NO_KEY = re.compile(
    r"\bapi.?key\b.{0,20}\b(?:not valid|invalid|incorrect|wrong|missing|not found|expired)"
    r"|\b(?:invalid|incorrect|wrong|malformed|missing|unknown|no) (?:api.?key|proxy server token)"
    r"|\bauthentication error\b|^no connected db"
)
_STATUS_OF_PHRASE = (
    (re.compile(r"rate limit|too many requests|queue (?:is )?full|concurren"), 429),
    (re.compile(r"insufficient|credits?\b|balance|subscription|payment|out of funds"), 402),
    (re.compile(r"\bapi.?key\b|unauthori[sz]ed|invalid key"), 401),
)
_WAITS = frozenset({429, 529})


def error_for_status(status: int, body: bytes, headers: Mapping[str, str], now: datetime) -> RouteError:
    """The error behind an HTTP status other than 200. `now` (aware) is what a Retry-After date is counted from."""
    problem = _Problem(_json(body))
    retry_s = retry_after_s(headers.get("Retry-After"), now)
    return _typed(status, problem, problem.retry_after_s if retry_s is None else retry_s)


def error_in_body(body: Any) -> RouteError:
    """The error that a parsed JSON body reports although the HTTP status was fine."""
    problem = _Problem(body)
    status = problem.status or problem.status_in_words()
    if status is None and not (problem.overflow or problem.filtered):
        return RouteBroken(f"the route reported an error: {problem.message or 'it did not say which'}")
    return _typed(status or 400, problem, problem.retry_after_s)


def error_in_page(body: bytes) -> RouteError:
    """The error behind HTTP 200 with a body that is no event stream: JSON that reports one, or any other page."""
    if reports_error(body):
        return error_in_body(_json(body))
    hint = "check `base_url` of the route: it ends where /chat/completions or /messages begins, most often in /v1"
    return RouteBroken("the route answered with something that is no event stream", hint)


def shown(message: str, key: str) -> str:
    """`message` as people may see it: without the key and control characters, and cut to `MAX_TOLD` characters."""
    plain = "".join(each for each in message if each.isprintable())  # it goes to terminals, which obey the others
    clean = plain.replace(key, REDACTED) if key else plain
    return clean if len(clean) <= MAX_TOLD else f"{clean[: MAX_TOLD - 1]}…"


def reports_error(body: bytes) -> bool:
    """True where a body that came with HTTP 200 is JSON that says that something failed."""
    parsed = _json(body)
    return isinstance(parsed, dict) and bool(parsed.get("error") or parsed.get("status") == "error")


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
    return _bounded(seconds)


class _Problem:
    """An error object, as far as it can be understood."""

    def __init__(self, body: Any) -> None:
        fields = _fields(body)
        metadata = _mapping(fields.get("metadata"))
        code = fields.get("code")
        words = [word for word in (metadata.get("error_type"), code, fields.get("type")) if isinstance(word, str)]
        statuses = [_STATUS_OF_WORD[word] for word in words if word in _STATUS_OF_WORD]
        if isinstance(code, int | str) and str(code).isdecimal() and len(str(code)) == 3:
            statuses.append(int(code))
        self.status = statuses[0] if statuses else None
        message = fields.get("message") or fields.get("messege")  # ModelsLab's older spelling
        self.message = " ".join(message.split())[:_MAX_READ] if isinstance(message, str) else ""
        self._lower = self.message.casefold()
        self.overflow = not _OVERFLOW_WORDS.isdisjoint(words) or bool(_OVERFLOW.search(self._lower))
        # OpenRouter's moderation names no type, but the reasons.
        self.filtered = not _FILTER_WORDS.isdisjoint(words) or "flagged_input" in metadata
        self.no_model = bool(_NO_MODEL.search(self._lower))
        self.no_key = "no_db_connection" in words or bool(_NO_KEY.search(self._lower))
        waits = (fields, metadata, _mapping(metadata.get("availability")))
        self.retry_after_s = next((wait for each in waits if (wait := _seconds(each)) is not None), None)

    def status_in_words(self) -> int | None:
        """The status that the message comes closest to."""
        if self.no_model:
            return 404
        return next((status for phrase, status in _STATUS_OF_PHRASE if phrase.search(self._lower)), None)


def _fields(body: Any) -> Mapping[str, Any]:
    """Where an error's fields are: in `error`, in its text, or at the top."""
    error = body.get("error") if isinstance(body, Mapping) else None
    return {"message": error} if isinstance(error, str) else _mapping(error) or _mapping(body)


def _typed(status: int, problem: _Problem, retry_s: float | None) -> RouteError:
    said = f": {problem.message}" if problem.message else ""
    if problem.filtered:
        return RouteFiltered(f"the provider's content filter refused the prompt{said}")
    if problem.overflow and status in (400, 413, 500):
        hint = "lower `budget.hosted.prompt_tokens`"
        return ContextOverflow(f"the prompt is larger than the model's context{said}", hint)
    if status in _WAITS or (status == 503 and retry_s is not None):
        hint = "the provider limits how often it is asked; it will answer again later"
        return RouteBusy(f"the route asks for patience ({status}){said}", hint, retry_after_s=retry_s)
    if status == 408 or status >= 500:
        return RouteBroken(f"the route failed ({status}){said}")
    if 300 <= status < 400:
        hint = "put the address that it points to into `base_url` of the route"
        return RouteRejected(
            f"the route answered with a redirect ({status}), which is not followed", hint, status=status
        )
    status = 404 if problem.no_model else 401 if problem.no_key and status == 400 else status
    hint = _HINTS.get(status, _HINTS[400])
    return RouteRejected(f"the route refused the request ({status}){said}", hint, status=status)


def _seconds(fields: Mapping[str, Any]) -> float | None:
    """The `retry_after` of a body, in seconds."""
    value = fields.get("retry_after")
    return _bounded(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _bounded(seconds: float) -> float | None:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if not math.isnan(seconds) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
