from __future__ import annotations

import re
from typing import Any

import pytest

pytest.importorskip("numpy", reason="training is an extra")
pytest.importorskip("llama_cpp", reason="the engine is an extra")

from server.text.segments import Close, Open, Segment, Text  # after what may be missing
from training.corpus import Lookup, Piece  # as above
from training.encoder import HEARD, KEY, SAID, SOUGHT, Encoder, encode  # as above


class Words:
    """A vocabulary of whole words, each with the space before it."""

    def __init__(self) -> None:
        self.words = [""]

    def encode_segments(self, segments: list[Segment]) -> list[int]:
        found = [word for each in segments for word in re.findall(r" ?\w+|\W", _text(each))]
        self.words += [word for word in found if word not in self.words]
        return [self.words.index(word) for word in found]

    def bytes_of(self, token: int) -> bytes:
        return self.words[token].encode()


def _text(segment: Segment) -> str:
    match segment:
        case Text(text=text):
            return text
        case Open(role=role):
            return f"\n{role}\n"
        case Close():
            return "\n"
    raise AssertionError


def test_what_is_told_from_a_line_of_the_prompt_is_marked_with_the_words_that_ask_for_it() -> None:
    words, made = _talk("Ale is 3 marks.", "You sell a hammer for 9 marks.", "Is the hammer dear?")
    (told, begin, end, question) = made.lookups[0]
    assert _spelt(words, made, told + 1, told + 3) == " I sell"
    assert _spelt(words, made, begin, end) == " You sell a hammer for 9 marks."
    assert _spelt(words, made, question, question + 3) == " Is the hammer"
    assert [words.words[made.ids[at]] for at, mark in enumerate(made.marks) if mark == HEARD | KEY] == [" hammer"]
    assert [words.words[made.ids[at]] for at, mark in enumerate(made.marks) if mark == SOUGHT] == [" I", " sell"]
    assert made.marks.count(SAID) == len(words.encode_segments([Text("Hm. I sell a hammer for 9 marks.")])) - 2


def test_a_reply_that_does_not_begin_as_the_line_does_is_no_lookup() -> None:
    _, made = _talk("Ale is 3 marks.", "Known: You sell a hammer for 9 marks.", "Is the hammer dear?")
    assert made.lookups == []


def _talk(first: str, second: str, asked: str) -> tuple[Words, Encoder]:
    words: Any = Words()
    lookup = Lookup(asked, "I sell a hammer for 9 marks.", "You sell a hammer for 9 marks.")
    return words, encode(
        words,
        [
            Piece(Text(f"What you know:\n- {first}\n- {second}\n")),
            Piece(Open("user")),
            Piece(Text(f"Ann: {asked}"), heard=True),
            Piece(Close()),
            Piece(Open("assistant")),
            Piece(Text("Hm. I sell a hammer for 9 marks."), learnt=True, lookup=lookup),
        ],
    )


def _spelt(words: Words, made: Encoder, begin: int, end: int) -> str:
    return "".join(words.words[token] for token in made.ids[begin:end])
