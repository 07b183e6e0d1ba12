import json
from typing import Any

import pytest

from server.backends.base import Finish, TextDelta, Usage
from server.backends.hosted.openai.stream import ChatStream
from server.backends.hosted.wire import MAX_REPLY_CHARACTERS
from server.errors import ContextOverflow, RouteBroken, RouteBusy, RouteFiltered, RouteRejected


def event(delta: object = None, finish: str | None = None, **fields: Any) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **fields})


def read(*events: str) -> tuple[str, Finish]:
    stream = ChatStream("asked")
    deltas = [delta for data in events if (delta := stream.feed(data))]
    return "".join(delta.text for delta in deltas), stream.finish()


@pytest.mark.parametrize(
    "silent",
    [
        event({"role": "assistant"}),
        event({"role": "assistant", "content": None}),
        event({"content": ""}),
        event({"reasoning": "Rooms?", "reasoning_content": "Hm."}),
        event({"tool_calls": [{"index": 0, "function": {"arguments": '{"a'}}]}),
        event(None),
        json.dumps({"choices": []}),
        json.dumps({"choices": None, "usage": None}),
        json.dumps({}),
        json.dumps({"choices": [{"index": 1, "delta": {"content": "another choice"}}]}),
    ],
)
def test_what_is_not_text_adds_nothing(silent: str):
    stream = ChatStream("asked")
    assert stream.feed(silent) is None
    assert stream.feed(event({"content": "Two"})) == TextDelta("Two")


def test_a_whole_reply():
    text, finish = read(
        event({"role": "assistant", "content": ""}, model="served"),
        event({"content": "Two "}),
        event({"content": "rooms."}),
        event({}, "stop"),
        json.dumps(
            {
                "choices": [],
                "usage": {
                    "prompt_tokens": 100,
                    "completion_tokens": 3,
                    "prompt_tokens_details": {"cached_tokens": 64},
                    "cost": 0.002,
                },
            }
        ),
        "[DONE]",
    )
    assert text == "Two rooms."
    assert finish == Finish("stop", Usage(100, 64, 36, 3, 0.002), "served")


def test_usage_may_come_with_the_last_choice_and_be_half_there():
    usage = {"prompt_tokens": 5, "prompt_tokens_details": None, "completion_tokens": None}
    assert read(event({"content": "Yes."}, "stop", usage=usage))[1].usage == Usage(5, 0, 5, 0)


def test_more_cached_than_asked_is_not_believed():
    usage = {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}}
    assert read(event({}, "stop", usage=usage))[1].usage == Usage(5, 5, 0, 0)


@pytest.mark.parametrize(
    ("said", "reason"),
    [("stop", "stop"), ("length", "length"), ("tool_calls", "stop"), ("eos", "stop")],
)
def test_reasons_of_the_end(said: str, reason: str):
    assert read(event({"content": "Yes."}, said))[1].reason == reason


def test_done_ends_a_reply_without_a_reason():
    assert read(event({"content": "Yes."}), "[DONE]")[0] == "Yes."


def test_nothing_counts_after_done():
    assert read(event({"content": "Yes."}), " [DONE] ", event({"content": " No."}), "rubbish")[0] == "Yes."


def test_a_stream_that_stops_before_its_end_is_broken():
    with pytest.raises(RouteBroken, match="middle of its answer"):
        read(event({"content": "Two"}))


@pytest.mark.parametrize(
    "data", ["", "{", "[]", "null", '"text"', '{"choices":[{"delta":{"content":7}}]}', "[" * 5_000]
)
def test_what_is_no_chunk_is_broken(data: str):
    with pytest.raises(RouteBroken, match="not a chat completion chunk"):
        read(data)


def test_rubbish_behind_a_whole_reply_does_not_spoil_it():
    assert read(event({"content": "Yes."}, "stop"), '{"usage":{"prompt')[0] == "Yes."


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 502, "message": "Provider disconnected"}, RouteBroken),
        ({"code": 429, "message": "Too many"}, RouteBusy),
        ({"code": "402", "message": "No credit"}, RouteRejected),
        ({"code": 400, "metadata": {"error_type": "context_length_exceeded"}, "message": "Too long"}, ContextOverflow),
        ({"message": "No reason"}, RouteBroken),
        ("it broke", RouteBroken),
        (["it broke"], RouteBroken),
    ],
)
def test_an_error_inside_the_stream_is_typed(error: object, kind: type[Exception]):
    stream = ChatStream("asked")
    stream.feed(event({"content": "Two"}))
    with pytest.raises(kind):
        stream.feed(event({"content": ""}, "error", error=error))


def test_an_error_by_status_alone_is_told():
    with pytest.raises(RouteBroken, match="model offline"):
        read(json.dumps({"status": "error", "message": "model offline"}))


def test_the_reason_error_alone_is_broken():
    with pytest.raises(RouteBroken):
        read(event({}, "error"))


def test_a_reply_without_an_end_is_cut():
    with pytest.raises(RouteBroken, match="without an end"):
        read(*[event({"content": "x" * 1_000})] * (MAX_REPLY_CHARACTERS // 1_000 + 1))


def test_a_filter_that_ends_the_reply_is_no_end_of_it():
    stream = ChatStream("asked")
    stream.feed(event({"content": "Two"}))
    with pytest.raises(RouteFiltered):
        stream.feed(event({"content": ""}, "content_filter"))
