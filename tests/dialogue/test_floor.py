import pytest

from server.dialogue.floor import decide
from server.dialogue.scene import Person, SceneView

ROOM = SceneView(
    present=(Person("hilda", "Hilda Marsh", 5.0), Person("ansel", "Ansel", 2.0), Person("cat", "Bailiff")),
    described=True,
)


@pytest.mark.parametrize(
    ("text", "to", "last", "speakers"),
    [
        ("Any rooms left?", ("hilda",), None, ("hilda",)),
        ("Any rooms left?", ("ansel", "hilda", "ansel"), None, ("ansel", "hilda")),
        ("Hilda, any rooms?", (), None, ("hilda",)),
        ("hilda and ansel, listen.", (), None, ("hilda", "ansel")),
        ("Hildas are rare.", (), None, ("ansel",)),
        ("And breakfast?", (), "hilda", ("hilda",)),
        ("And breakfast?", (), "gone", ("ansel",)),
        ("Hello there.", (), None, ("ansel",)),
    ],
)
def test_addressed_then_named_then_last_speaker_then_nearest(
    text: str, to: tuple[str, ...], last: str | None, speakers: tuple[str, ...]
) -> None:
    assert decide(ROOM, text, to, last).speakers == speakers


def test_whoever_is_not_present_does_not_answer_and_the_reason_says_so() -> None:
    decision = decide(ROOM, "Hello", ("berrin",), None)
    assert decision.speakers == ()
    assert "berrin" in decision.why


def test_without_a_described_scene_the_addressed_answers() -> None:
    assert decide(SceneView(), "Hello", ("berrin",), None).speakers == ("berrin",)


def test_nobody_answers_in_an_empty_room() -> None:
    assert decide(SceneView(), "Hello?", (), "hilda").why
