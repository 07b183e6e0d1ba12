import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from server.backends.hosted.failure import error_for_status, error_in_body, error_in_page, retry_after_s
from server.errors import ContextOverflow, RouteBroken, RouteBusy, RouteError, RouteRejected

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


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 529])
def test_failures_of_the_server_are_broken(status: int):
    assert type(error(status)) is RouteBroken


def test_the_providers_own_words_are_told_in_one_short_line():
    told = error(400, {"error": {"message": "bad\n\n  " + "x" * 1_000}}).message
    assert "\n" not in told
    assert "bad xxx" in told
    assert len(told) < 300


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
