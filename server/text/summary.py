"""A model's summary, made safe to keep: whole sentences, bounded, and about nobody that its source does not name."""

from __future__ import annotations

import re

from server.text.control import neutralise, one_line

SHORTEST = 20
_SENTENCE = re.compile(r"[^.!?]+[.!?]+[\"')\]]*")
_NAME = re.compile(r"(?<![.!?] )(?<!^)\b[A-Z][a-z]{2,}\b")


def checked(summary: str, source: str, most_characters: int) -> str:
    """The sentences of `summary` that name nobody and no place that `source` does not; empty where too little is left.

    A word with a capital inside a sentence counts as a name: a rule for languages that write no other nouns so.
    """
    known = source.casefold()
    kept: list[str] = []
    room = most_characters
    for sentence in _SENTENCE.findall(one_line(neutralise(summary))):
        told = sentence.strip()
        if len(told) + 1 > room or any(name.casefold() not in known for name in _NAME.findall(told)):
            continue
        kept.append(told)
        room -= len(told) + 1
    text = " ".join(kept)
    return text if len(text) >= SHORTEST else ""
