"""Where histories stand: pure logic, against a naive look at every message ever said."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from server.dialogue.completions.adoption import exchanges
from server.dialogue.completions.transcript import MOST_SAID, Mark, chat_of, digest_of, key_of, place_of, prefix_of
from server.dialogue.completions.wanted import ChatMessage

ROOT = Mark(key_of("hilda", "tam"), key_of("begins", "hello"))
words = st.text(alphabet="abc", min_size=1, max_size=2)
talk = st.lists(words, max_size=12).map(
    lambda texts: [ChatMessage("assistant" if at % 2 else "user", text) for at, text in enumerate(texts)]
)


def marks_of(messages: list[ChatMessage], root: Mark = ROOT) -> list[Mark]:
    """The marks that this history leaves, the root's first."""
    marks = [root]
    for exchange in exchanges(messages):
        marks.append(marks[-1].then(*map(digest_of, exchange)))
    return marks


def digests(messages: list[ChatMessage]) -> list[str]:
    return [digest_of(message) for message in messages]


def test_a_name_tells_the_whole_mark_and_fits_a_save() -> None:
    mark = ROOT.then(*(digest_of(ChatMessage("user", str(number))) for number in range(MOST_SAID)))
    assert Mark.of(mark.name) == mark
    assert mark.name.startswith(prefix_of(ROOT.who))
    assert len(mark.name) <= 64


def test_white_space_at_the_ends_does_not_count_but_the_role_does() -> None:
    assert digest_of(ChatMessage("user", " hello\n")) == digest_of(ChatMessage("user", "hello"))
    assert digest_of(ChatMessage("user", "hello")) != digest_of(ChatMessage("assistant", "hello"))


@given(talk, talk)
def test_a_history_that_goes_on_is_here(said: list[ChatMessage], more: list[ChatMessage]) -> None:
    marks = marks_of(said)
    place = place_of(digests([*said, *more]), marks, {mark.name for mark in marks})
    assert place.mark == marks[-1]
    assert place.known == len(said)
    assert place.is_here


@given(talk, talk, talk)
@example([], [ChatMessage("user", "a"), ChatMessage("assistant", "b")], [ChatMessage("user", "a")])  # none answered
def test_every_branch_is_found_again(
    before: list[ChatMessage], left: list[ChatMessage], taken: list[ChatMessage]
) -> None:
    if len(before) % 2:
        before = before[:-1]
    old, new = marks_of([*before, *left]), marks_of([*before, *taken])
    names = {mark.name for mark in (*old, *new)}
    place = place_of(digests([*before, *left]), new, names)
    assert place.mark == old[-1]
    assert place.known == len(before) + len(left)


@given(talk, st.integers(0, 12))
def test_nothing_beyond_what_agrees_is_taken_for_known(said: list[ChatMessage], at: int) -> None:
    marks = marks_of(said)
    changed = [*said[:at], ChatMessage("user", "something else entirely"), *said[at:]]
    place = place_of(digests(changed), marks, {mark.name for mark in marks})
    assert place.known <= at
    assert place.mark in marks


@given(st.lists(st.integers(), min_size=8, max_size=20, unique=True), st.integers(1, 4))
def test_a_history_without_its_beginning_is_found(numbers: list[int], cut: int) -> None:
    said = [ChatMessage("assistant" if at % 2 else "user", str(number)) for at, number in enumerate(numbers)]
    marks = marks_of(said)
    left = digests(said[cut:])
    assert chat_of(left, {ROOT.chat: marks, "other": [ROOT]}) == ROOT.chat
    place = place_of(left, marks, {mark.name for mark in marks})
    assert (place.mark, place.known) == (marks[-1], len(left))


def test_a_history_that_shares_one_message_with_a_chat_is_another_chat() -> None:
    marks = marks_of([ChatMessage("user", "hello"), ChatMessage("assistant", "well met")])
    assert chat_of(digests([ChatMessage("user", "hello"), ChatMessage("assistant", "no")]), {ROOT.chat: marks}) is None
    assert chat_of([], {ROOT.chat: marks}) is None
