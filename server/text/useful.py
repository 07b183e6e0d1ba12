"""Has the answer begun? Keep-alives, thoughts and labels do not count, only what a player can hear."""

from __future__ import annotations

import re

from server.text.spans import THINK_SPANS, TOOL_SPANS, SpanFilter, TokenFilter

_MAX_HEAD_CHARACTERS = 240
"""An aside that is still open after this much is no aside."""
_ASIDE = re.compile(r"\*[^*\n]*\*?|\([^)\n]*\)?|\[[^\]\n]*\]?|\uff08[^\uff09\n]*\uff09?")
_LABEL = re.compile(r"[\s*_#>\"'\[]*\w[\w' .-]{0,63}[\]*_\s]*[:\uff1a]")


class UsefulText:
    """Tells when a raw stream holds words to be heard: letters or digits outside thoughts, calls, asides and a label.

    With `own_name` a label that is still being written (`Hil`, `Hilda`) does not count either.
    """

    def __init__(self, own_name: str = "") -> None:
        self._own_name = own_name.casefold()
        self._spans = SpanFilter((*THINK_SPANS, *TOOL_SPANS))
        self._tokens = TokenFilter()
        self._head = ""
        self._is_useful = False

    def feed(self, delta: str) -> bool:
        """More of the raw stream; True from the first delta that completes something useful."""
        if not self._is_useful and delta:
            self._add(self._tokens.feed(self._spans.feed(delta)), final=False)
        return self._is_useful

    def close(self) -> bool:
        """The stream is over: True where anything useful was in it, also what could have become a token or a label."""
        if not self._is_useful:
            self._add(self._tokens.feed(self._spans.close()) + self._tokens.close(), final=True)
        return self._is_useful

    def _add(self, text: str, *, final: bool) -> None:
        self._head += text
        if len(self._head) <= _MAX_HEAD_CHARACTERS:
            label = _LABEL.match(self._head)
            speech = _ASIDE.sub(" ", self._head[label.end() :] if label else self._head)
            begun = speech.strip().casefold()
            if not final and not label and begun and self._own_name.startswith(begun):
                return
        else:
            speech = self._head
        self._is_useful = any(character.isalnum() for character in speech)
        self._head = self._head[: _MAX_HEAD_CHARACTERS + 1]
