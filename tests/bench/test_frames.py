import pytest

from server.bench.frames import TextFrame, text_frames

HEAD = b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_frames_behind_the_head_are_read_with_the_time_of_their_last_byte() -> None:
    frames = text_frames([(1, HEAD + b"\x81\x02hi\x81"), (2, b"\x03y"), (3, b"ou")])

    assert list(frames) == [TextFrame(1, "hi"), TextFrame(3, "you")]


def test_a_head_in_two_pieces_is_no_frame() -> None:
    assert list(text_frames([(1, HEAD[:20]), (2, HEAD[20:] + b"\x81\x02hi")])) == [TextFrame(2, "hi")]


def test_a_masked_frame_is_unmasked() -> None:
    # The example of RFC 6455, section 5.7.
    masked = bytes.fromhex("818537fa213d7f9f4d5158")

    assert list(text_frames([(1, HEAD + masked)])) == [TextFrame(1, "Hello")]


@pytest.mark.parametrize(("length", "size"), [(126, b"\x7e\x00\x7e"), (70_000, b"\x7f" + (70_000).to_bytes(8, "big"))])
def test_long_frames_have_a_longer_size(length: int, size: bytes) -> None:
    [frame] = text_frames([(1, HEAD + b"\x81" + size + b"a" * length)])

    assert frame.text == "a" * length


def test_other_frames_are_skipped() -> None:
    ping, binary, close = b"\x89\x01p", b"\x82\x01b", b"\x88\x02\x03\xe8"

    assert list(text_frames([(1, HEAD + ping + binary + b"\x81\x02hi" + close)])) == [TextFrame(1, "hi")]
