"""Requests besides a conversation: titles, tags, summaries. They are answered, and nobody remembers them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from server.dialogue.completions.wanted import ChatMessage

RULES = (
    r"^\W*task\W*:",
    r"^\W*(ignore|disregard|pause|stop)\b.{0,80}\b(instructions?|prompt|role-?play|story|scene)\b",
    r"^\W*(please\s+)?(generate|create|write|provide|suggest|make|give)\b.{0,80}\b(title|tags|keywords|follow-?ups?|summary)\b",
    r"^\W*write\b.{0,40}\b(reply|message|response)\b.{0,20}\bfrom the (point of view|perspective) of\b",
    r"^\W*(please\s+)?summari[sz]e\b.{0,80}\b(conversation|chat|discussion|story|above|so far)\b",
)
"""What such requests begin with in Open WebUI (a heading `Task:`), SillyTavern (the story is paused, or a line of the
player's own is asked for) and LibreChat (a title is asked for); case does not count."""
LOOKED_AT = 400
"""Characters at the beginning of the message: what was quoted further down says nothing."""


class SideRequests:
    """The rules, `more` of them from the configuration."""

    def __init__(self, more: Sequence[str] = ()) -> None:
        self._rules = [re.compile(rule, re.IGNORECASE | re.DOTALL) for rule in (*RULES, *more)]

    def matches(self, messages: Sequence[ChatMessage]) -> bool:
        """Whether the last message is no part of a conversation."""
        last = messages[-1].text[:LOOKED_AT] if messages else ""
        return any(rule.search(last) for rule in self._rules)
