"""Which messages are left out of a conversation that is too long."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from server.dialogue.completions.fitting import fit
from server.dialogue.completions.wanted import ChatMessage, ChatRole

SYSTEM = ChatMessage("system", "s" * 10)


def size(message: ChatMessage) -> int:
    return len(message.text)


def chat(*sizes: int, role: ChatRole | None = None) -> list[ChatMessage]:
    return [
        ChatMessage(role or ("assistant" if at % 2 else "user"), chr(97 + at % 26) * each)
        for at, each in enumerate(sizes)
    ]


def test_what_fits_stays_whole() -> None:
    messages = [SYSTEM, *chat(5, 5, 5)]
    assert fit(messages, 25, size) == tuple(messages)


def test_the_older_half_goes_in_whole_turns_and_the_system_stays() -> None:
    messages = [SYSTEM, *chat(10, 10, 10, 10, 10, 10)]
    kept = fit(messages, 60, size)
    assert kept == (SYSTEM, *messages[5:])


def test_what_cannot_fit_is_told() -> None:
    assert fit([SYSTEM, *chat(30)], 30, size) is None
    assert fit([ChatMessage("system", "x" * 31), *chat(1)], 30, size) is None


@given(st.lists(st.integers(1, 12), min_size=1, max_size=40), st.integers(40, 90))
def test_what_is_kept_fits_and_is_an_end_of_the_talk(sizes: list[int], room: int) -> None:
    messages = [SYSTEM, *chat(*sizes)]
    kept = fit(messages, room, size)
    assert kept is not None
    assert sum(map(size, kept)) <= room
    assert kept[0] == SYSTEM
    assert list(kept[1:]) == messages[len(messages) - len(kept) + 1 :]
    assert len(kept) > 1
    if len(kept) < len(messages):
        assert kept[1].role == "user"


@given(st.lists(st.integers(1, 12), min_size=30, max_size=80), st.integers(60, 90))
def test_the_cut_moves_seldom_as_a_talk_grows(sizes: list[int], room: int) -> None:
    messages = [SYSTEM, *chat(*sizes)]
    cuts = []
    for end in range(2, len(messages) + 1, 2):
        kept = fit(messages[:end], room, size)
        assert kept is not None
        cuts.append(end - len(kept))
    moves = sum(before != after for before, after in itertools.pairwise(cuts))
    assert cuts == sorted(cuts)
    assert moves <= 2 * sum(sizes) / (room - 10 - 24) + 1
