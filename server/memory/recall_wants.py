"""What kind of answer a question wants, and whether a text holds one: a time, or a number. Pure logic, in English."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from server.memory.when import WEEKDAYS

Want = Literal["", "time", "amount"]

_CACHED_TEXTS = 16_384
_ASKS_TIME = re.compile(r"\b(?:when|(?:what|which) (?:date|day|year|month|season|time)|how long ago)\b", re.IGNORECASE)
_ASKS_AMOUNT = re.compile(r"\bhow (?:many|much|long|old|often|far|tall|big|high|deep|heavy)\b", re.IGNORECASE)
_TIME = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|ago|(?:last|next|this|past|coming|recent)(?: \w+)?|" + "|".join(WEEKDAYS)
    + r"|january|february|april|june|july|august|september|october|november|december|(?:march|may) \d+|\d{4}"
    r"|\d+(?:st|nd|rd|th)|(?:day|week|month|year|summer|winter|spring|autumn|weekend|morning|night)s?)\b",
    re.IGNORECASE,
)  # fmt: skip
_AMOUNT = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty"
    r"|seventy|eighty|ninety|hundred|thousand|dozen|once|twice|half|couple|few)\b",
    re.IGNORECASE,
)


def wanted_by(question: str) -> Want:
    """What a question wants to hear; nothing in particular where it says neither "when" nor "how many"."""
    if _ASKS_TIME.search(question):
        return "time"
    return "amount" if _ASKS_AMOUNT.search(question) else ""


@lru_cache(maxsize=_CACHED_TEXTS)
def gives(text: str, want: Want) -> bool:
    """Whether a text holds what is wanted; false where nothing in particular is."""
    if not want:
        return False
    return bool((_TIME if want == "time" else _AMOUNT).search(text))


def asks(text: str) -> bool:
    """Whether it ends as a question does."""
    return text.rstrip(" \n\"')\u201d").endswith(("?", "\uff1f", "\u061f"))
