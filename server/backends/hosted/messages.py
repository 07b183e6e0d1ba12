"""A prompt's segments as chat messages."""

from __future__ import annotations

from itertools import groupby
from typing import Literal, TypedDict

from server.text.control import neutralise
from server.text.segments import Close, Open, Part, Prompt, Role, Text

_SYSTEM_PARTS = frozenset({"rules", "persona", "facts"})


class ChatMessage(TypedDict):
    """One message of the request."""

    role: Literal["system", "user", "assistant"]
    content: str


def chat_messages(prompt: Prompt) -> list[ChatMessage]:
    """The prompt as chat messages, nothing added and nothing reordered.

    Rules, persona and facts are one system message. History and turn alternate: neighbours of one role are joined by
    a blank line, because many chat templates refuse two in a row. The open assistant turn at the end stays unsaid
    while it is empty. The server at the other end renders a template of text, so spellings of control tokens are
    replaced.
    """
    turns = _turns(prompt.parts)
    return [
        {"role": role, "content": "\n\n".join(text for _, text in same)}
        for role, same in groupby(turns, key=lambda turn: turn[0])
    ]


def _turns(parts: tuple[Part, ...]) -> list[tuple[Role, str]]:
    """Role and clean text of each turn that says something. A turn may run on over the end of a part."""
    turns: list[tuple[Role, list[str]]] = []
    opened: Role = "system"
    running = False
    for part in parts:
        for segment in part.segments:
            match segment:
                case Open(role=role):
                    opened, running = role, False
                case Text(text=text):
                    if not running:
                        turns.append((_role(part, opened), []))
                    turns[-1][1].append(text)
                    running = True
                case Close():
                    running = False
    cleaned = ((role, neutralise("".join(texts)).strip()) for role, texts in turns)
    return [(role, text) for role, text in cleaned if text]


def _role(part: Part, opened: Role) -> Role:
    """The standing parts are the system's; in the moving parts only the NPC's own words are the assistant's."""
    if part.name in _SYSTEM_PARTS:
        return "system"
    return "assistant" if opened == "assistant" else "user"
