"""A client's messages as a prompt, each message a part: where one ends, an engine may go on with others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from server.dialogue.completions.replies import Replies
from server.dialogue.completions.wanted import ChatMessage, Tool
from server.text.segments import Close, Open, Part, PartName, Prompt, Role, Segment, Text

_SPELT = re.compile(r"<\|im_start\|>(system|user|assistant|tool)\n?|(<\|im_end\|>\n?)|<\|(?:startoftext|endoftext)\|>")
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "user"}


def prompt_of(messages: Sequence[ChatMessage], replies: Replies, *, keep_open: bool = True) -> Prompt:
    """The prompt that asks for the assistant's next words; `keep_open` goes on with a trailing assistant message.

    Leading system messages are the prompt's rules, later ones keep their place. What the engine said itself is written
    with the ids it was drawn with.
    """
    prefilled = keep_open and bool(messages) and messages[-1].role == "assistant"
    whole, opening = (messages[:-1], messages[-1].text) if prefilled else (messages, "")
    parts = list(_parts(whole, replies))
    begun = (Text(opening),) if opening else ()
    return Prompt((*parts, Part("turn", (Open("assistant"), *begun))))


def prompt_of_text(text: str, replies: Replies) -> Prompt:
    """A prompt that came as one string. Turns that it spells in ChatML become turns; everything else stays text."""
    parts: list[Part] = []
    segments: list[Segment] = []
    assistant, at = False, 0
    for match in _SPELT.finditer(text):
        segments += _words(text[at : match.start()], replies if assistant else None)
        at = match.end()
        if match[1]:
            assistant = match[1] == "assistant"
            segments.append(Open(_ROLES[match[1]]))
        elif match[2]:
            assistant = False
            segments.append(Close())
            parts.append(Part(_place(parts), tuple(segments)))
            segments = []
    segments += _words(text[at:], None)
    return Prompt((*parts, Part("turn", tuple(segments))))


def tools_message(tools: Sequence[Tool]) -> ChatMessage:
    """The tools as LFM2 was taught to be told of them: a list of JSON in the system's words."""
    told = [{"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)} for tool in tools]
    return ChatMessage("system", f"List of tools: {json.dumps(told, ensure_ascii=False)}")


def _parts(messages: Sequence[ChatMessage], replies: Replies) -> Iterator[Part]:
    leading = True
    for message in messages:
        leading = leading and message.role == "system"
        name: PartName = "rules" if leading else "facts" if message.role == "system" else "history"
        known = replies if message.role == "assistant" else None
        yield Part(name, (Open(role_of(message)), *_words(words_of(message), known), Close()))


def role_of(message: ChatMessage) -> Role:
    """Whose turn a message is."""
    return _ROLES[message.role]


def words_of(message: ChatMessage) -> str:
    """A message as it stands in its turn."""
    if message.role == "tool":
        return f"Result of {message.name or 'the tool'}: {message.text}"
    if message.calls:
        return f"{message.text}\n{message.calls}".lstrip()
    return f"{message.name}: {message.text}" if message.name and message.role != "assistant" else message.text


def _words(text: str, replies: Replies | None) -> tuple[Text, ...]:
    if not text:
        return ()
    return ((replies.known(text) if replies else None) or Text(text),)


def _place(parts: Sequence[Part]) -> PartName:
    return "history" if parts else "rules"
