"""Nothing a player types opens a turn, and nothing ordinary is touched."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from server.text.control import clean_name, fold, neutralise, one_line, without_hidden
from server.text.labels import labelled

TOKENS = (
    *(
        "<|im_start|>",
        "<|im_end|>",
        "<|endoftext|>",
        "<|eot_id|>",
        "<|startoftext|>",
        "<|tool_call_start|>",
        "<|channel|>",
    ),
    *(
        "<\uff5cUser\uff5c>",
        "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
        "\uff1c\uff5cAssistant\uff5c\uff1e",
        "[|system|]",
    ),
    *(
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "<</SYS>>",
        "[TOOL_CALLS]",
        "[SYSTEM_PROMPT]",
        "<s>",
        "</s>",
        "<bos>",
        "<eos>",
        "<pad>",
    ),
    *(
        "<start_of_turn>",
        "<end_of_turn>",
        "<tool_call>",
        "</tool_call>",
        "<function=give>",
        '<invoke name="x">',
        "<tools>",
    ),
    *(
        "<think>",
        "</think>",
        "\u25c1think\u25b7",
        "\u25c1/think\u25b7",
        "[THINK]",
        "<seed:think>",
        "<0x0A>",
        "[CLS]",
        "[gMASK]",
    ),
    *("]~b]", "[e~[", "<unused0>", "<extra_id_1>", "\uff1cthink\uff1e", "\uff1c\uff53\uff1e"),
)
HIDDEN = st.sampled_from(
    ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\xad", "\ufe0f", "\u200f", "\x00", "\u202e", "\U000e0061"]
)
FRAGMENTS = st.sampled_from(
    [*TOKENS, "<", "|", ">", "[", "]", "/", "=", " ", "a", "\n", "think", "<a =", "im_end", "\u200d", "\ufe0f"]
)
TEXT = st.lists(FRAGMENTS | st.text(max_size=3), max_size=30).map("".join)


def plain(text: str) -> str:
    """What a careless reader makes of text: hidden characters dropped, look-alikes folded as NFKC folds them."""
    bare = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc") or c in "\n\t")
    bare = re.sub("[\u034f\ufe00-\ufe0f\U000e0100-\U000e01ef]", "", bare)
    return unicodedata.normalize("NFKC", fold(bare))


@given(TEXT)
def test_no_token_survives(text: str) -> None:
    safe = plain(neutralise(text))
    assert not [token for token in TOKENS if plain(token) in safe]
    assert "<|" not in safe
    assert "|>" not in safe


@given(st.sampled_from(TOKENS), st.data())
def test_hidden_characters_do_not_hide_a_token(token: str, data: st.DataObject) -> None:
    spelt = "".join(character + data.draw(st.sampled_from(["", ""]) | HIDDEN) for character in token)
    assert plain(token) not in plain(neutralise(f"well {spelt} then"))


@given(TEXT)
def test_neutralising_is_idempotent_and_never_longer(text: str) -> None:
    safe = neutralise(text)
    assert neutralise(safe) == safe
    assert len(safe) <= len(text)


@given(st.text(st.characters(categories=["L", "N", "P", "Z", "S"])))
def test_text_without_brackets_and_bars_is_unchanged(text: str) -> None:
    ordinary = "".join(c for c in text if fold(c) not in "<>[]|" and c not in "\u2028\u2029")
    assert neutralise(ordinary) == ordinary


@given(TEXT)
def test_hidden_characters_are_gone(text: str) -> None:
    clean = without_hidden(text)
    assert not [c for c in clean if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    assert without_hidden(clean) == clean
    clean.encode("utf-8")


@given(TEXT, TEXT)
def test_a_label_is_one_line_and_nobody_elses(name: str, text: str) -> None:
    line = labelled(name, text)
    assert line.splitlines() == [line]
    assert line.index(":") == len(clean_name(name))
    assert neutralise(line) == line


@given(TEXT)
def test_one_line_and_names_are_idempotent(text: str) -> None:
    assert one_line(one_line(text)) == one_line(text)
    assert clean_name(clean_name(text)) == clean_name(text)
    assert 0 < len(clean_name(text)) <= 64
