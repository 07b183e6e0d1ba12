"""How prompts grow: whether each goes on from the one before, so that an engine need not read it again."""

from __future__ import annotations

from typing import Literal

from server.prompt.context import BuiltPrompt
from server.text.segments import Segment

Growth = Literal["first", "extended", "shrunk_idle", "shrunk_turn", "changed"]
"""The first prompt of a conversation; one that holds the one before as its beginning; one whose history was halved
while nobody waited, or within a turn; one that is different for another reason."""


class Growing:
    """Follows the prompts of one conversation."""

    def __init__(self) -> None:
        self._last: tuple[Segment, ...] = ()
        self._was_shrunk = False

    def shrunk(self) -> None:
        """History was halved while nobody waited."""
        self._was_shrunk = True

    def note(self, built: BuiltPrompt, *, lost_history: bool) -> Growth:
        """The next prompt. `lost_history`: it had to leave out turns that were there before."""
        last, self._last = self._last, built.prompt.segments
        was_shrunk, self._was_shrunk = self._was_shrunk, False
        if not last:
            return "first"
        if self._last[: len(last)] == last:
            return "extended"
        if lost_history:
            return "shrunk_turn"
        return "shrunk_idle" if was_shrunk else "changed"
