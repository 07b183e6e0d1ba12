"""A prompt's segments as chat messages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal, TypedDict

from server.text.control import neutralise
from server.text.segments import Close, Open, Part, PartName, Prompt, Role, Text

_SYSTEM_PARTS = frozenset({"rules", "persona", "facts"})


class ChatMessage(TypedDict):
    """One message of the request."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one turn of the prompt says within one part. `runs_on` is True where the turn began in a part before."""

    role: Role
    part: PartName
    text: str
    runs_on: bool = False


def chat_messages(prompt: Prompt) -> list[ChatMessage]:
    """The prompt as chat messages, nothing added and nothing reordered.

    Rules, persona and facts are one system message. History and turn alternate: neighbours of one role are joined by
    a blank line, because many chat templates refuse two in a row. The open assistant turn at the end stays unsaid
    while it is empty. The server at the other end renders a template of text, so spellings of control tokens are
    replaced.
    """
    whole: list[Spoken] = []
    for piece in _pieces(prompt.parts):
        if piece.runs_on and whole:
            whole[-1] = replace(whole[-1], text=whole[-1].text + piece.text)
        else:
            whole.append(piece)
    cleaned = ((piece.role, neutralise(piece.text).strip()) for piece in whole)
    said = [(role, text) for role, text in cleaned if text]
    return [
        {"role": role, "content": "\n\n".join(text for _, text in same)}
        for role, same in groupby(said, key=lambda turn: turn[0])
    ]


def spoken(prompt: Prompt) -> list[Spoken]:
    """What is said in the prompt, a turn that runs on over the end of a part cut there; control tokens replaced."""
    pieces = [replace(piece, text=neutralise(piece.text).strip()) for piece in _pieces(prompt.parts)]
    return [piece for piece in pieces if piece.text]


def _pieces(parts: tuple[Part, ...]) -> list[Spoken]:
    """Every turn that says something, cut at the ends of parts."""
    pieces: list[Spoken] = []
    opened: Role = "system"
    running = False
    for part in parts:
        fresh = True
        for segment in part.segments:
            match segment:
                case Open(role=role):
                    opened, running, fresh = role, False, True
                case Text(text=text):
                    if fresh:
                        pieces.append(Spoken(_role(part, opened), part.name, "", runs_on=running))
                    pieces[-1] = replace(pieces[-1], text=pieces[-1].text + text)
                    running, fresh = True, False
                case Close():
                    running, fresh = False, True
    return pieces


def _role(part: Part, opened: Role) -> Role:
    """The standing parts are the system's; in the moving parts only the NPC's own words are the assistant's."""
    if part.name in _SYSTEM_PARTS:
        return "system"
    return "assistant" if opened == "assistant" else "user"
