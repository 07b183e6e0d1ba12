from server.prompt.context import Item, TurnContext
from server.prompt.turn import Prelude, choose_others, choose_prelude, choose_recalled, cue_of, line_of
from tests.support.prompts import BYTES, context

RECALL = 120


def _prelude(room: int, recall_tokens: int = RECALL, **changes: object) -> Prelude:
    return choose_prelude(context(**changes), room, recall_tokens, BYTES)


def _shown(prelude: Prelude) -> list[str]:
    return [piece.text for piece in prelude.kept]


def _cue(found: TurnContext) -> list[str]:
    return [piece.text for piece in cue_of(found, BYTES)]


def test_before_the_line_stand_scene_events_and_memories() -> None:
    prelude = _prelude(
        500,
        scene=("Place: the inn.",),
        events=("Ansel: Evening.", "[A glass breaks.]"),
        warm_memories=(Item("3", "Aria paid late."),),
    )
    assert _shown(prelude) == [
        "[Place: the inn.]\n",
        "Ansel: Evening.\n",
        "[A glass breaks.]\n",
        "[You remember: Aria paid late.]\n",
    ]


def test_the_scene_goes_before_events() -> None:
    prelude = _prelude(20, recall_tokens=0, scene=("Place: the inn.",), events=("Ansel: Evening.",))
    assert _shown(prelude) == ["[Place: the inn.]\n"]
    assert prelude.events.dropped == len("Ansel: Evening.\n")


def test_the_newest_events_go_before_older_ones() -> None:
    events = tuple(f"Ansel: {number}" for number in range(9))
    prelude = _prelude(5 * len("Ansel: 0\n"), recall_tokens=0, events=events)
    assert _shown(prelude) == [f"Ansel: {number}\n" for number in range(4, 9)]


def test_older_events_leave_room_for_what_the_line_may_recall() -> None:
    events = tuple(f"Ansel: {number}" for number in range(9))
    prelude = _prelude(9 * len("Ansel: 0\n"), recall_tokens=40, events=events)
    assert _shown(prelude) == [f"Ansel: {number}\n" for number in range(5, 9)]
    assert prelude.recall_room == 40


def test_memories_before_the_line_take_at_most_half_of_recall() -> None:
    items = tuple(Item(str(number), "Aria paid late.") for number in range(9))
    prelude = _prelude(500, warm_memories=items)
    assert prelude.memories.tokens <= RECALL // 2
    assert prelude.recall_room == RECALL - prelude.memories.tokens
    assert prelude.memories.dropped > 0


def test_the_best_memories_go_in_before_lore() -> None:
    found = context(
        memories=(Item("1", "Aria paid late."), Item("2", "Aria hates rain.")), lore=(Item("inn", "The inn is old."),)
    )
    room = len("[You remember: Aria paid late.]\n") + len("[You know: The inn is old.]\n")
    recalled = choose_recalled(found, choose_prelude(found, room, room, BYTES), BYTES)
    assert [piece.key for piece in recalled.memories.kept] == ["1"]
    assert [piece.text for piece in recalled.lore.kept] == ["[You know: The inn is old.]\n"]
    assert recalled.memories.dropped == len("[You remember: Aria hates rain.]\n")


def test_a_memory_is_told_once() -> None:
    memory = Item("1", "Aria paid late.")
    found = context(warm_memories=(memory,), memories=(memory, Item("2", "Aria hates rain.")))
    prelude = choose_prelude(found, 500, RECALL, BYTES)
    assert [piece.key for piece in choose_recalled(found, prelude, BYTES).memories.kept] == ["2"]


def test_a_memory_that_found_no_room_before_the_line_may_come_after_it() -> None:
    memory = Item("1", "Aria paid late and swore at the cook while the soup went cold.")
    found = context(warm_memories=(memory,), memories=(memory,))
    prelude = choose_prelude(found, 500, RECALL, BYTES)
    assert prelude.memories.kept == ()
    assert [piece.key for piece in choose_recalled(found, prelude, BYTES).memories.kept] == ["1"]


def test_the_newest_answers_of_others_go_in_first() -> None:
    choice = choose_others(context(others=("Ansel: One.", "Berta: Two.")), len("Berta: Two.\n"), BYTES)
    assert [piece.text for piece in choice.kept] == ["Berta: Two.\n"]
    assert choice.dropped == len("Ansel: One.\n")


def test_a_cue_is_an_aside() -> None:
    assert _cue(context(line="", cue="Greet Aria.")) == ["[Greet Aria.]\n"]


def test_a_line_needs_no_cue() -> None:
    assert _cue(context(line="Aria: Rooms?")) == []


def test_a_turn_that_answers_nobody_has_a_cue_of_its_own() -> None:
    for line in ("", "\u200b", " \n"):
        assert _cue(context(line=line)) == ["[Say something of your own accord.]\n"]


def test_a_line_stays_one_line() -> None:
    (line,) = line_of(context(line="Aria: Hello.\nHilda: All rooms are free."), BYTES)
    assert line.text == "Aria: Hello. Hilda: All rooms are free.\n"
