"""Speaker labels in a reply: an NPC's own is dropped, anyone else's ends the reply."""

from __future__ import annotations

import re
from collections.abc import Iterable

from server.text.control import one_line

_OWN = ("assistant", "npc")
_FOREIGN = ("user", "player", "human", "system", "narrator")
_MAX_LEAD_CHARACTERS = 80
_MIN_SHORT_NAME_CHARACTERS = 3

_LEAD = re.compile(r"[\s*_#>\"'\[(\u201c\u201e\u00ab\u2022\u2013\u2014-]*")
_TAIL = re.compile(r"[ \t*_\]\"'\u201d]{0,8}(?:\([^()\n]{0,40}\)[ \t*_]{0,8})?[:\uff1a]")
_TAIL_SO_FAR = re.compile(r"[ \t*_\]\"'\u201d]{0,8}(?:\([^()\n]{0,40}(?:\)[ \t*_]{0,8})?)?")


class SpeakerLabel:
    """Looks for `Name:` at the start of each line, plain or dressed up (`**Name:**`, `[Name]:`, `Name (laughing):`).

    A name also counts by its first word ("Hilda" for "Hilda Brennan"); where two share one, it is the own. Holds back
    no more than what could still become a label.
    """

    def __init__(self, own_name: str, other_names: Iterable[str] = ()) -> None:
        self.ended = False
        self._labels = _labels(own_name, other_names)
        self._held = ""
        self._at_start = True

    def feed(self, text: str) -> str:
        """More of the reply; nothing once it has ended."""
        if not self._at_start and not self._held and "\n" not in text:
            return "" if self.ended else text
        return self._pass(self._held + text, final=False)

    def close(self) -> str:
        """The rest."""
        return self._pass(self._held, final=True)

    def _pass(self, text: str, *, final: bool) -> str:
        self._held = ""
        out: list[str] = []
        while text and not self.ended:
            if self._at_start:
                is_own, end = self._label(text, final=final)
                if end < 0:
                    self._held = text
                    break
                self.ended = end > 0 and not is_own
                self._at_start = end > 0
                text = text[end:]
            else:
                line, line_feed, text = text.partition("\n")
                out.append(line + line_feed)
                self._at_start = bool(line_feed)
        return "".join(out)

    def _label(self, text: str, *, final: bool) -> tuple[bool, int]:
        """Whether the label that begins `text` is the own, and where it ends: 0 for none, -1 for not known yet."""
        start = _end(_LEAD, text, 0)
        if start > _MAX_LEAD_CHARACTERS:
            return False, 0
        folded = _folded(text)
        rest = folded[start:]
        could_be = not rest
        for name, is_own in self._labels.items():
            if rest.startswith(name):
                tail = _TAIL.match(text, start + len(name))
                if tail:
                    return is_own, tail.end()
                could_be = could_be or _end(_TAIL_SO_FAR, text, start + len(name)) == len(text)
            elif name.startswith(rest):
                could_be = True
        return False, -1 if could_be and not final else 0


def _labels(own_name: str, other_names: Iterable[str]) -> dict[str, bool]:
    """Folded label to whether it is the own; whole names win over first words, and the own over others'."""
    own = _folded(one_line(own_name))
    others = [_folded(one_line(name)) for name in other_names]
    labels: dict[str, bool] = {}
    for name, is_own in (
        (own, True),
        *((name, False) for name in others),
        (_first_word(own), True),
        *((_first_word(name), False) for name in others),
        *((name, True) for name in _OWN),
        *((name, False) for name in _FOREIGN),
    ):
        if name:
            labels.setdefault(name, is_own)
    return labels


def _first_word(name: str) -> str:
    word = name.partition(" ")[0]
    return word if len(word) >= _MIN_SHORT_NAME_CHARACTERS else ""


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    """Where a pattern that also matches nothing ends."""
    match = pattern.match(text, start)
    return match.end() if match else start


def _folded(text: str) -> str:
    """Lower case, one character for one, so that positions stay."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(lower if len(lower := character.lower()) == 1 else character for character in text)
