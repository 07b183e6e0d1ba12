"""Stage directions in a reply: what an NPC does between its words, as `*smiles*`, `(laughs)` or `[sighs]`."""

from __future__ import annotations

import re
from typing import Literal

Policy = Literal["strip", "keep"]

MAX_DIRECTION_CHARACTERS = 120
"""A marker that has not closed after this much, or by the end of its line, is an ordinary character."""

_CLOSERS = {"(": ")", "[": "]", "\uff08": "\uff09", "\u3010": "\u3011"}
_NEXT = re.compile(r"[ \t]*(?:([*(\[\uff08\u3010])|\Z)")
_ASTERISKS = re.compile(r"\*{1,9}")
_EMOTICON_EYES = frozenset(":;=-^'")
_SPEECH_GOES_ON = frozenset(",;:-\u2013\u2014'\u2019\u060c\u3001\uff0c")
_NO_SPACE_BEFORE = frozenset(",.;:!?\u2026\u060c\u061f\n")

_DIRECTION_WORDS = frozenset(
    ("sigh", "smile", "laugh", "grin", "nod", "shrug", "wink", "chuckle", "cough", "pause", "gasp", "giggle", "groan")
)
_EMPHASISED_WORDS = frozenset(
    (
        *("is", "was", "has", "does", "this", "yes", "always", "his", "hers", "its", "us", "ours", "yours", "theirs"),
        *("these", "those", "less", "unless", "perhaps", "besides", "sometimes", "nothing", "anything", "something"),
        *("everything", "king", "thing", "ring", "during"),
    )
)


class StageDirections:
    """Drops stage directions and mends the space around them; `keep` lets everything through.

    Brackets of every kind are directions. Between single asterisks stands either a direction or a stressed word; it is
    taken as stressed where one or two words within a sentence (one, at its start, with a capital) are no verb of the
    kind "smiles" or "grinning": losing "never" from "*Never* do that" would be worse than speaking a direction.
    """

    def __init__(self, policy: Policy = "strip") -> None:
        self._strips = policy == "strip"
        self._held = ""
        self._last = "\n"
        self._last_seen = "\n"
        self._is_mending = False

    def feed(self, text: str) -> str:
        """More of the reply."""
        return self._pass(self._held + text, final=False) if self._strips else text

    def close(self) -> str:
        """The rest, without white space at the end."""
        return self._pass(self._held, final=True).rstrip() if self._strips else ""

    def _pass(self, text: str, *, final: bool) -> str:
        self._held = ""
        out: list[str] = []
        at = 0
        while mark := _NEXT.search(text, at):
            self._say(text[at : mark.start()], out)
            at = mark.start()
            if not mark[1]:
                if final:
                    self._say(text[at:], out)
                else:
                    self._held = text[at:]
                break
            start = mark.start(1)
            end, is_direction = self._read(text, start, final=final)
            if end < 0:
                self._held = text[at:]
                break
            if is_direction:
                # The white space around it is looked at as one, together with whatever comes next.
                text = text[at:start] + text[end:]
                at = 0
                self._is_mending = True
            else:
                self._say(text[at:end], out)
                at = end
        return "".join(out)

    def _say(self, text: str, out: list[str]) -> None:
        if not text:
            return
        if self._is_mending:
            text = self._mended(text)
            self._is_mending = False
        if text:
            out.append(text)
            self._last = text[-1]
            stripped = text.rstrip(" \t")
            self._last_seen = stripped[-1] if stripped else self._last_seen

    def _mended(self, text: str) -> str:
        """`text` as it follows what was said before a direction: one space where there was any, none before a comma."""
        bare = text.lstrip(" \t")
        if not bare or bare[0] in _NO_SPACE_BEFORE or self._last.isspace():
            return bare
        had_space = len(bare) < len(text)
        glued_words = self._last.isascii() and self._last.isalnum() and bare[0].isalnum()
        return f" {bare}" if had_space or glued_words else bare

    def _read(self, text: str, start: int, *, final: bool) -> tuple[int, bool]:
        """Where what begins with the marker at `start` ends, -1 if not known yet, and whether it is a direction."""
        marker = text[start]
        if marker == "*":
            return self._read_asterisk(text, start, final=final)
        before = text[start - 1] if start else self._last
        if marker == "(" and before in _EMOTICON_EYES:
            return start + 1, False
        end = _bracket_end(text, start, _CLOSERS[marker])
        return _decided(text, start, end, final=final)

    def _read_asterisk(self, text: str, start: int, *, final: bool) -> tuple[int, bool]:
        run = _ASTERISKS.match(text, start)
        run_end = run.end() if run else start + 1
        if run_end == len(text) and not final and run_end - start < 9:
            return -1, False
        if run_end - start > 1 or text[run_end : run_end + 1].strip() == "":
            return run_end, False
        end, is_direction = _decided(text, start, _asterisk_end(text, run_end, final=final), final=final)
        if is_direction and self._is_stressed(text[run_end : end - 1], text[:start]):
            return end, False
        return end, is_direction

    def _is_stressed(self, content: str, before: str) -> bool:
        words = content.split()
        first = words[0].strip(".,!?\u2026").lower()
        is_verb = first.endswith(("s", "ing")) and first not in _EMPHASISED_WORDS
        if is_verb or first in _DIRECTION_WORDS:
            return False
        seen = (before.rstrip(" \t") or self._last_seen)[-1]
        is_within = seen.isalnum() or seen in _SPEECH_GOES_ON
        return len(words) <= 2 if is_within else len(words) == 1 and content[0].isupper()


def _decided(text: str, start: int, end: int, *, final: bool) -> tuple[int, bool]:
    """What a marker at `start` is, whose match ends at `end` (0: there is none in its line, -1: none so far)."""
    if end > 0 and end - start <= MAX_DIRECTION_CHARACTERS:
        return end, True
    if end < 0 and not final and len(text) - start <= MAX_DIRECTION_CHARACTERS:
        return -1, False
    return start + 1, False


def _bracket_end(text: str, start: int, closer: str) -> int:
    depth = 0
    for at in range(start, min(len(text), start + MAX_DIRECTION_CHARACTERS + 1)):
        character = text[at]
        if character == "\n":
            return 0
        if character == text[start]:
            depth += 1
        elif character == closer:
            depth -= 1
            if not depth:
                return at + 1
    return -1


def _asterisk_end(text: str, start: int, *, final: bool) -> int:
    """Behind the single asterisk that closes a direction whose words begin at `start`."""
    for at in range(start, min(len(text), start + MAX_DIRECTION_CHARACTERS + 1)):
        if text[at] == "\n":
            return 0
        if text[at] != "*" or text[at - 1] in " \t*":
            continue
        if at + 1 == len(text) and not final:
            return -1
        if text[at + 1 : at + 2] != "*":
            return at + 1
    return -1
