"""The five parts of a prompt as segments.

Parts 1 to 3 share one system turn, opened by `rules` and closed by `facts`; each entry of part 4 is a user turn and,
where something was heard, an assistant turn; part 5 is a user turn, closed, and the assistant turn that the reply
continues. Part 5 of a prompt and its reply are, segment for segment, the history entry of the prompts after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from server.prompt.history import PastTurn
from server.prompt.pieces import Piece
from server.text.segments import Close, Open, Part, Prompt, Segment, Text

SYSTEM_FRAME: tuple[Segment, ...] = (Open("system"), Close())
TURN_FRAME: tuple[Segment, ...] = (Open("user"), Close(), Open("assistant"))


def texts(chosen: Iterable[Piece]) -> tuple[Segment, ...]:
    """Each piece as a segment of its own."""
    return tuple(Text(piece.text) for piece in chosen)


def lay_out(
    rules: Sequence[Piece],
    persona: Sequence[Piece],
    facts: Sequence[Piece],
    history: Iterable[PastTurn],
    turn: tuple[Segment, ...],
) -> Prompt:
    """A prompt of all five parts; `turn` brings its own frame."""
    return Prompt(
        (
            Part("rules", (Open("system"), *texts(rules))),
            Part("persona", texts(persona)),
            Part("facts", (*texts(facts), Close())),
            Part("history", tuple(segment for past in history for segment in past.segments)),
            Part("turn", turn),
        )
    )


def whole_turn(written: Iterable[Piece]) -> tuple[Segment, ...]:
    """Part 5 of a prompt that is to be answered."""
    return (Open("user"), *texts(written), Close(), Open("assistant"))


def begun_turn(written: Iterable[Piece], said: str = "") -> tuple[Segment, ...]:
    """Part 5 of a prompt that is read ahead: the user turn, and the line that `said` begins, stay open."""
    return (Open("user"), *texts(written), *((Text(said),) if said else ()))
