"""docs/protocol.md cannot say what the server does not do."""

from __future__ import annotations

import json

import pytest

from server.protocol.codec import MAX_DEPTH, MAX_FRAME_BYTES, MAX_VALUES, Form, decode, decode_server, encode
from server.protocol.codes import CLOSE_CODES, ERROR_CODES
from server.protocol.messages import MAX_SAY_CHARACTERS, MAX_SAY_TOKENS, PROTOCOL_VERSION
from server.protocol.schema import CLIENT_MODELS, SERVER_MODELS
from tests.protocol.page import PAGE, examples, frames, table


def test_every_message_has_an_example() -> None:
    assert {frame["type"] for frame in examples("client")} == {
        model.model_fields["type"].default for model in CLIENT_MODELS
    }
    assert {frame["type"] for frame in examples("server")} == {
        model.model_fields["type"].default for model in SERVER_MODELS
    }


def test_every_field_of_every_client_message_stands_on_the_page() -> None:
    fields = {field for model in CLIENT_MODELS for field in model.model_fields}
    assert not [field for field in fields if f"`{field}`" not in PAGE]


@pytest.mark.parametrize("frame", frames("client"))
def test_the_server_takes_each_client_example(frame: str) -> None:
    assert decode(frame).model_dump(exclude_unset=True) == json.loads(frame)


@pytest.mark.parametrize("frame", frames("server"))
def test_the_server_would_write_each_server_example(frame: str) -> None:
    written = encode(decode_server(frame), Form.JSON)
    assert json.loads(written) == json.loads(frame)


def test_the_table_of_errors_is_the_code() -> None:
    assert table("Errors") == [
        [f"`{code}`", info.meaning, info.hint, "yes" if info.retryable else "no"] for code, info in ERROR_CODES.items()
    ]


def test_the_table_of_close_codes_is_the_code() -> None:
    assert table("Close codes") == [
        [str(int(code)), info.meaning, "yes" if info.reconnect else "no"] for code, info in CLOSE_CODES.items()
    ]


def test_limits_on_the_page_are_the_limits() -> None:
    for limit in (MAX_FRAME_BYTES, MAX_VALUES, MAX_SAY_CHARACTERS):
        assert f"{limit:,}" in PAGE
    assert f"{MAX_DEPTH} levels" in PAGE
    assert f"{MAX_SAY_TOKENS} tokens" in PAGE
    assert f"It describes version {PROTOCOL_VERSION}." in PAGE
