"""However a stream is cut, what the player gets is the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.text.control import neutralise
from server.text.filters import (
    Filter,
    Markup,
    Policy,
    ReplyFilter,
    SpeakerLabel,
    StageDirections,
    ThinkFilter,
    TokenFilter,
    ToolFilter,
)
from server.text.sentences import SentenceSplitter
from server.text.useful import UsefulText

PIECES = st.sampled_from(
    [
        *(
            "Good evening",
            "hello ",
            " there",
            "Hilda",
            "Ansel",
            "User",
            "Old Tom",
            "ok",
            "Ox",
            "3.5",
            "x" * 70,
            "word " * 30,
        ),
        *(
            ":",
            ": ",
            "\n",
            "\n\n",
            " ",
            "  ",
            "\t",
            ".",
            ". ",
            "...",
            "\u2026",
            "!",
            "?! ",
            ",",
            ", ",
            '"',
            "'",
            "\u201c",
            "\u201d",
        ),
        *(
            "*",
            "**",
            "***",
            "*smiles*",
            "*really*",
            "(",
            ")",
            "(laughs)",
            "[",
            "]",
            "[sighs]",
            "_",
            "`",
            "#",
            "# ",
            "- ",
            ">",
        ),
        *(
            "<",
            "<|",
            "|>",
            "|",
            "<|im_end|>",
            "<|im_",
            "end|>",
            "[INST]",
            "[/",
            "INST]",
            "<s>",
            "</s>",
            "<3",
            "<a b=c>",
            "<a b=",
        ),
        *(
            "<think>",
            "</think>",
            "<THINK>",
            "</thi",
            "nk>",
            "<|tool_call_start|>",
            "<|tool_call_end|>",
            "[THINK]",
            "[/THINK]",
        ),
        *(
            "\u4f60\u597d",
            "\u3002",
            "\uff01",
            "\u300c",
            "\u300d",
            "\uff1c\uff5c",
            "\uff5c\uff1e",
            "\u2758",
            "\u25c1think\u25b7",
        ),
        *(
            "\U0001f469\u200d\U0001f467",
            "e\u0301",
            "\x00",
            "\u202e",
            "\u200b",
            "\r\n",
            "\u0645\u0631\u062d\u0628\u0627",
            "\u061f ",
        ),
    ]
)
RAW = st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join)
CUTS = st.lists(st.integers(0, 3), min_size=1, max_size=12)

FILTERS: dict[str, Callable[[], Filter]] = {
    "think": ThinkFilter,
    "tool": ToolFilter,
    "token": TokenFilter,
    "label": lambda: SpeakerLabel("Hilda Brennan", ("Ansel", "Old Tom")),
    "directions": StageDirections,
    "markup": Markup,
    "reply": lambda: ReplyFilter("Hilda Brennan", ("Ansel", "Old Tom")),
    "reply-keep": lambda: ReplyFilter("Hilda Brennan", ("Ansel", "Old Tom"), "keep"),
}


def cut(text: str, sizes: list[int]) -> list[str]:
    """Pieces of 1, 2, 3 and 17 characters, in the order that `sizes` gives over and over."""
    pieces, at, turn = [], 0, 0
    while at < len(text):
        size = (1, 2, 3, 17)[sizes[turn % len(sizes)]]
        pieces.append(text[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


def through(step: Filter, pieces: list[str]) -> str:
    return "".join([*map(step.feed, pieces), step.close()])


@pytest.mark.parametrize("name", FILTERS)
@given(raw=RAW, sizes=CUTS)
@example(raw="<a =[x", sizes=[0])
@example(raw="**Hilda (laughing):** Hi\n\nAnsel : no", sizes=[0])
@example(raw="a *b **c** d* (e (f) g", sizes=[0])
def test_a_filter_gives_the_same_text_for_every_cut(name: str, raw: str, sizes: list[int]) -> None:
    assert through(FILTERS[name](), cut(raw, sizes)) == through(FILTERS[name](), [raw])


@pytest.mark.parametrize("name", FILTERS)
@given(raw=RAW)
def test_a_filter_never_adds_more_than_a_space(name: str, raw: str) -> None:
    visible = [character for character in through(FILTERS[name](), [raw]) if not character.isspace()]
    source = iter(raw.replace("\r", "\n"))
    assert all(character in source or character == "\ufffd" for character in visible)


@pytest.mark.parametrize("policy", ["strip", "keep"])
@given(words=st.lists(st.sampled_from(["Well", "met", "traveller", "I", "have", "bread"]), min_size=1, max_size=30))
def test_plain_speech_passes_unchanged(policy: Policy, words: list[str]) -> None:
    speech = " ".join(words) + "."
    assert through(ReplyFilter("Hilda", ("Ansel",), policy), [speech]) == speech


@given(raw=RAW, sizes=CUTS)
def test_lines_are_the_text_and_do_not_depend_on_the_cut(raw: str, sizes: list[int]) -> None:
    whole, pieces = SentenceSplitter(), SentenceSplitter()
    lines = [*whole.feed(raw), *whole.close()]
    again = [line for piece in cut(raw, sizes) for line in pieces.feed(piece)]
    assert [*again, *pieces.close()] == lines
    assert "".join(lines) == (raw if raw.strip() else "")


@given(raw=RAW, cap=st.integers(24, 60))
def test_no_line_is_longer_than_the_cap_and_none_is_empty(raw: str, cap: int) -> None:
    splitter = SentenceSplitter(cap=cap)
    for line in [*splitter.feed(raw), *splitter.close()]:
        assert 0 < len(line.strip()) <= cap


@given(raw=RAW, sizes=CUTS, flushes=st.sets(st.integers(0, 60)))
def test_flushing_loses_and_doubles_nothing(raw: str, sizes: list[int], flushes: set[int]) -> None:
    splitter, lines = SentenceSplitter(), []
    for turn, piece in enumerate(cut(raw, sizes)):
        lines += splitter.feed(piece)
        if turn in flushes:
            lines += splitter.flush()
    lines += splitter.close()
    assert "".join(lines).rstrip() == (raw.rstrip() if raw.strip() else "")


@given(raw=RAW, sizes=CUTS)
def test_usefulness_at_the_end_does_not_depend_on_the_cut(raw: str, sizes: list[int]) -> None:
    whole, pieces = UsefulText("Hilda"), UsefulText("Hilda")
    whole.feed(raw)
    for piece in cut(raw, sizes):
        pieces.feed(piece)
    if whole.close():
        assert pieces.close()


@given(raw=RAW)
def test_a_reply_holds_no_token_that_was_whole(raw: str) -> None:
    reply = through(ReplyFilter("Hilda", ()), [raw])
    assert "<|" not in reply
    assert "|>" not in reply
    assert neutralise(reply.replace("[", "(").replace("\u25c1", "(")) is not None
