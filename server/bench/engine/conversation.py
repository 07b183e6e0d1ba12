"""What one contestant and one character have said to each other, and the prompt of their next turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from server.bench.engine.cast import Character
from server.text.segments import Close, Open, Part, Prompt, Segment, Text

HEARD_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Reply:
    """What a contestant answered: as text, and as the ids of its tokens where it tells them."""

    text: str
    token_ids: tuple[int, ...] = ()
    fingerprint: str = ""

    @property
    def segment(self) -> Text:
        """As it stands in a history."""
        return Text(self.text, self.fingerprint, self.token_ids)

    def cut(self) -> Reply:
        """The first half of its words, as where a player interrupts."""
        told = self.text.split(" ")
        return Reply(" ".join(told[: max(1, round(len(told) * HEARD_SHARE))]))


@dataclass
class Conversation:
    """Grows by one exchange a turn. `top` stands before the rules, where some bridges write time and place."""

    character: Character
    exchanges: list[tuple[Segment, ...]] = field(default_factory=list)
    top: str = ""

    def prompt(self, line: str, scene: str = "") -> Prompt:
        """The prompt of a turn in which the player says `line`; `scene` is told before it."""
        return self._prompt((*self._told(line, scene), Close(), Open("assistant")))

    def begun(self, line: str, scene: str = "") -> Prompt:
        """The prompt as far as it is known while the player is still saying `line`."""
        return self._prompt(self._told(line, scene))

    def head(self) -> Prompt:
        """Parts 1 to 4, where the next turn begins."""
        return self._prompt(())

    def answered(self, line: str, reply: Reply, scene: str = "") -> None:
        """Take an exchange into the history."""
        turn = (*self._told(line, scene), Close(), Open("assistant"))
        self.exchanges.append((*turn, reply.segment, Close()))

    def shrink(self, facts: str) -> None:
        """Keep the newer half of the history, and renew the standing facts."""
        self.character = replace(self.character, facts=facts)
        self.exchanges = self.exchanges[len(self.exchanges) // 2 :]

    def rewind(self, turns: int) -> None:
        """Undo the last `turns` exchanges, as where a save is loaded."""
        del self.exchanges[-turns:]

    def _told(self, line: str, scene: str) -> tuple[Segment, ...]:
        return (Open("user"), *([Text(f"{scene}\n")] if scene else []), Text(line))

    def _prompt(self, turn: Sequence[Segment]) -> Prompt:
        who = self.character
        return Prompt(
            (
                Part("rules", (Open("system"), *([Text(f"{self.top}\n")] if self.top else []), Text(who.rules))),
                Part("persona", (Text(who.persona),)),
                Part("facts", (Text(who.facts), Close())),
                Part("history", tuple(segment for exchange in self.exchanges for segment in exchange)),
                Part("turn", tuple(turn)),
            )
        )
