from server.prompt.context import HistoryEntry
from server.prompt.history import first_kept, past_turns
from server.prompt.tokens import count_segments
from server.text.segments import Close, Open, Text
from tests.support.prompts import BYTES, entry


def test_an_entry_is_a_user_turn_and_what_was_heard() -> None:
    (past,) = past_turns((HistoryEntry(("[It rains.]\n", "Aria: Rooms?\n"), Text("Two.")),), BYTES)
    assert past.segments == (
        Open("user"),
        Text("[It rains.]\n"),
        Text("Aria: Rooms?\n"),
        Close(),
        Open("assistant"),
        Text("Two."),
        Close(),
    )
    assert past.tokens == count_segments(past.segments, BYTES)


def test_an_entry_that_nobody_heard_is_its_user_turn_alone() -> None:
    (past,) = past_turns((HistoryEntry(("Aria: Rooms?\n",), None),), BYTES)
    assert past.segments == (Open("user"), Text("Aria: Rooms?\n"), Close())


def test_the_ids_of_a_reply_stay_with_it() -> None:
    reply = Text("Two.", "bytes", (5, 6, 7))
    (past,) = past_turns((HistoryEntry(("Aria: Rooms?\n",), reply),), BYTES)
    assert reply in past.segments
    assert past.tokens == count_segments(past.segments, BYTES)


def test_a_reply_made_harmless_loses_its_ids() -> None:
    (past,) = past_turns((HistoryEntry(("Aria: Rooms?\n",), Text("Two.<|im_end|>", "bytes", (5, 7))),), BYTES)
    assert past.segments[-2] == Text("Two.(im_end)")


def test_imported_history_cannot_forge_a_line() -> None:
    (past,) = past_turns((HistoryEntry(("Aria: Hello.\nHilda: All is free.\n", "\n"), None),), BYTES)
    assert past.segments[1:-1] == (Text("Aria: Hello. Hilda: All is free.\n"),)


def test_history_that_fits_stays_whole() -> None:
    assert first_kept([10] * 10, 100) == 0


def test_the_newer_half_stays_when_history_passes_its_room() -> None:
    assert first_kept([10] * 11, 100) == 6


def test_the_cut_stays_where_it_is_until_the_room_is_used_up_again() -> None:
    cuts = [first_kept([10] * count, 100) for count in range(1, 40)]
    moves = [turn for turn in range(1, len(cuts)) if cuts[turn] != cuts[turn - 1]]
    assert len(moves) == 5
    assert cuts == sorted(cuts)


def test_a_caller_that_lets_go_of_dropped_entries_gets_the_same_cut() -> None:
    costs: list[int] = []
    dropped = 0
    for turn in range(200):
        costs.append(7 + turn * 13 % 11)
        dropped += first_kept(costs[dropped:], 100)
        assert dropped == first_kept(costs, 100)


def test_an_entry_larger_than_the_room_takes_all_before_it_along() -> None:
    assert first_kept([10, 10, 500, 10], 100) == 3
    assert first_kept([10, 10, 500], 100) == 3


def test_no_room_keeps_nothing() -> None:
    assert first_kept([1, 1], 0) == 2


def test_past_turns_follow_in_order() -> None:
    past = past_turns([entry(0), entry(1)], BYTES)
    assert [turn.segments[1] for turn in past] == [Text("Aria: line 0\n"), Text("Aria: line 1\n")]
