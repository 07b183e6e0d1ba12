"""How much of a line was heard when its playback was cut."""

from __future__ import annotations

import math
import re

from server.text.characters import SPACELESS, is_boundary

_WORD = re.compile(rf"\s*(?:{SPACELESS.pattern}|[^\s{SPACELESS.pattern[1:-1]}]+)")


def heard_part(line: str, fraction: float) -> str:
    """The beginning of `line` that was heard when `fraction` of its characters had been played.

    A word counts only when all of it, with the punctuation behind it, was played: better an NPC that repeats a word
    than one that believes it said what nobody heard. In scripts without spaces each character is a word. White space at
    the ends of `line` is not counted.

    Args:
        line: A line as sent, or with its white space.
        fraction: From 0 to 1, of the characters of the stripped line; not-a-number counts as 0.

    Returns:
        `""` for 0 and `line` itself for 1; in between a prefix of `line` without white space at its end.
    """
    if fraction >= 1:
        return line
    if math.isnan(fraction) or fraction <= 0:
        return ""
    stripped = line.strip()
    start = len(line) - len(line.lstrip())
    limit = start + math.floor(len(stripped) * fraction + 1e-9)
    end = 0
    for word in _WORD.finditer(line):
        if word.end() > limit:
            break
        if is_boundary(line, word.end()):
            end = word.end()
    return line[:end]
