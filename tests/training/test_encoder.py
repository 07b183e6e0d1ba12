from __future__ import annotations

import re
from typing import Any

import pytest

pytest.importorskip("numpy", reason="training is an extra")
pytest.importorskip("llama_cpp", reason="the engine is an extra")

from server.text.segments import Close, Open, Segment, Text  # after what may be missing
from training.corpus import Lookup, Piece  # as above
from training.encoder import HEARD, KEY, LABELS, NOWHERE, SAID, SOUGHT, Encoder, encode  # as above
from training.manners import MANNERS  # as above


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
    _, made = _talk("Ale is 3 marks.", "They know, You sell a hammer for 9 marks.", "Is the hammer dear?")
    assert made.lookups == []


def test_what_a_line_holds_within_is_marked_wherever_it_can_be_copied_from() -> None:
    words, made = _asked(
        Text("Hm. Tam Ord, baker."), lookup=None, wants=("Tam Ord",), told="You are Tam Ord, baker. So, Tam Ord?"
    )
    where = [
        (_spelt(words, made, at + 1, at + 2), _spelt(words, made, source, source + 1)) for at, source in made.copies
    ]
    assert where == [(" Tam", " Tam"), (" Ord", " Ord")] * 2
    assert len({at for at, _ in made.copies}) == 2
    assert [words.words[made.ids[at]] for at, mark in enumerate(made.marks) if mark == SOUGHT] == [" Tam", " Ord"]


def test_where_nothing_tells_what_is_asked_the_text_s_beginning_stands_for_it() -> None:
    words, made = _asked(Text("I do not know."), lookup=Lookup("Who is it?", "", ""), told="You are Tam Ord.")
    assert len(made.lookups) == 1
    told, begin, end, question = made.lookups[0]
    assert (_spelt(words, made, told + 1, told + 3), begin, end) == ("I do", -1, 1)
    assert _spelt(words, made, question, question + 2) == " Who is"
    assert SOUGHT not in made.marks


def test_labels_stand_where_they_can_be_told_from() -> None:
    words, made = _asked(
        Text("I sell ale."),
        lookup=Lookup("What is it?", "I sell ale.", "You sell ale."),
        told="You sell ale.",
        topic="goal",
        manner=next(iter(MANNERS)),
        holds=(("You sell ale.", "goal"),),
    )
    named = list(LABELS)
    found = [(_spelt(words, made, at, at + 1), named[label], told_by) for at, label, told_by in made.labels]
    line, question = made.ids.index(words.words.index(".")), next(by for *_, by in made.labels if by != NOWHERE)
    assert (".", "goal", NOWHERE) in found
    assert made.labels[0][0] == line
    assert _spelt(words, made, question, question + 1) == "?"
    assert ("?", "goal", NOWHERE) in found
    assert [spelt for spelt, label, told_by in found if told_by == question] == ["\n", "I"]
    assert [spelt for spelt, label, _ in found if label in MANNERS] == ["\n"]


def _asked(reply: Text, *, told: str, holds: tuple[tuple[str, str], ...] = (), **fields: Any) -> tuple[Words, Encoder]:
    words: Any = Words()
    return words, encode(
        words,
        [
            Piece(Text(f"All this:\n{told}\n"), holds=holds),
            Piece(Open("user")),
            Piece(Text("Ann: What is it?" if "topic" in fields else "Ann: Who is it?"), heard=True),
            Piece(Close()),
            Piece(Open("assistant")),
            Piece(reply, learnt=True, asked="What is it?", **fields),
        ],
    )


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
