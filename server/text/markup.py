"""Markup in a reply: emphasis, headings, bullets, and quotes around the whole line."""

from __future__ import annotations

import re

_SPECIAL = re.compile('[\n*_`"\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u300e\u300f]')
_OPENING_QUOTES = frozenset('"\u201c\u201d\u201e\u00ab\u00bb\u300c\u300e')
_QUOTES = frozenset('"\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u300e\u300f')
_TRAILING_QUOTES = frozenset('"\u201d')
_NEEDS_NEXT = frozenset('*_#-\u2022"\u201d')


class Markup:
    """Drops what is for the eye of a renderer.

    A line that begins with a quotation mark loses all its double quotes, as novels quote speech; any other keeps them,
    save a closing one at its end that nothing opened. White space at the start of a line goes. With `keeps_asterisks`
    asterisks stay: they mark the stage directions that the player is to see.
    """

    def __init__(self, *, keeps_asterisks: bool = False) -> None:
        self._keeps_asterisks = keeps_asterisks
        self._held = ""
        self._before = ""
        self._at_start = True
        self._has_spoken = False
        self._is_quoted = False
        self._open_quotes = 0

    def feed(self, text: str) -> str:
        """More of the reply."""
        if not text:
            return ""
        if not self._at_start and not self._held and not _SPECIAL.search(text):
            self._before = text[-1]
            return text
        return self._pass(self._held + text, final=False)

    def close(self) -> str:
        """The rest."""
        return self._pass(self._held, final=True)

    def _pass(self, text: str, *, final: bool) -> str:
        self._held = ""
        out: list[str] = []
        last = len(text) - 1
        for at, character in enumerate(text):
            if at == last and not final and character in _NEEDS_NEXT:
                self._held = character
                break
            following = text[at + 1] if at < last else "\n"
            if self._stays(character, following):
                out.append(character)
                self._has_spoken = True
            self._before = character
        return "".join(out)

    def _stays(self, character: str, following: str) -> bool:
        if character == "\n":
            self._at_start, self._is_quoted, self._open_quotes = True, False, 0
            return self._has_spoken
        if self._at_start:
            if character in _OPENING_QUOTES:
                self._is_quoted = True
                return False
            if character.isspace() or self._is_line_mark(character, following):
                return False
            self._at_start = False
        if character == "*":
            around = (self._before, following)
            is_times = all(map(str.isspace, around)) or all(map(str.isdigit, around))
            return self._keeps_asterisks or is_times
        if character == "_":
            return self._before.isalnum() and following.isalnum()
        return character != "`" and (character not in _QUOTES or self._quote_stays(character, following))

    def _is_line_mark(self, character: str, following: str) -> bool:
        """A heading, a quotation's `>`, a bullet, or emphasis before the first word."""
        if character == "*":
            return following.isspace() or not self._keeps_asterisks
        if character == "#":
            return following in "# \t\n"
        return character in ">`_" or (character in "-\u2022" and following.isspace())

    def _quote_stays(self, character: str, following: str) -> bool:
        if self._is_quoted:
            return False
        if character not in _TRAILING_QUOTES:
            self._open_quotes += 1
            return True
        if self._open_quotes:
            self._open_quotes -= 1
            return True
        if following == "\n":
            return False
        self._open_quotes += 1
        return True
