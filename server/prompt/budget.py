"""Who may take how many tokens of one prompt.

Shares of parts 1 to 4 depend on the limits and on what stands in these parts, not on the turn at hand, so that the
next prompt keeps the last one as its prefix. Only a line longer than `LINE_SHARE`, or a cue longer than part 5's own
share, takes from them: those two may never be dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from server.prompt.context import PromptLimits
from server.prompt.shares import Shares
from server.protocol.messages import MAX_SAY_TOKENS

LINE_SHARE = MAX_SAY_TOKENS + 32
"""Kept free for the player's line: the longest that a client may send, and its label."""


COMMON_LINE = 32
"""What the time limit leaves for the line, whatever its length: what stands before the line may not depend on it."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of a prompt, and what its turn always holds: `frame` (part 5's control tokens), `line` and `cue`."""

    limits: PromptLimits
    frame: int
    line: int = 0
    cue: int = 0
    shares: Shares = field(default_factory=Shares)

    @property
    def needs(self) -> int:
        """What part 5 takes at least."""
        return self.frame + self.line + self.cue

    @property
    def new_tokens(self) -> int:
        """What part 5 may add beyond the line.

        At most a quarter of the prompt, so that a generous limit leaves history its room.
        """
        return min(self.limits.new_tokens, self.limits.prompt_tokens // 4)

    def static_room(self) -> int:
        """For parts 1 and 2 with the system turn's frame: their share, by default half of the prompt."""
        whole, shares = self.limits.prompt_tokens, self.shares
        beside = self._line_share + self.frame + self.cue + shares.facts.least + shares.history.least
        return min(shares.persona.cap(whole), whole - beside)

    def facts_room(self, static: int) -> int:
        """For part 3: its share, by default a tenth of the prompt."""
        room = min(self.shares.facts.cap(self.limits.prompt_tokens), self._beside_turn(static))
        return max(0, min(room, self._beside_turn(static) - self.shares.history.least))

    def history_room(self, parts_1_to_3: int) -> int:
        """For part 4: what the others leave, within its share."""
        return max(0, min(self.shares.history.cap(self.limits.prompt_tokens), self._beside_turn(parts_1_to_3)))

    def droppable_room(self, parts_1_to_4: int) -> int:
        """For all of part 5 but line, cue and frame."""
        return max(0, self._tightest(parts_1_to_4)[0] - self.frame - self.cue)

    def tightest(self, parts_1_to_4: int) -> str:
        """What bounds part 5: `prompt`, `turn` or `time`, as in `Block.why`."""
        return self._tightest(parts_1_to_4)[1]

    def _tightest(self, parts_1_to_4: int) -> tuple[int, str]:
        bounds = [
            (self.new_tokens, "turn"),
            (self.limits.prompt_tokens - parts_1_to_4 - self._line_share, "prompt"),
        ]
        if self.limits.time_tokens is not None:
            bounds.append((self.limits.time_tokens - COMMON_LINE, "time"))
        return min(bounds)

    @property
    def _line_share(self) -> int:
        return max(LINE_SHARE, self.line)

    def _beside_turn(self, taken: int) -> int:
        turn = self._line_share + max(self.new_tokens, self.frame + self.cue)
        return self.limits.prompt_tokens - taken - turn
