import json
from contextlib import suppress
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from server.backends.hosted.openai.stream import DONE, ChatStream
from server.backends.hosted.sse import SseParser
from server.errors import RouteError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
DELTAS = st.fixed_dictionaries({}, optional={"content": st.text() | JSON, "role": JSON, "reasoning": JSON})
CHOICES = st.fixed_dictionaries({}, optional={"index": JSON, "delta": DELTAS | JSON, "finish_reason": JSON})
CHUNKS = st.fixed_dictionaries(
    {}, optional={"choices": st.lists(CHOICES, max_size=2) | JSON, "usage": JSON, "error": JSON, "model": JSON}
)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[begin:end] for begin, end in pairwise(ends)]


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(min_value=0)),
)
def test_the_reply_is_what_was_sent_however_the_stream_is_cut(texts: list[str], line_end: bytes, places: list[int]):
    events = [json.dumps({"choices": [{"delta": {"content": text}}]}, ensure_ascii=False) for text in texts]
    stream = b"".join(b"data: " + event.encode() + line_end * 2 for event in [*events, DONE])
    parser, chat = SseParser(), ChatStream("m")
    deltas = [chat.feed(data) for piece in cut(stream, places) for data in parser.feed(piece)]
    assert "".join(delta.text for delta in deltas if delta) == "".join(texts)
    assert chat.done


@given(st.lists(CHUNKS | JSON))
def test_whatever_a_server_sends_is_read_or_refused_as_a_route_error(chunks: list[object]):
    chat = ChatStream("m")
    with suppress(RouteError):
        for body in chunks:
            chat.feed(json.dumps(body))
        chat.finish()


@given(st.lists(st.binary()))
def test_any_bytes_are_read(pieces: list[bytes]):
    parser = SseParser()
    events = [data for piece in pieces for data in parser.feed(piece)] + parser.close()
    assert sum(len(data.encode()) for data in events) <= 3 * sum(len(piece) for piece in pieces)
