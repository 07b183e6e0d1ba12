"""Errors as OpenAI's clients understand them: `{"error": {message, type, param, code}}` and a status they act on."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from server.errors import (
    ApiError,
    BarkeepError,
    ContextOverflow,
    ProtocolError,
    RouteBusy,
    RouteError,
    RouteFiltered,
    RouteRejected,
    RouteUnavailable,
)
from server.gateway.answers import error_type, problem
from server.protocol.codes import Code

LOADING_RETRY_S = 2
"""After so many seconds a client asks again whether the model is loaded."""
_STATUS: dict[str, int] = {
    Code.UNKNOWN_NPC: 404,
    Code.TOO_MANY: 429,
    Code.STORE: 503,
    Code.INTERNAL: 503,
}


def status_of(error: BarkeepError) -> int:
    """The HTTP status of an error."""
    match error:
        case ApiError():
            return error.status
        case ProtocolError():
            return _STATUS.get(error.code, 400)
        case RouteUnavailable():
            return 503
        case RouteBusy():
            return 429
        case RouteRejected() if error.status in (None, 400, 404, 413, 422):
            return 400
        case ContextOverflow() | RouteFiltered():
            return 400
        case RouteError():
            return 502
    return 500


def code_of(error: BarkeepError) -> str:
    """The error's code, in OpenAI's words where it has some."""
    match error:
        case ContextOverflow():
            return "context_length_exceeded"
        case RouteFiltered():
            return "content_filter"
        case RouteError():
            return f"route_{error.outcome}"
    return error.code


def refusal(error: BarkeepError) -> web.Response:
    """The whole answer to a request that failed before anything of its answer was sent."""
    status = status_of(error)
    headers: dict[str, str] = {}
    if isinstance(error, RouteBusy) and error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    elif status == 503:
        headers["Retry-After"] = str(LOADING_RETRY_S)
    if status >= 500 and not _may_pass(error):
        headers["x-should-retry"] = "false"  # OpenAI's SDKs ask again otherwise
    param = error.param if isinstance(error, ApiError) else None
    return problem(status, code_of(error), told(error), error.hint, headers, param=param)


def error_body(error: BarkeepError) -> dict[str, Any]:
    """The `error` object of a frame in a stream that had begun."""
    param = error.param if isinstance(error, ApiError) else None
    return {
        "message": told(error),
        "type": error_type(status_of(error)),
        "param": param,
        "code": code_of(error),
    }


def told(error: BarkeepError) -> str:
    """Message and hint: clients show people nothing else."""
    return f"{error.message} {error.hint}".strip()


def _may_pass(error: BarkeepError) -> bool:
    return error.retryable or isinstance(error, RouteError)
