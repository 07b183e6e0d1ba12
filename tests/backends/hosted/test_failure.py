import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from server.backends.hosted.failure import (
    MAX_TOLD,
    error_for_status,
    error_in_body,
    error_in_page,
    retry_after_s,
    shown,
)
from server.errors import ContextOverflow, RouteBroken, RouteBusy, RouteError, RouteFiltered, RouteRejected

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)


def error(status: int, body: object = None, **headers: str) -> RouteError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_for_status(status, content, headers, NOW)


@pytest.mark.parametrize(
    ("status", "word"),
    [(400, "model"), (401, "key"), (402, "credit"), (403, "key"), (404, "model"), (422, "base_url"), (301, "base_url")],
)
def test_refusals_name_what_can_be_done(status: int, word: str):
    refused = error(status, {"error": {"message": "no"}})
    assert isinstance(refused, RouteRejected)
    assert refused.status == status
    assert word in refused.hint


@pytest.mark.parametrize(
    "fields",
    [
        {"message": "No connected db.", "type": "no_db_connection", "code": "400"},
        {"message": "Authentication Error, Invalid proxy server token passed."},
        {"message": "API key not valid. Please pass a valid API key."},
        {"message": "Incorrect API key provided: sk-1."},
    ],
)
def test_a_key_that_is_refused_as_a_bad_request_is_known_by_the_words(fields: dict[str, str]):
    refused = error(400, {"error": fields})
    assert isinstance(refused, RouteRejected)
    assert refused.status == 401
    assert "key" in refused.hint


@pytest.mark.parametrize("said", ["temperature is too high", "no database of keys in the tavern", "api key fields"])
def test_other_bad_requests_stay_what_they_are(said: str):
    refused = error(400, {"error": {"message": said}})
    assert isinstance(refused, RouteRejected)
    assert refused.status == 400


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_failures_of_the_server_are_broken(status: int):
    assert type(error(status)) is RouteBroken


def test_the_providers_own_words_are_told_in_one_short_line():
    told = error(400, {"error": {"message": "bad\n\n  " + "x" * 1_000}}).message
    assert "\n" not in told
    assert "bad xxx" in told
    assert len(shown(told, "")) <= MAX_TOLD


def test_a_key_is_taken_out_before_the_message_is_cut():
    said = "x" * (MAX_TOLD - 5) + "sk-canary"
    assert "sk-" not in shown(said, "sk-canary")
    assert shown("short", "") == "short"


def test_what_a_terminal_would_obey_is_taken_out_before_the_key_is_looked_for():
    assert shown("\x1b[2Jno \x07good: sk-ca\x00nary", "sk-canary") == "[2Jno good: [key]"


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000, [], 7, {"error": None}, {"error": [1]}])
def test_any_body_will_do(body: object):
    assert type(error(500, body)) is RouteBroken
    assert isinstance(error(404, body), RouteRejected)


def test_a_prompt_too_long_is_told_apart():
    for body in (
        {"error": {"code": "context_length_exceeded", "message": "too long"}},
        {"error": {"type": "exceed_context_size_error", "code": 400}},
        {"error": {"code": 400, "metadata": {"error_type": "context_length_exceeded"}}},
    ):
        assert isinstance(error(400, body), ContextOverflow)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("999999999", 86_400.0),
        ("Sat, 01 Mar 2025 12:00:30 GMT", 30.0),
        ("Sat, 01 Mar 2025 11:00:00 GMT", 0.0),
        ("Sat, 01 Mar 2025 13:01:00 +0100", 60.0),
        ("soon", None),
        ("nan", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_in_both_forms(header: str | None, seconds: float | None):
    assert retry_after_s(header, NOW) == seconds
    assert retry_after_s(header, NOW.astimezone(timezone(timedelta(hours=5)))) == seconds


def test_busy_says_when_to_come_again():
    busy = error(429, {"error": {"message": "slow down"}}, **{"Retry-After": "12"})
    assert isinstance(busy, RouteBusy)
    assert busy.retry_after_s == 12
    assert isinstance(error(429), RouteBusy)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"code": 402, "message": "no credit"}}, RouteRejected),
        ({"error": {"type": "rate_limit_error"}}, RouteBusy),
        ({"error": {"code": "invalid_api_key"}}, RouteRejected),
        ({"error": {"type": "server_error", "code": 500}}, RouteBroken),
        ({"error": {"code": True}}, RouteBroken),
        ({"status": "error", "messege": "out of order"}, RouteBroken),
        ({"error": "plain words"}, RouteBroken),
    ],
)
def test_errors_inside_a_good_status(body: object, kind: type[RouteError]):
    assert type(error_in_body(body)) is kind
    assert type(error_in_page(json.dumps(body).encode())) is kind


def test_the_older_spelling_of_message_is_read():
    assert "out of order" in error_in_body({"status": "error", "messege": "out of order"}).message


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"", b"{}", b'{"choices":[]}', b"7"])
def test_any_other_page_hints_at_the_address(body: bytes):
    broken = error_in_page(body)
    assert type(broken) is RouteBroken
    assert "base_url" in broken.hint


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "This model's maximum context length is 4096 tokens. However, you requested 5000."),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "the request exceeds the available context size. try increasing it"),
        (500, "The number of tokens to keep from the initial prompt is greater than the context length"),
        (413, "Too many tokens"),
    ],
)
def test_a_prompt_too_long_is_known_by_its_words_too(status: int, message: str):
    assert type(error(status, {"error": {"message": message}})) is ContextOverflow


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "liquid/lfm-9b is not a valid model ID"),
        (404, "No endpoints found for liquid/lfm-3b."),
        (400, "The model `lfm` does not exist"),
        (400, "model 'lfm' not found, try pulling it first"),
    ],
)
def test_an_unknown_model_counts_as_not_found_whatever_its_status(status: int, message: str):
    refused = error(status, {"error": {"message": message}})
    assert isinstance(refused, RouteRejected)
    assert refused.status == 404


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (403, {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"], "flagged_input": "…"}}),
        (400, {"code": "content_filter", "message": "filtered"}),
        (403, {"code": 403, "metadata": {"error_type": "content_policy_violation"}}),
    ],
)
def test_a_content_filter_is_no_fault_of_the_key(status: int, fields: dict[str, object]):
    assert type(error(status, {"error": fields})) is RouteFiltered


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("Invalid API Key provided", 401),
        ("You have insufficient credits", 402),
        ("Your subscription has ended", 402),
        ("no such model", 404),
    ],
)
def test_errors_in_words_alone_are_sorted_by_their_words(message: str, status: int):
    refused = error_in_body({"status": "error", "messege": message})
    assert isinstance(refused, RouteRejected)
    assert refused.status == status


def test_patience_asked_for_in_a_body_or_by_an_overloaded_server():
    for body in (
        {"status": "error", "message": "Rate limit exceeded", "retry_after": 9},
        {"error": {"code": 429, "metadata": {"availability": {"retry_after": 9}}}},
        {"error": {"type": "overloaded_error", "retry_after": 9.0}},
    ):
        busy = error_in_body(body)
        assert isinstance(busy, RouteBusy)
        assert busy.retry_after_s == 9
    assert isinstance(error(529, {"type": "error", "error": {"type": "overloaded_error"}}), RouteBusy)
    later = error(503, **{"Retry-After": "4"})
    assert isinstance(later, RouteBusy)
    assert later.retry_after_s == 4
