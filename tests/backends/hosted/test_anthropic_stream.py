import json
from typing import Any

import pytest

from server.backends.base import Finish, TextDelta, Usage
from server.backends.hosted.anthropic.stream import MessageStream
from server.backends.hosted.sse import SseParser
from server.backends.hosted.wire import MAX_REPLY_CHARACTERS
from server.errors import ContextOverflow, RouteBroken, RouteBusy, RouteFiltered, RouteRejected

HEALTHY = b"""\
event: message_start
data: {"type":"message_start","message":{"id":"m1","role":"assistant","model":"served","content":[],\
"usage":{"input_tokens":12,"cache_creation_input_tokens":3,"cache_read_input_tokens":900,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Two "}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"rooms."}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":4}}

event: message_stop
data: {"type":"message_stop"}

"""


def read(body: bytes) -> tuple[str, Finish]:
    stream, parser = MessageStream("asked"), SseParser()
    deltas = [delta for data in [*parser.feed(body), *parser.close()] if (delta := stream.feed(data))]
    return "".join(delta.text for delta in deltas), stream.finish()


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})


def text(words: str) -> str:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": words})


def test_a_healthy_stream_is_read_with_all_its_counts():
    assert read(HEALTHY) == ("Two rooms.", Finish("stop", Usage(915, 900, 15, 4), "served"))


@pytest.mark.parametrize("cut", [b"event: message_stop", b"event: ping"])
def test_a_stream_cut_after_its_reason_is_whole_and_one_before_it_is_not(cut: bytes):
    before = HEALTHY[: HEALTHY.index(cut)]
    if cut == b"event: message_stop":
        assert read(before)[0] == "Two rooms."
    else:
        with pytest.raises(RouteBroken):
            read(before)


@pytest.mark.parametrize(
    "silent",
    [
        event("ping"),
        event("content_block_delta", delta={"type": "thinking_delta", "thinking": "Rooms?"}),
        event("content_block_delta", delta={"type": "input_json_delta", "partial_json": '{"a'}),
        event("content_block_delta", delta={"type": "signature_delta", "signature": "x"}),
        event("content_block_delta"),
        event("something_new", delta=None, message="of a later version"),
        event("message_start", message="not an object"),
    ],
)
def test_what_is_not_text_adds_nothing(silent: str):
    stream = MessageStream("asked")
    assert stream.feed(silent) is None
    assert stream.feed(text("Two")) == TextDelta("Two")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, RouteBusy),
        ({"type": "rate_limit_error", "message": "slow"}, RouteBusy),
        ({"type": "authentication_error", "message": "bad key"}, RouteRejected),
        ({"type": "api_error", "message": "oh"}, RouteBroken),
        ({"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}, ContextOverflow),
    ],
)
def test_errors_in_the_midst_of_a_stream_are_typed(error: dict[str, str], kind: type[Exception]):
    stream = MessageStream("asked")
    stream.feed(text("Two"))
    with pytest.raises(kind) as caught:
        stream.feed(event("error", error=error))
    assert type(caught.value) is kind


def test_reasons_of_the_end():
    for said, reason in (("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length")):
        stream = MessageStream("asked")
        stream.feed(event("message_delta", delta={"stop_reason": said}))
        assert stream.finish().reason == reason
    with pytest.raises(RouteFiltered):
        MessageStream("asked").feed(event("message_delta", delta={"stop_reason": "refusal"}))


def test_rubbish_is_refused_before_the_end_and_passed_over_after_it():
    with pytest.raises(RouteBroken):
        MessageStream("asked").feed("rubbish")
    stream = MessageStream("asked")
    stream.feed(event("message_stop"))
    assert stream.feed("rubbish") is None
    assert stream.feed(text("More")) is None
    assert stream.finish().model == "asked"


def test_an_answer_without_an_end_is_cut_off():
    stream = MessageStream("asked")
    stream.feed(text("a" * MAX_REPLY_CHARACTERS))
    with pytest.raises(RouteBroken):
        stream.feed(text("a"))
