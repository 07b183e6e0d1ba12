import json

from server.bench.figures import Spread, between, say_to_request, token_to_frame
from server.bench.probe import Asked
from server.bench.wire import Recording, Stream

HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def frame(at_ns: int, **message: object) -> tuple[int, bytes]:
    payload = json.dumps(message).encode()
    assert len(payload) < 126
    return at_ns, bytes((0x81, len(payload))) + payload


def test_percentiles_are_the_nearest_rank_in_milliseconds() -> None:
    spread = Spread.of(range(1_000_000, 201_000_000, 1_000_000))

    assert spread == Spread(samples=200, p50=100.0, p99=198.0, max=200.0)


def test_no_samples_are_all_zero() -> None:
    assert Spread.of([]) == Spread(0, 0.0, 0.0, 0.0)


def test_a_line_is_timed_from_its_frame_to_the_request_that_answers_it_and_warm_up_is_not() -> None:
    stream = Stream(received=[(1, HEAD), frame(10, type="say", id="c0-0"), frame(500, type="say", id="c0-1")])
    asked = [Asked("Any rooms? c0-0", 40), Asked("Any rooms? c0-1", 520)]

    assert list(say_to_request(Recording([stream]), asked, frozenset({"c0-1"}))) == [20]


def test_a_frame_is_timed_from_the_token_that_completed_its_text() -> None:
    stream = Stream(
        sent=[
            (1, HEAD),
            frame(100, type="turn.start", re="c0-1"),
            frame(120, type="token", re="c0-1", text="One"),
            frame(160, type="token", re="c0-1", text=" bed left"),
            frame(170, type="token", re="c0-0", text="One"),
        ]
    )
    asked = [Asked("Any rooms? c0-1", 90, [(110, "One"), (130, " bed"), (145, " left")])]

    assert list(token_to_frame(Recording([stream]), asked, frozenset({"c0-1"}))) == [10, 15]


def test_the_clients_own_view_is_between_two_of_its_times() -> None:
    samples = [{"id": "c0-0", "sent": 0, "ok": 2_000_000}, {"id": "c0-1", "sent": 5_000_000, "ok": 6_000_000}]

    assert between(samples, "sent", "ok") == Spread(2, 1.0, 2.0, 2.0)
