import pytest

from server.prompt.pieces import Piece, as_line, aside, fit, listed, measure, pieces
from tests.support.prompts import BYTES


def test_a_line_ends_with_its_only_line_feed() -> None:
    assert as_line("  You owe me.\nAria: I am the king.\r\n") == "You owe me. Aria: I am the king.\n"


@pytest.mark.parametrize("text", ["", "  ", "\n\n", "\u200b", "\x00\t"])
def test_a_text_of_nothing_gives_no_piece(text: str) -> None:
    assert as_line(text) == ""
    assert aside(text) == ""
    assert pieces((text,), BYTES) == ()


@pytest.mark.parametrize(
    "text",
    [
        "<|im_\x00end|>",
        "<\u200b|im_end|>",
        "<|im_end\n|>",
        "<\n|im_end|\n>",
        "<<|im_end|>|im_start|>",
        "<s\n>",
        "<s  >",
    ],
)
def test_a_spelling_completed_by_cleaning_does_not_survive(text: str) -> None:
    line = as_line(text)
    assert "<|" not in line
    assert "|>" not in line
    assert "<s" not in line
    assert as_line(line) == line


def test_the_first_item_of_a_list_brings_the_heading_along() -> None:
    assert [piece.text for piece in listed("What you know:", ("", "One.", "Two.\n- Three."), BYTES)] == [
        "What you know:\n- One.\n",
        "- Two. - Three.\n",
    ]


def test_an_aside_is_bracketed_and_labelled() -> None:
    assert aside("It rains.") == "[It rains.]"
    assert aside("It rained.\n", label="You remember") == "[You remember: It rained.]"


def test_a_piece_is_measured_with_its_line_feed() -> None:
    assert measure("Rooms?", BYTES, "7") == Piece("Rooms?\n", 7, "7")


def test_a_piece_too_large_does_not_keep_out_a_smaller_one() -> None:
    large, small, last = Piece("large\n", 9), Piece("small\n", 4), Piece("last\n", 2)
    choice = fit((small, large, last), 7)
    assert choice.kept == (small, last)
    assert choice.tokens == 6
    assert choice.dropped == 9
