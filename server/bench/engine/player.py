"""A player of our own: talks to every character of one contestant, and times what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from server.backends.llama.vocab import Vocabulary
from server.bench.engine.cast import Writer
from server.bench.engine.contestant import Contestant
from server.bench.engine.conversation import Conversation, Reply
from server.bench.engine.floor import ReadSoFar
from server.bench.engine.setup import Setup


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed turn, in tokens and milliseconds.

    `new` is what one who forgets nothing has to evaluate of the `prompt`; `evaluated` what this contestant did, None
    where it does not tell. `floor_ms` is what llama.cpp alone takes for `new`; 0 until it was measured.
    """

    first_ms: float
    prompt: int
    new: int
    evaluated: int | None
    floor_ms: float = 0.0

    @property
    def cells(self) -> int:
        """What the new tokens attend to."""
        return self.prompt - self.new


class Player:
    """One contestant and all its conversations; the lines are the same for every contestant."""

    def __init__(self, contestant: Contestant, setup: Setup, vocabulary: Vocabulary) -> None:
        self.contestant = contestant
        self.setup = setup
        self.writer = Writer(vocabulary)
        self._vocabulary = vocabulary
        self._conversations: dict[int, Conversation] = {}
        self._read = ReadSoFar()
        self._turns = 0

    def knows(self, number: int) -> bool:
        """True once this player has talked to that character."""
        return number in self._conversations

    def conversation(self, number: int) -> Conversation:
        """The conversation with that character; the first call opens it."""
        if number not in self._conversations:
            self._conversations[number] = Conversation(self.writer.character(number, self.setup.persona_tokens))
        return self._conversations[number]

    async def turn(self, number: int, *, scene: str = "", interrupt: bool = False, ahead: bool = False) -> Sample:
        """Say the next line to that character.

        `scene` is told before the line. `interrupt`: only half of the reply is heard. `ahead`: all but the line's last
        word is warmed before, as while the player is typing.
        """
        conversation = self.conversation(number)
        line = self._next_line(number)
        if ahead:
            begun = conversation.begun(line.rpartition(" ")[0], scene)
            await self.contestant.warm(conversation.character.id, begun)
            self._read.add(self._vocabulary.encode(begun))
        prompt = conversation.prompt(line, scene)
        tokens = self._vocabulary.encode(prompt)
        new = self._read.new_tokens(tokens)
        answer = await self.contestant.answer(conversation.character.id, prompt, self.setup.reply_tokens)
        # Who tells only the text has drawn tokens too.
        drawn = answer.reply.token_ids or self._vocabulary.tokenise(answer.reply.text)
        self._read.add((*tokens, *drawn[:-1]))
        conversation.answered(line, answer.reply.cut() if interrupt else answer.reply, scene)
        return Sample(answer.first_ms, len(tokens), new, answer.evaluated)

    async def read_ahead(self, number: int) -> None:
        """Have parts 1 to 4 of that character's prompt read in the background."""
        conversation = self.conversation(number)
        head = conversation.head()
        await self.contestant.warm(conversation.character.id, head, background=True)
        self._read.add(self._vocabulary.encode(head))

    def remember(self, number: int, exchanges: int) -> None:
        """Give that character a history of at least so many exchanges, as from earlier days."""
        conversation = self.conversation(number)
        while len(conversation.exchanges) < exchanges:
            key = f"{number} past {len(conversation.exchanges)}"
            conversation.answered(self.writer.line(key), Reply(self.writer.line(f"{key} reply")))

    def _next_line(self, number: int) -> str:
        self._turns += 1
        return self.writer.line(f"{number} {self._turns}")
