from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.backends.llama.reply import Piece, ReplyText


def play(pieces: list[bytes], stop: tuple[str, ...] = ()) -> tuple[list[Piece], ReplyText]:
    reply = ReplyText(stop)
    out = []
    for token, piece in enumerate(pieces):
        out.append(reply.feed(token, piece))
        if reply.stopped:
            break
    out.append(reply.finish())
    return [piece for piece in out if piece is not None], reply


def test_text_goes_out_at_once_with_its_tokens() -> None:
    pieces, _ = play([b"Good ", b"evening."])
    assert pieces == [Piece("Good ", (0,)), Piece("evening.", (1,))]


def test_a_character_cut_between_tokens_waits_for_its_end() -> None:
    snowman = "☃".encode()
    pieces, _ = play([b"a" + snowman[:1], snowman[1:2], snowman[2:] + b"b"])
    assert pieces == [Piece("a☃b", (0, 1, 2))]


def test_an_unfinished_character_at_the_end_is_dropped_with_its_token() -> None:
    pieces, _ = play([b"ab", "é".encode()[:1]])
    assert pieces == [Piece("ab", (0,))]


@pytest.mark.parametrize("cuts", [[b"Well\nPla", b"yer: hi"], [b"Well", b"\n", b"P", b"layer:", b" hi"]])
def test_a_stop_string_across_tokens_never_shows(cuts: list[bytes]) -> None:
    pieces, reply = play(cuts, ("\nPlayer:",))
    assert "".join(piece.text for piece in pieces) == "Well"
    assert reply.stopped


def test_the_beginning_of_a_stop_string_comes_out_when_it_was_none() -> None:
    pieces, reply = play([b"a\n", b"Pl", b"ease"], ("\nPlayer:",))
    assert "".join(piece.text for piece in pieces) == "a\nPlease"
    assert not reply.stopped


def test_the_first_of_several_stop_strings_counts() -> None:
    pieces, _ = play([b"one STOP two END"], ("END", "STOP"))
    assert pieces == [Piece("one ", ())]


def test_a_cut_within_a_token_gives_text_without_ids_and_one_between_tokens_with_them() -> None:
    assert play([b"ab#c"], ("#",))[0] == [Piece("ab", ())]
    assert play([b"ab", b"#c"], ("#",))[0] == [Piece("ab", (0,))]


def test_an_empty_stop_string_stops_nothing() -> None:
    pieces, reply = play([b"hello"], ("",))
    assert pieces == [Piece("hello", (0,))]
    assert not reply.stopped


@given(
    st.text(max_size=40),
    st.lists(st.integers(0, 160), max_size=20),
    st.lists(st.text(min_size=1, max_size=3), max_size=2),
)
def test_however_it_is_cut_the_text_is_the_same(text: str, cuts: list[int], stop: list[str]) -> None:
    data = text.encode("utf-8", "replace")
    borders = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces, reply = play([data[a:b] for a, b in pairwise(borders)], tuple(stop))
    whole = data.decode()
    ends = [at for at in (whole.find(one) for one in stop) if at >= 0]
    assert "".join(piece.text for piece in pieces) == whole[: min(ends, default=len(whole))]
    assert reply.stopped == bool(ends)


@given(st.lists(st.binary(min_size=1, max_size=4), max_size=12))
def test_what_goes_out_is_what_its_tokens_decode_to(data: list[bytes]) -> None:
    pieces, _ = play(data)
    tokens = [token for piece in pieces for token in piece.tokens]
    assert tokens == list(range(len(tokens)))
    assert "".join(piece.text for piece in pieces) == b"".join(data[token] for token in tokens).decode(
        "utf-8", "replace"
    )
