"""What engines said last, by its text: a client that sends it back is understood token for token."""

from __future__ import annotations

from collections import OrderedDict

from server.text.segments import Text

MOST = 2_048
"""Replies that are remembered; the oldest go first."""


class Replies:
    """Replies with the ids that they were drawn with.

    The same text may be spelt in tokens in several ways. Only with the ids that were drawn does a prompt begin with
    what the engine holds. Clients trim white space at the ends, so that does not count.
    """

    def __init__(self) -> None:
        self._texts: OrderedDict[str, Text] = OrderedDict()

    def keep(self, text: str, fingerprint: str, token_ids: tuple[int, ...]) -> None:
        """A reply was said; without ids there is nothing to remember."""
        key = text.strip()
        if not key or not fingerprint or not token_ids:
            return
        self._texts[key] = Text(text, fingerprint, token_ids)
        self._texts.move_to_end(key)
        while len(self._texts) > MOST:
            self._texts.popitem(last=False)

    def known(self, text: str) -> Text | None:
        """The reply of this text; None where nobody said it."""
        return self._texts.get(text.strip())
