"""From what a model writes to what an NPC says."""

from __future__ import annotations

from collections.abc import Iterable

from server.text.directions import Policy, StageDirections
from server.text.markup import Markup
from server.text.spans import THINK_SPANS, TOOL_SPANS, Filter, SpanFilter, ThinkFilter, TokenFilter, ToolFilter
from server.text.speakers import SpeakerLabel


class ReplyFilter:
    """All filters in their order: machine's spans, control tokens, labels, stage directions, markup.

    However the raw stream is cut, the joined output is the same. The output has no white space at its start, no control
    characters, and no spelling of a control token that the raw text had whole.

    Args:
        own_name: The NPC's name, whose label is dropped.
        other_names: Everyone else who could be made to speak, the player included; their label ends the reply. `User`,
            `Player`, `Human`, `System` and `Narrator` need not be named.
        policy: What happens to stage directions.
    """

    def __init__(self, own_name: str, other_names: Iterable[str] = (), policy: Policy = "strip") -> None:
        self._labels = SpeakerLabel(own_name, other_names)
        self._filters: tuple[Filter, ...] = (
            SpanFilter((*THINK_SPANS, *TOOL_SPANS)),
            TokenFilter(),
            self._labels,
            StageDirections(policy),
            Markup(keeps_asterisks=policy == "keep"),
        )

    @property
    def ended(self) -> bool:
        """True once somebody else's label has closed the reply: nothing more of the stream is used."""
        return self._labels.ended

    def feed(self, text: str) -> str:
        """More of the raw stream; returns what can be said by now."""
        if self.ended:
            return ""
        for step in self._filters:
            text = step.feed(text)
            if not text:
                return ""
        return text

    def close(self) -> str:
        """The stream is over; returns the rest."""
        text = ""
        for step in self._filters:
            text = step.feed(text) + step.close()
        return text


__all__ = [
    "Filter",
    "Markup",
    "Policy",
    "ReplyFilter",
    "SpeakerLabel",
    "StageDirections",
    "ThinkFilter",
    "TokenFilter",
    "ToolFilter",
]
