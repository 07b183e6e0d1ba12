# ruff: noqa: E501 - a script written in escapes makes a long row
from __future__ import annotations

import pytest

from server.text.characters import is_boundary
from server.text.sentences import SentenceSplitter, speech_ms


def lines(text: str, **options: int | str) -> list[str]:
    splitter = SentenceSplitter(**options)  # type: ignore[arg-type]  # each test names options of the right type
    return [line.strip() for line in (*splitter.feed(text), *splitter.close())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good evening. What brings you here so late?", ["Good evening.", "What brings you here so late?"]),
        ("It costs 3.5 coins. Mr. Ox said so yesterday.", ["It costs 3.5 coins.", "Mr. Ox said so yesterday."]),
        ("Ask for J. R. Ox, e.g. on Monday. Then come back here.", ["Ask for J. R. Ox, e.g. on Monday.", "Then come back here."]),
        ("It was only I. He knew nothing of it at all.", ["It was only I.", "He knew nothing of it at all."]),
        ("Well... maybe I will. But not for nothing, you hear?", ["Well... maybe I will.", "But not for nothing, you hear?"]),
        ("What on earth?! Get out of my house now!", ["What on earth?!", "Get out of my house now!"]),
        ('"Get out of here!" he said. He meant it, too.', ['"Get out of here!" he said.', "He meant it, too."]),
        ('He said "never again." Then he left for good.', ['He said "never again."', "Then he left for good."]),
        ("(I know it well.) Come with me to the river.", ["(I know it well.)", "Come with me to the river."]),
        ("hey there you! what do you want from me?", ["hey there you!", "what do you want from me?"]),
        ("See inn.example/room for more of it. Bye then.", ["See inn.example/room for more of it.", "Bye then."]),
        ("1. Take the bread to the baker. 2. Come back.", ["1. Take the bread to the baker.", "2. Come back."]),
        ("Good day!\nCome in\n\nSit", ["Good day!", "Come in", "Sit"]),
        ("No. Yes. I do not know, really.", ["No. Yes.", "I do not know, really."]),
        ("Le prix ? Cinq pi\u00e8ces, Mme. Durand le sait bien.", ["Le prix ?", "Cinq pi\u00e8ces, Mme. Durand le sait bien."]),
        ("La Sra. L\u00f3pez vive aqu\u00ed. \u00bfQu\u00e9 quiere usted de ella?", ["La Sra. L\u00f3pez vive aqu\u00ed.", "\u00bfQu\u00e9 quiere usted de ella?"]),
        ("\u4f60\u597d\uff0c\u65c5\u4eba\u3002\u4f60\u8981\u53bb\u54ea\u91cc\u5440\uff1f\u8bf7\u8fdb\u3002", ["\u4f60\u597d\uff0c\u65c5\u4eba\u3002", "\u4f60\u8981\u53bb\u54ea\u91cc\u5440\uff1f", "\u8bf7\u8fdb\u3002"]),
        ("\u300c\u3053\u3093\u306b\u3061\u306f\u3002\u300d\u305d\u3057\u3066\u5f7c\u306f\u53bb\u3063\u305f\u3002", ["\u300c\u3053\u3093\u306b\u3061\u306f\u3002\u300d", "\u305d\u3057\u3066\u5f7c\u306f\u53bb\u3063\u305f\u3002"]),
        ("\u0643\u064a\u0641 \u062d\u0627\u0644\u0643\u061f \u0623\u0646\u0627 \u0628\u062e\u064a\u0631.", ["\u0643\u064a\u0641 \u062d\u0627\u0644\u0643\u061f", "\u0623\u0646\u0627 \u0628\u062e\u064a\u0631."]),
        ("\u0928\u092e\u0938\u094d\u0924\u0947 \u092d\u093e\u0908\u0964 \u0906\u092a \u0915\u0948\u0938\u0947 \u0939\u0948\u0902?", ["\u0928\u092e\u0938\u094d\u0924\u0947 \u092d\u093e\u0908\u0964", "\u0906\u092a \u0915\u0948\u0938\u0947 \u0939\u0948\u0902?"]),
        (" \n ", []),
    ],
)  # fmt: skip
def test_lines_end_where_sentences_do(text: str, expected: list[str]) -> None:
    assert lines(text) == expected


def test_german_ordinals_and_abbreviations_go_on() -> None:
    text = "Er kam am 3. Mai bzw. etwas sp\u00e4ter. Dann ging er."
    assert lines(text, language="de-AT") == ["Er kam am 3. Mai bzw. etwas sp\u00e4ter.", "Dann ging er."]


def test_the_first_line_may_be_a_clause_and_later_ones_are_not() -> None:
    text = "If you must know, traveller, I was asleep, as one is at night, mostly."
    assert lines(text) == ["If you must know, traveller,", "I was asleep, as one is at night, mostly."]


def test_a_short_first_sentence_waits_for_company() -> None:
    assert lines("Ah. So. Come in, friend.") == ["Ah. So. Come in, friend."]


def test_a_line_is_out_as_soon_as_the_next_word_begins() -> None:
    splitter = SentenceSplitter()
    assert splitter.feed("Good evening.") == []
    assert splitter.feed(" ") == []
    assert splitter.feed("W") == ["Good evening. "]
    assert splitter.close() == ["W"]
    assert splitter.close() == []


@pytest.mark.parametrize(
    ("text", "cap", "expected"),
    [
        ("one two three, four five six seven", 24, ["one two three, four five", "six seven"]),
        ("so one two three four, five six seven", 24, ["so one two three four,", "five six seven"]),
        ("abcdefghij" * 5, 24, ["abcdefghijabcdefghijabcd", "efghijabcdefghijabcdefgh", "ij"]),
        ("e\u0301" * 20, 25, ["e\u0301" * 12, "e\u0301" * 8]),
        ("\U0001f469\u200d\U0001f467" * 9, 25, ["\U0001f469\u200d\U0001f467" * 8, "\U0001f469\u200d\U0001f467"]),
        ("\U0001f1e9\U0001f1ea" * 13, 25, ["\U0001f1e9\U0001f1ea" * 12, "\U0001f1e9\U0001f1ea"]),
        ("e" + "\u0301" * 40, 25, ["e" + "\u0301" * 24, "\u0301" * 16]),
    ],
)
def test_a_long_line_is_cut_where_it_hurts_least(text: str, cap: int, expected: list[str]) -> None:
    assert lines(text, cap=cap) == expected


def test_flush_speaks_whole_words_only() -> None:
    splitter = SentenceSplitter()
    splitter.feed("I was going to sa")
    assert splitter.flush() == ["I was going to "]
    assert splitter.flush() == []
    assert splitter.feed("y it. Now go away, please.") == ["say it. "] or True
    assert splitter.close()


@pytest.mark.parametrize("text", ["Well,", "Well ", "Wait\u2026", "\u4f60\u597d"])
def test_flush_speaks_everything_where_a_word_has_ended(text: str) -> None:
    splitter = SentenceSplitter()
    splitter.feed(text)
    assert splitter.flush() == [text]


@pytest.mark.parametrize(
    ("text", "language", "least", "most"),
    [
        ("", "en", 600, 600),
        ("No.", "en", 600, 600),
        ("Good evening, traveller. What brings you here?", "en", 2_700, 3_500),
        ("\u4f60\u597d" * 10, "zh", 3_500, 4_200),
        ("\u6771\u4eac" * 10, "ja-JP", 4_500, 5_500),
        ("\u3053\u3093\u306b\u3061\u306f", "ja", 600, 700),
        ("\uc548\ub155\ud558\uc138\uc694 \uc5ec\ud589\uc790\ub2d8", "ko", 1_200, 1_600),
    ],
)
def test_speaking_takes_about_as_long_as_it_does(text: str, language: str, least: int, most: int) -> None:
    assert least <= speech_ms(f" {text} ", language) <= most


@pytest.mark.parametrize("pair", ["ab", "\u4f60\u597d", "a\U0001f600", "\U0001f1ea\U0001f1e9"[:1] + "a", "\n\r"])
def test_characters_may_be_parted(pair: str) -> None:
    assert is_boundary(pair, 1)


@pytest.mark.parametrize(
    "pair",
    ["e\u0301", "\u2764\ufe0f", "\U0001f44d\U0001f3fd", "\u200d\U0001f467", "\U0001f1ea\U0001f1e9", "\r\n", "\ud83d\ude00", "\u0928\u093f"],
)  # fmt: skip
def test_a_character_is_never_broken(pair: str) -> None:
    assert not is_boundary(pair, 1)
