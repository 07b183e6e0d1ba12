from __future__ import annotations

import pytest

from server.text.filters import Policy, ReplyFilter
from server.text.spans import MAX_TOKEN_CHARACTERS


def said(raw: str, policy: Policy = "strip", own: str = "Hilda Brennan") -> str:
    reply = ReplyFilter(own, ("Ansel", "Old Tom"), policy)
    return reply.feed(raw) + reply.close()


@pytest.mark.parametrize(
    ("raw", "speech"),
    [
        ("<think>He lies.</think>Good evening.", "Good evening."),
        ("<THINK>a</Think> b", "b"),
        ("One. <reasoning>x</reasoning>Two.", "One. Two."),
        ("[THINK]x[/THINK]Yes.", "Yes."),
        ("\u25c1think\u25b7x\u25c1/think\u25b7Yes.", "Yes."),
        ("<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>Yes.", "Yes."),
        ("Yes.<think>and then it never", "Yes."),
        ("No closing</think> tag.", "No closing tag."),
        ("Here.<|tool_call_start|>[give_item(item='key')]<|tool_call_end|> Take it.", "Here. Take it."),
        ('<tool_call>{"name": "x"}</tool_call>Done.', "Done."),
        ("Bye.<|im_end|>\n<|im_start|>user\nHi", "Bye.\nuser\nHi"),
        ("Well</s> met<eos>.", "Well met."),
        ("Yes.<|im_e", "Yes.im_e"),
        ("a < b and I <3 you", "a < b and I <3 you"),
        ("tick\x00 \u202etock\u200b", "tick tock"),
    ],
)
def test_what_is_for_machines_is_not_said(raw: str, speech: str) -> None:
    assert said(raw) == speech


@pytest.mark.parametrize(
    ("raw", "speech"),
    [
        ("*smiles* Good evening.", "Good evening."),
        ("Good (laughs) evening [sighs], friend.", "Good evening, friend."),
        ("Well, *sighs* fine.", "Well, fine."),
        ("Fine. *She turns away, slowly.* Go.", "Fine. Go."),
        ("*nods*", ""),
        ("*nods* (smiles) [waves]Hello", "Hello"),
        ("I *really* mean it, *very much* so.", "I really mean it, very much so."),
        ("*Never* do that.", "Never do that."),
        ("*Smiles* Welcome.", "Welcome."),
        ("*sigh* Again?", "Again?"),
        ("**Never** do that.", "Never do that."),
        ("5 * 3 is 15, and 2*2 is 4.", "5 * 3 is 15, and 2*2 is 4."),
        ("(a (b) c) Yes.", "Yes."),
        ("So it was (and still is", "So it was (and still is"),
        ("*unclosed and so it goes", "unclosed and so it goes"),
        ("(unclosed\nNext (done) line", "(unclosed\nNext line"),
        ("Sad :( but fine :)", "Sad :( but fine :)"),
        ("First) then.", "First) then."),
        ("\u4f60\u597d\uff08\u7b11\uff09\u518d\u89c1", "\u4f60\u597d\u518d\u89c1"),
        ("word*laughs*word", "word word"),
    ],
)
def test_stage_directions_are_not_said(raw: str, speech: str) -> None:
    assert said(raw) == speech


def test_stage_directions_can_be_kept() -> None:
    assert said("*smiles* Good (laughs) evening.", "keep") == "*smiles* Good (laughs) evening."


@pytest.mark.parametrize("marker", ["(", "[", "*", "\uff08"])
def test_an_open_marker_holds_back_no_more_than_its_limit(marker: str) -> None:
    reply = ReplyFilter("Hilda")
    assert reply.feed(f"{marker}{'word ' * 30}")


@pytest.mark.parametrize("opening", ["<a =", "<", "<|", "["])
def test_an_open_token_holds_back_no_more_than_its_limit(opening: str) -> None:
    reply = ReplyFilter("Hilda")
    spoken = reply.feed(opening + "x" * MAX_TOKEN_CHARACTERS + " and so on" * 20)
    assert "and so on" in spoken


@pytest.mark.parametrize(
    ("raw", "speech"),
    [
        ("Hilda Brennan: Come in.", "Come in."),
        ("hilda: Come in.", "Come in."),
        ("**Hilda:** Come in.", "Come in."),
        ("[Hilda]: Come in.", "Come in."),
        ("Hilda (laughing): Come in.", "Come in."),
        ("Hilda\uff1a\u4f60\u597d", "\u4f60\u597d"),
        ("Assistant: Come in.", "Come in."),
        ("Come in.\nHilda: Sit down.", "Come in.\nSit down."),
        ("Hilda is my name. Hilda: my name.", "Hilda is my name. Hilda: my name."),
        ("Hilda", "Hilda"),
        ("As you wish: now.", "As you wish: now."),
        ("Ansel is here.", "Ansel is here."),
        ("Users: many.", "Users: many."),
    ],
)
def test_the_own_label_is_not_said(raw: str, speech: str) -> None:
    assert said(raw) == speech


@pytest.mark.parametrize(
    "raw",
    [
        "Ansel: No!",
        "  **Ansel**: No!",
        "User: No!",
        "PLAYER: No!",
        "Old Tom: No!",
        "Old Tom (angry): No!",
        "\nHuman: No!",
    ],
)
def test_another_speakers_label_ends_the_reply(raw: str) -> None:
    for before in ("", "Come in.\n"):
        reply = ReplyFilter("Hilda Brennan", ("Ansel", "Old Tom"))
        assert reply.feed(before + raw).strip() == before.strip()
        assert reply.ended
        assert reply.feed(" More.") + reply.close() == ""


def test_the_own_first_name_wins_over_anothers() -> None:
    reply = ReplyFilter("Hilda Brennan", ("Hilda Marsh",))
    assert reply.feed("Hilda: Yes.\n") == "Yes.\n"
    assert not reply.ended
    assert reply.feed("Hilda Marsh: No.") == ""
    assert reply.ended


def test_a_label_within_a_line_ends_nothing() -> None:
    assert said("I told Ansel: go.") == "I told Ansel: go."


@pytest.mark.parametrize(
    ("raw", "speech"),
    [
        ('"Good evening."', "Good evening."),
        ("\u201cGood evening.\u201d", "Good evening."),
        ("\u201eGuten Abend.\u201c", "Guten Abend."),
        ("\u00ab Bonsoir. \u00bb", "Bonsoir. "),
        ("\u300c\u4f60\u597d\u3002\u300d", "\u4f60\u597d\u3002"),
        ('"Come in," she said. "Sit."', "Come in, she said. Sit."),
        ('Good evening."', "Good evening."),
        ('They call it "the Maw".', 'They call it "the Maw".'),
        ('He said "no"', 'He said "no"'),
        ("'Tis late, isn't it?", "'Tis late, isn't it?"),
        ("# Welcome\n> So\n- one\n* two\n\u2022 three", "Welcome\nSo\none\ntwo\nthree"),
        ("#1 baker, _truly_, snake_case, `code`", "#1 baker, truly, snake_case, code"),
        ("\n\n  Hello\n\n  there", "Hello\n\nthere"),
    ],
)
def test_markup_is_not_said(raw: str, speech: str) -> None:
    assert said(raw) == speech


def test_plain_words_are_let_through_at_once() -> None:
    reply = ReplyFilter("Hilda", ("Ansel",))
    assert [reply.feed(delta) for delta in ("Good", " evening", ",", " traveller", ".")] == [
        *("Good", " evening", ",", " traveller", ".")
    ]
