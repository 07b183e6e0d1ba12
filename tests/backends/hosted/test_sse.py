import pytest

from server.backends.hosted.sse import MAX_EVENT_BYTES, SseParser
from server.errors import RouteBroken


def read(*chunks: bytes) -> list[str]:
    parser = SseParser()
    return [data for chunk in chunks for data in parser.feed(chunk)] + parser.close()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        (b"data: a\r\rdata: b\r\r", ["a", "b"]),
        (b"data: a\r\n\ndata: b\n\r\n", ["a", "b"]),
        (b"data:a\n\n", ["a"]),
        (b"data:  a\n\n", [" a"]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b"data\n\n", [""]),
        (b"data:\n\n", [""]),
        (b": a comment\n\n:\n\ndata: a\n\n", ["a"]),
        (b"event: delta\nid: 7\nretry: 10\ndata: a\n\n", ["a"]),
        (b"event: ping\n\n\n\n", []),
        (b"nothing known: a\ndatum: b\n\n", []),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data: a\n\ndata: [DONE]", ["a", "[DONE]"]),
        (b"data: a\n", ["a"]),
        ("data: Käse 🧀\n\n".encode(), ["Käse 🧀"]),
        (b"data: \xff\xfe\n\n", ["\ufffd\ufffd"]),
        (b"", []),
    ],
)
def test_events_are_the_same_for_every_way_of_cutting_the_stream(stream: bytes, events: list[str]):
    assert read(stream) == events
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == events
    for cut in range(len(stream)):
        assert read(stream[:cut], b"", stream[cut:]) == events


def test_a_line_without_an_end_is_refused():
    with pytest.raises(RouteBroken):
        read(*[b"x" * 1_000] * (MAX_EVENT_BYTES // 1_000 + 1))


def test_an_event_without_an_end_is_refused():
    with pytest.raises(RouteBroken):
        read(*[b"data: " + b"x" * 1_000 + b"\n"] * (MAX_EVENT_BYTES // 1_000 + 1))
