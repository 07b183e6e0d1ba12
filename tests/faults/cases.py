"""The ways in which a hosted route fails, and what a player gets instead.

Each case is one turn of a house whose first route is `hosted`, the faulty one, its second `local`, up or down, and its
floor the authored lines. All deadlines stand at a twentieth of their defaults.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.support.fault_server import (
    DONE,
    HEALTHY,
    MESSAGE,
    MESSAGE_BEGUN,
    MESSAGE_ENDS,
    USAGE,
    Reply,
    chunk,
    event,
    message_text,
)

SCALE = 20
FIRST_TEXT_MS = 2_500 // SCALE
AUTHORED_AFTER_MS = 8_000 // SCALE
GAP_MS = 4_000 // SCALE
TURN_MS = 20_000 // SCALE
HEDGE_AFTER_MS = 1_200 // SCALE
STALL_MS = 2_000 // SCALE
DRIP_S = 0.05 / SCALE
AT_ONCE_MS = AUTHORED_AFTER_MS
"""Far above what passing a failed route over takes, so that a busy machine is no fault; still before any floor."""
SLACK_MS = 500
"""How much later than its deadline something may happen on a busy machine."""

JSON = "application/json"
HTML = "text/html; charset=utf-8"
SPOILED = "SPOILED"
"""Stands in every error's text; a player must never hear it."""
KEY = "sk-canary-0123456789abcdef"
"""The route's key, which faulty servers quote; it must appear nowhere."""
HOSTED_WORDS = "Two rooms."
LOCAL_WORDS = "One bed is left."

REFUSED, NO_NAME, TLS = "refused", "no such name", "self-signed certificate"


@dataclass(frozen=True)
class Case:
    """One fault, in one turn.

    Attributes:
        fault: What the server replies, or one of `REFUSED`, `NO_NAME` and `TLS` where it does not come to that.
        outcomes: What may become of the hosted route, each the outcomes of all its attempts in one text.
        outcomes_up: The same while the local route is up, where that differs.
        hosted_answers: The player hears the hosted route.
        degraded: Its answer is closed early.
        asked: How often it is asked over HTTP; None where that is once for each attempt.
        silent_ms: The first line is not heard before this; in an answer that is closed early, it is not over before.
        within_ms: The turn is over by then.
        before: What the server replied to the turns before this one, one each.
        first: What it replies to the first requests of this turn, before `fault`.
        kind: The route's wire format.
    """

    name: str
    fault: Reply | str
    outcomes: frozenset[str]
    outcomes_up: frozenset[str] = frozenset()
    hosted_answers: bool = False
    degraded: bool = False
    asked: int | None = None
    silent_ms: int = 0
    within_ms: int = AT_ONCE_MS
    before: tuple[Reply, ...] = ()
    first: tuple[Reply, ...] = ()
    kind: str = "openai"


def error(status: int, *, headers: dict[str, str] | None = None, **fields: object) -> Reply:
    """A refusal as providers word it, which quotes the key."""
    body = {"error": {"code": status, "message": f"{SPOILED} by {KEY}", **fields}}
    return Reply((json.dumps(body).encode(),), status, JSON, headers or {})


def _fails(name: str, fault: Reply | str, outcome: str, *, asked: int | None = None) -> Case:
    """It cannot answer, and will not so soon."""
    return Case(name, fault, frozenset({outcome}), asked=asked)


def _stumbles(name: str, fault: Reply | str, outcome: str, *, asked: int | None = None) -> Case:
    """It may answer if asked again: that pays where nobody else is there, and the wait for it is drawn short."""
    once, twice = frozenset({outcome}), frozenset({outcome, f"{outcome} {outcome}"})
    return Case(name, fault, twice, once, asked=asked)


def _late(name: str, fault: Reply) -> Case:
    """Nothing useful comes: another route is asked beside it, else authored lines speak at their time."""
    return Case(
        name,
        fault,
        frozenset({"timeout_first_text"}),
        frozenset({"overtaken"}),
        silent_ms=HEDGE_AFTER_MS,
        within_ms=AUTHORED_AFTER_MS + SLACK_MS,
    )


def _rests(name: str, *before: Reply) -> Case:
    """It failed in the turns before, so that it is not even asked."""
    return Case(name, Reply(), frozenset({"unavailable"}), asked=0, before=before)


def _heard(name: str, fault: Reply | str) -> Case:
    """Odd, but an answer."""
    return Case(name, fault, frozenset({"ok"}), hosted_answers=True)


def _closed(name: str, fault: Reply, outcome: str, *, silent_ms: int = 0) -> Case:
    """It fails in the middle of its answer: what was said stands, nobody else goes on."""
    within_ms = silent_ms + AT_ONCE_MS + SLACK_MS if silent_ms else AT_ONCE_MS
    return Case(name, fault, frozenset({outcome}), hosted_answers=True, degraded=True, within_ms=within_ms)


def _split(body: bytes) -> tuple[bytes, ...]:
    return tuple(body[at : at + 1] for at in range(len(body)))


_BEGUN = (chunk(""), chunk("Two rooms. "))
_MID_ERROR = chunk(finish="error", error={"code": 502, "message": f"{SPOILED} in the middle"})
_ACCENTED = (chunk(""), chunk("Two rööms, "), chunk("très petites — 二.")), (chunk(finish="stop"), USAGE, DONE)
_COMMENTS = (b": PROCESSING\n\n",) * 3
_THOUGHTS = tuple(
    b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": None, key: "Hm. "}}]}).encode() + b"\n\n"
    for key in ("reasoning", "reasoning_content")
)
_PAGE = f"<!doctype html><title>{SPOILED}</title><p>Back soon.".encode()
_MODELSLAB = json.dumps({"status": "error", "messege": f"{SPOILED} {KEY}"}).encode()
_OVERFLOW = error(400, type="invalid_request_error", metadata={"error_type": "context_length_exceeded"})
_FILTERED = error(403, metadata={"error_type": "content_policy_violation"})
_DATE = format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)

CASES: tuple[Case, ...] = (
    _stumbles("connection refused", REFUSED, "unavailable", asked=0),
    # A resolver without a network may take its time, up to the deadline.
    replace(
        _stumbles("DNS failure", NO_NAME, "unavailable", asked=0),
        outcomes=frozenset({"unavailable", "unavailable unavailable", "timeout_first_text"}),
        outcomes_up=frozenset({"unavailable", "overtaken"}),
        within_ms=AUTHORED_AFTER_MS + SLACK_MS,
    ),
    _stumbles("TLS failure", TLS, "unavailable", asked=0),
    _late("stall before the first byte", Reply(silent=True)),
    _late("stall after the status", Reply((), end="hang")),
    _late("stall after comments", Reply(_COMMENTS, end="hang")),
    _late("stall after the role", Reply((chunk(""),), end="hang")),
    _late("stall after thoughts", Reply(_THOUGHTS, end="hang")),
    _late("slow drip", Reply((), dripped=b"".join(HEALTHY), drip_s=DRIP_S)),
    _stumbles("drop before the first byte", Reply(silent=True, end="drop"), "broken"),
    _stumbles("drop after the status", Reply((), end="drop"), "broken"),
    _stumbles("drop before the first text", Reply((chunk(""),), end="drop"), "broken"),
    _stumbles("error chunk before the first text", Reply((chunk(""), _MID_ERROR, DONE)), "broken"),
    _stumbles("stream without a word", Reply((chunk(""), chunk(finish="stop"), USAGE, DONE)), "empty"),
    _closed("drop in mid-stream", Reply(_BEGUN, end="drop"), "broken"),
    _closed("error chunk in mid-stream", Reply((*_BEGUN, _MID_ERROR, DONE)), "broken"),
    _closed("garbage in mid-stream", Reply((*_BEGUN, b"data: {]\n\n", DONE)), "broken"),
    _closed("stall in mid-stream", Reply(_BEGUN, end="hang"), "timeout_gap", silent_ms=GAP_MS),
    _closed(
        "slow drip in mid-stream",
        Reply(_BEGUN, dripped=chunk("Mind the third stair. " * 10), drip_s=DRIP_S),
        "timeout_gap",
        silent_ms=GAP_MS,
    ),
    _fails("400", error(400), "rejected"),
    Case(
        "400, prompt too long",
        Reply(),
        frozenset({"context_overflow ok"}),
        hosted_answers=True,
        before=(Reply(), Reply()),
        first=(_OVERFLOW,),
    ),
    _fails("401", error(401), "rejected"),
    _fails("402", error(402), "rejected"),
    _fails("403", error(403), "rejected"),
    _fails("403, content filter", _FILTERED, "filtered"),
    _fails("404", error(404), "rejected"),
    _stumbles("408", error(408), "broken"),
    _fails("429", error(429), "busy"),
    _fails("429, Retry-After in seconds", error(429, headers={"Retry-After": "120"}), "busy"),
    _fails("429, Retry-After as a date", error(429, headers={"Retry-After": _DATE}), "busy"),
    _stumbles("500", error(500), "broken"),
    _stumbles("502", error(502), "broken"),
    _stumbles("503", error(503), "broken"),
    _fails("503, Retry-After", error(503, headers={"Retry-After": "30"}), "busy"),
    _fails("200 with an error body", replace(error(429), status=200), "busy"),
    _stumbles("200 with another error body", Reply((_MODELSLAB,), 200, JSON), "broken"),
    _stumbles("200 with an HTML page", Reply((_PAGE,), 200, HTML), "broken"),
    _stumbles("500 with an HTML page", Reply((_PAGE,), 500, HTML), "broken"),
    _stumbles("500 with 10 MB", Reply((SPOILED.encode() * 9_362,) * 160, 500, JSON), "broken"),
    _fails("redirect", Reply((), 307, HTML, {"Location": "/v1/chat/completions"}), "rejected"),
    _fails("redirect elsewhere", Reply((), 302, HTML, {"Location": "http://nobody.invalid/"}), "rejected"),
    _rests("the turn after 401", error(401)),
    _rests("the turn after 402", error(402)),
    _rests("the turn after 403", error(403)),
    _rests("the turn after 429, Retry-After", error(429, headers={"Retry-After": "120"})),
    _rests("the turn after three times 429", error(429), error(429), error(429)),
    replace(_heard("the turn after 403, content filter", Reply()), before=(_FILTERED,)),
    replace(_heard("the turn after twice 429", Reply()), before=(error(429), error(429))),
    _heard("healthy", Reply()),
    _heard("comments first", Reply((*_COMMENTS, *HEALTHY))),
    _heard("CRLF", Reply(tuple(piece.replace(b"\n", b"\r\n") for piece in HEALTHY))),
    _heard("split UTF-8", Reply((*_split(b"".join(_ACCENTED[0])), *_ACCENTED[1]))),
    _heard("no [DONE]", Reply(HEALTHY[:-1])),
    _heard("data after [DONE]", Reply((*HEALTHY, chunk(SPOILED), b"data: {]\n\n"))),
    _heard("gzip", Reply((gzip.compress(b"".join(HEALTHY)),), headers={"Content-Encoding": "gzip"})),
)


def _problem(status: int, kind: str, *, headers: dict[str, str] | None = None) -> Reply:
    """A refusal as Anthropic words it, which quotes the key."""
    body = {"type": "error", "error": {"type": kind, "message": f"{SPOILED} by {KEY}"}}
    return Reply((json.dumps(body).encode(),), status, JSON, headers or {})


_MESSAGE_SAYS = (*MESSAGE_BEGUN, message_text("Two rooms. "))
_MESSAGE_ERROR = event("error", error={"type": "overloaded_error", "message": f"{SPOILED} in the middle"})
_REFUSES = event("message_delta", delta={"stop_reason": "refusal"}, usage={"output_tokens": 1})
MESSAGES: tuple[Case, ...] = tuple(
    replace(
        case,
        name=f"messages: {case.name}",
        kind="anthropic",
        fault=Reply(MESSAGE) if case.fault == Reply() else case.fault,
    )
    for case in (
        _heard("healthy", Reply()),
        _heard("CRLF", Reply(tuple(piece.replace(b"\n", b"\r\n") for piece in MESSAGE))),
        _heard("split anywhere", Reply(_split(b"".join(MESSAGE)))),
        _heard("no message_stop", Reply(MESSAGE[:-1])),
        _heard("data after message_stop", Reply((*MESSAGE, message_text(SPOILED), b"data: {]\n\n"))),
        _late("stall before the first byte", Reply(silent=True)),
        _late("stall after a ping", Reply(MESSAGE_BEGUN, end="hang")),
        _stumbles("drop before the first text", Reply(MESSAGE_BEGUN, end="drop"), "broken"),
        _stumbles("message without a word", Reply((*MESSAGE_BEGUN, MESSAGE_ENDS, event("message_stop"))), "empty"),
        _fails("error event before the first text", Reply((*MESSAGE_BEGUN, _MESSAGE_ERROR)), "busy"),
        _fails("refusal", Reply((*MESSAGE_BEGUN, _REFUSES, event("message_stop"))), "filtered"),
        _closed("drop in mid-stream", Reply(_MESSAGE_SAYS, end="drop"), "broken"),
        _closed("error event in mid-stream", Reply((*_MESSAGE_SAYS, _MESSAGE_ERROR)), "busy"),
        _closed("stall in mid-stream", Reply(_MESSAGE_SAYS, end="hang"), "timeout_gap", silent_ms=GAP_MS),
        _fails("400", _problem(400, "invalid_request_error"), "rejected"),
        _fails("401", _problem(401, "authentication_error"), "rejected"),
        _fails("404", _problem(404, "not_found_error"), "rejected"),
        _fails("429, Retry-After", _problem(429, "rate_limit_error", headers={"Retry-After": "120"}), "busy"),
        _fails("529", _problem(529, "overloaded_error"), "busy"),
        _stumbles("500", _problem(500, "api_error"), "broken"),
        _rests("the turn after 401", _problem(401, "authentication_error")),
    )
)
REPLICAS: tuple[Case, ...] = (
    replace(_heard("replicas: one refused", REFUSED), asked=0),
    replace(_heard("replicas: one without TLS", TLS), asked=0),
    _heard("replicas: one answers 500", error(500)),
    _heard("replicas: one answers 429", error(429, headers={"Retry-After": "120"})),
    _heard("replicas: one drops before the first text", Reply((chunk(""),), end="drop")),
    replace(_heard("replicas: one stalls before the first byte", Reply(silent=True)), silent_ms=STALL_MS),
    replace(_heard("replicas: one stalls after comments", Reply(_COMMENTS, end="hang")), silent_ms=STALL_MS),
    _closed("replicas: one drops in mid-stream", Reply(_BEGUN, end="drop"), "broken"),
    _fails("replicas: one refuses the key", error(401), "rejected"),
)
"""The first of a route's two servers is faulty, the second one well; nobody else is there but the authored lines."""
