"""What a model writes for machines: reasoning, tool calls, control tokens. None of it is speech.

Every filter here and in `server.text.filters` decides nothing before the text it decides on is complete, so the joined
output does not depend on how the stream was cut. What a filter holds back is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from server.text.control import CLEAN, TOKEN, fold

MAX_TOKEN_CHARACTERS = 300
"""More than the longest spelling that `control.TOKEN` knows: what is longer is no token."""

_TRIGGER = re.compile(r"[<\[|]")


class Filter(Protocol):
    """A step between the model and the player's ears."""

    def feed(self, text: str) -> str:
        """More of the stream; returns what can be let through by now."""

    def close(self) -> str:
        """The stream is over; returns the rest."""


@dataclass(frozen=True, slots=True)
class Span:
    """Everything between `opening` and `closing` is dropped, both of them too. Both are lower case."""

    opening: str
    closing: str


THINK_SPANS = (
    *(
        Span(f"<{name}>", f"</{name}>")
        for name in ("think", "thinking", "thought", "reasoning", "reflection", "scratchpad", "seed:think")
    ),
    Span("[think]", "[/think]"),
    Span("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    Span("<|begin_of_thought|>", "<|end_of_thought|>"),
    Span("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)
TOOL_SPANS = (
    *(Span(f"<|tool_{part}_start|>", f"<|tool_{part}_end|>") for part in ("call", "list", "response")),
    Span("<tool_call>", "</tool_call>"),
    Span("<tool_response>", "</tool_response>"),
)


class SpanFilter:
    """Drops spans, tags in any case; a span that never closes is dropped to the end, none of it kept in memory."""

    def __init__(self, spans: tuple[Span, ...]) -> None:
        self._closings = {span.opening: span.closing for span in spans}
        self._opening = re.compile("|".join(re.escape(span.opening) for span in spans), re.IGNORECASE | re.ASCII)
        self._firsts = frozenset(span.opening[0] for span in spans)
        self._held = ""
        self._closing = ""

    def feed(self, text: str) -> str:
        """More of the stream."""
        if not self._held and not self._closing and self._firsts.isdisjoint(text):
            return text
        rest = self._held + text
        out: list[str] = []
        while True:
            if self._closing:
                at = _find(rest, self._closing)
                if at < 0:
                    self._held = _tail(rest, (self._closing,))
                    return "".join(out)
                rest = rest[at + len(self._closing) :]
                self._closing = ""
            match = self._opening.search(rest)
            if match is None:
                self._held = _tail(rest, tuple(self._closings))
                out.append(rest[: len(rest) - len(self._held)])
                return "".join(out)
            out.append(rest[: match.start()])
            self._closing = self._closings[_lower(match[0])]
            rest = rest[match.end() :]

    def close(self) -> str:
        """The rest, unless a span is open."""
        rest = "" if self._closing else self._held
        self._held = ""
        return rest


class ThinkFilter(SpanFilter):
    """Drops what a model thinks."""

    def __init__(self) -> None:
        super().__init__(THINK_SPANS)


class ToolFilter(SpanFilter):
    """Drops tool calls, their lists and their results."""

    def __init__(self) -> None:
        super().__init__(TOOL_SPANS)


class TokenFilter:
    """Removes control tokens and characters nobody can see or hear, and the halves of tokens that were cut short.

    A `<` stays only before white space, a digit from 1 to 9, `=`, `-` or the end: nothing that is left can become a tag
    once what stood within it is gone.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """More of the stream."""
        if not text.isascii() or not text.isprintable():
            text = text.translate(CLEAN)
        if not self._held and not _TRIGGER.search(fold(text)):
            return text
        return self._pass(self._held + text, final=False)

    def close(self) -> str:
        """The rest."""
        return self._pass(self._held, final=True)

    def _pass(self, text: str, *, final: bool) -> str:
        self._held = ""
        folded = fold(text)
        out: list[str] = []
        at = 0
        while trigger := _TRIGGER.search(folded, at):
            start = trigger.start()
            out.append(text[at:start])
            end = _token_end(folded, start, final=final)
            if end < 0:
                self._held = text[start:]
                return "".join(out)
            if end == start:
                out.append(text[start])
                end += 1
            at = end
        out.append(text[at:])
        return "".join(out)


_WHOLE_PIPE = re.compile(r"[<\[]\|[^<>\n|]{0,64}\|[>\]]")
_UNFINISHED = re.compile(r"[<\[]\|[^<>\n|]{0,64}\|?|</?[A-Za-z_0-9]?[^<>\n]*|\[/?[A-Za-z_]{0,20}~?|\|")
"""Whatever more text could still make a token of."""
_KEPT_AFTER_ANGLE = frozenset(("", *" \t\n=-123456789"))


def _token_end(text: str, start: int, *, final: bool) -> int:
    """Where the token that begins at `start` ends; `start` where none does; -1 where more text is needed to say."""
    whole = _WHOLE_PIPE.match(text, start)
    if whole:
        return whole.end()
    unfinished = _UNFINISHED.match(text, start)
    if not final and unfinished and unfinished.end() == len(text) and len(text) - start < MAX_TOKEN_CHARACTERS:
        return -1
    token = TOKEN.match(text, start)
    if token:
        return token.end()
    if text[start] == "<" and text[start + 1 : start + 2] not in _KEPT_AFTER_ANGLE:
        return start + 1
    return start


def _lower(text: str) -> str:
    """Lower case of ASCII alone, so that positions stay: Unicode's lower case can be longer."""
    return text.translate(_ASCII_LOWER)


_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def _find(text: str, tag: str) -> int:
    return _lower(text).find(tag)


def _tail(text: str, tags: tuple[str, ...]) -> str:
    """The longest end of `text` that begins one of `tags` without being all of it."""
    lowered = _lower(text[-max(map(len, tags)) + 1 :])
    for length in range(len(lowered), 0, -1):
        end = lowered[-length:]
        if any(tag.startswith(end) for tag in tags):
            return text[-length:]
    return ""
