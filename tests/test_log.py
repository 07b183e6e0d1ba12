import io
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from server import log
from server.errors import ConfigError

CANARY = "canary-4f9c/+=&x"
SPEECH = "I hid the ledger under the third stair"


@dataclass(frozen=True)
class Options:
    level: str = "debug"
    content: bool = False


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_secrets", [])


def configured(*, content: bool = False, level: str = "debug", out: io.StringIO | None = None) -> io.StringIO:
    out = out or io.StringIO()
    log.configure(Options(level, content), stream=out)
    return out


def events(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def nested(value: object) -> list[dict[str, object]]:
    return [
        {"plain": value},
        {"deep": {"list": [{"tuple": ({"x": value},)}]}},
        {"set": {value}},
        {"inside": f"before {value} after"},
        {str(value): "as a key"},
        {"path": Path(f"/home/{value}")},
        {"error": ConfigError(f"wrong: {value}")},
    ]


@pytest.mark.parametrize("fields", nested(CANARY))
@pytest.mark.parametrize("content", [False, True])
@pytest.mark.parametrize("out", [io.StringIO, Terminal])
def test_a_registered_secret_is_nowhere(fields: dict[str, Any], content: bool, out: type[io.StringIO]) -> None:
    log.register_secret(CANARY)
    written = configured(content=content, out=out())
    structlog.get_logger("x").info(f"starting with {CANARY}", **fields)
    logging.getLogger("library").warning("sent %s", fields)
    logging.getLogger("library").warning("asked for http://x/?q=canary-4f9c%2F%2B%3D%26x")
    assert log.REDACTED in written.getvalue()
    assert "canary-4f9c" not in written.getvalue()


def test_a_secret_that_begins_another_leaves_nothing_of_it() -> None:
    log.register_secret("abcd")
    log.register_secret("abcd-efgh")
    out = configured()
    structlog.get_logger().info("x", value="abcd-efgh")
    assert events(out)[0]["value"] == log.REDACTED


def test_a_blank_secret_is_none() -> None:
    log.register_secret("")
    log.register_secret("  ")
    out = configured()
    structlog.get_logger().info("two  words")
    assert events(out)[0]["event"] == "two  words"


@pytest.mark.parametrize(
    "key",
    [
        *("token", "api_key", "apiKey", "APIKey", "x-goog-api-key", "Authorization", "password", "db_passwd"),
        *("accesstoken", "client_secret", "Set-Cookie", "key", "keys", "credentials", "bearer"),
    ],
)
def test_what_a_key_names_a_secret_is_replaced(key: str) -> None:
    out = configured(content=True)
    structlog.get_logger().info("x", **{key: CANARY, "headers": {key: [CANARY, {"value": CANARY}]}})
    assert "canary" not in out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        f"GET /v1/ws?token={CANARY}x HTTP/1.1",
        f"Authorization: Bearer {CANARY}",
        f'{{"api_key": "{CANARY}"}}',
        f"https://host/path?a=1&api_key={CANARY}",
    ],
)
def test_a_secret_in_a_librarys_message_is_replaced_by_its_shape(text: str) -> None:
    out = configured(content=True)
    logging.getLogger("library").warning(text)
    assert "canary" not in out.getvalue()


@pytest.mark.parametrize("text", ["unknown key: nmae", "a basic mistake", "the token is missing", "tokens: 812"])
def test_plain_words_stay_as_they_are(text: str) -> None:
    out = configured()
    structlog.get_logger().info(text)
    assert events(out)[0]["event"] == text


def test_counts_are_neither_secret_nor_speech() -> None:
    out = configured()
    counts = {"prompt_tokens": 812, "first_token_ms": 12.5, "line": 0, "token": None, "text": False}
    structlog.get_logger().info("turn", **counts, tokens={"prompt": 812, "cached": 700})
    assert events(out)[0] | counts | {"tokens": {"prompt": 812, "cached": 700}} == events(out)[0]


@pytest.mark.parametrize(
    "key", ["text", "heard", "prompt", "line", "words", "player_text", "content", "args", "message"]
)
def test_speech_is_replaced_by_its_length(key: str) -> None:
    out = configured()
    structlog.get_logger().info("said", **{key: SPEECH, "turn": {key: SPEECH}})
    event = events(out)[0]
    assert event[key] == event["turn"][key] == f"<{len(SPEECH)} characters>"
    assert "ledger" not in out.getvalue()


def test_several_lines_of_speech_are_replaced_by_their_number() -> None:
    out = configured()
    structlog.get_logger().info("said", lines=[SPEECH, SPEECH], body=SPEECH.encode(), reply=object())
    event = events(out)[0]
    assert (event["lines"], event["body"], event["reply"]) == ("<2 items>", f"<{len(SPEECH)} bytes>", "<object>")


def test_speech_is_written_where_content_is_on() -> None:
    out = configured(content=True)
    structlog.get_logger().info("said", text=SPEECH)
    assert events(out)[0]["text"] == SPEECH


def test_an_unknown_object_shows_its_type_alone() -> None:
    @dataclass
    class Say:
        text: str

    out = configured()
    structlog.get_logger().info("received", frame=Say(SPEECH), error=ValueError(SPEECH))
    event = events(out)[0]
    assert (event["frame"], event["error"]) == ("<Say>", "<ValueError>")


def test_depth_has_an_end() -> None:
    out = configured()
    loop: list[Any] = []
    loop.append(loop)
    structlog.get_logger().info("x", loop=loop)
    assert "…" in str(events(out)[0]["loop"])


def fail() -> None:
    try:
        raise KeyError(SPEECH)
    except KeyError as error:
        raise ExceptionGroup(SPEECH, [ValueError(SPEECH), ConfigError("the port is taken")]) from error


@pytest.mark.parametrize("door", ["structlog", "logging"])
def test_an_exception_is_told_without_the_words_it_quotes(door: str) -> None:
    out = configured()
    logger = structlog.get_logger() if door == "structlog" else logging.getLogger("asyncio")
    try:
        fail()
    except ExceptionGroup:
        logger.exception("turn failed")
    told = events(out)[0]["exception"]
    assert "ledger" not in out.getvalue()
    assert told.startswith("ExceptionGroup at ")
    assert "test_log.py:" in told
    assert "KeyError at" in told
    assert "ValueError at no place" in told
    assert "ConfigError: the port is taken" in told


def test_an_exception_is_told_in_full_where_content_is_on() -> None:
    out = configured(content=True)
    try:
        fail()
    except ExceptionGroup:
        structlog.get_logger().exception("turn failed")
    assert f"ValueError: {SPEECH}" in events(out)[0]["exception"]


def test_no_exception_at_hand_is_no_field() -> None:
    out = configured()
    structlog.get_logger().error("x", exc_info=True)
    assert "exception" not in events(out)[0]


def test_what_asyncio_shows_of_a_task_is_cut() -> None:
    out = configured()
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task exception=%r>", SPEECH)
    assert events(out)[0]["event"] == "Task exception was never retrieved"


def test_a_line_says_when_where_and_how_bad() -> None:
    out = configured()
    with structlog.contextvars.bound_contextvars(session="s1"):
        structlog.get_logger("server.gateway").warning("slow", ms=12)
    event = events(out)[0]
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "slow", "ms": 12, "session": "s1", "logger": "server.gateway", "level": "warning"}


def test_nobody_forges_a_line_or_drives_the_terminal() -> None:
    out = configured(out=Terminal())
    structlog.get_logger().info("hello", client="x\x1b[2J\r\n2026 [error] forged")
    assert "\x1b[2J" not in out.getvalue()
    assert out.getvalue().count("\n") == 1


def test_the_level_is_the_least_that_is_written() -> None:
    out = configured(level="warning")
    for logger in (structlog.get_logger("a"), logging.getLogger("b")):
        logger.info("no")
        logger.warning("yes")
    assert [event["event"] for event in events(out)] == ["yes", "yes"]


def test_access_lines_are_left_out_even_at_debug() -> None:
    out = configured()
    logging.getLogger("aiohttp.access").info("GET /health")
    assert out.getvalue() == ""


def test_a_second_configure_reaches_loggers_in_use() -> None:
    first = configured()
    logger = structlog.get_logger("held")
    logger.info("one")
    second = configured()
    logger.info("two")
    assert [event["event"] for event in events(first)] == ["one"]
    assert [event["event"] for event in events(second)] == ["two"]


def test_stderr_is_where_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Options())
    structlog.get_logger().info("here")
    captured = capsys.readouterr()
    assert (captured.out, json.loads(captured.err)["event"]) == ("", "here")


def test_a_closed_stream_raises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    out = configured()
    out.close()
    structlog.get_logger().info("into the void")
    assert capsys.readouterr().err == ""
    assert not sys.stderr.closed
