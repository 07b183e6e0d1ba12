"""An NPC for clients that send their whole history each time: the same one that a game knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from server.backends.base import Delta, Finish, TextDelta, ToolCall, Usage
from server.dialogue.completions.adoption import Adoption, exchanges
from server.dialogue.completions.plain import unknown_model
from server.dialogue.completions.transcript import Mark, Place, by_chat, chat_of, digest_of, key_of, place_of, prefix_of
from server.dialogue.completions.turnstile import Turnstile, Turnstiles
from server.dialogue.completions.wanted import ChatMessage, Wanted
from server.dialogue.door import Door
from server.dialogue.session import Session
from server.dialogue.sessions import Sessions
from server.dialogue.stage import Stage
from server.errors import ApiError, ProtocolError, RouteError
from server.protocol import messages as m

NPC_PREFIX = "npc/"
CLIENT = m.ClientInfo(name="http-api")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, and where; empty words are the configuration's defaults. `chat` names one of several conversations."""

    world: str = ""
    player: str = ""
    scene: str = ""
    chat: str = ""


@dataclass(frozen=True, slots=True)
class _Heard:
    """A client's messages: what lies before the one that is answered now, and that one; empty where the NPC goes on."""

    before: tuple[ChatMessage, ...]
    line: str

    @classmethod
    def of(cls, messages: Sequence[ChatMessage]) -> _Heard:
        """The talk in `messages`; what the client's system says is not for this NPC."""
        talk = tuple(each for each in messages if each.role != "system" and each.text.strip())
        if talk and talk[-1].role == "user":
            return cls(talk[:-1], talk[-1].text.strip())
        return cls(talk, "")

    @property
    def first(self) -> str:
        """What the user said first."""
        return next((each.text.strip() for each in self.before if each.role == "user"), self.line)


class NpcChats:
    """Finds each history's place on the timeline, and lets the NPC answer from there."""

    def __init__(self, stage: Stage, sessions: Sessions) -> None:
        self._stage = stage
        self._sessions = sessions
        self._turnstiles = Turnstiles()
        self._ending: set[asyncio.Task[None]] = set()

    async def all(self, visitor: Visitor) -> list[tuple[str, str]]:
        """Ids and names of everybody with a persona."""
        world = await self._stage.world(visitor.world or self._stage.settings.world)
        return [(npc, world.persona(npc).name) for npc in world.npcs()]

    async def stream(self, npc: str, wanted: Wanted, visitor: Visitor) -> AsyncGenerator[tuple[int, Delta], None]:
        """The NPC's reply, in one stream of number 0.

        Raises:
            ApiError: there is no such NPC, or several replies were asked for.
            BarkeepError: the NPC cannot answer this.
        """
        known = [each for each, _ in await self.all(visitor)]
        if npc not in known:
            raise unknown_model(f"{NPC_PREFIX}{npc}", [f"{NPC_PREFIX}{each}" for each in known])
        if wanted.n > 1:
            raise ApiError("An NPC gives one reply at a time.", "Ask again for another one.", param="n")
        settings, heard = self._stage.settings, _Heard.of(wanted.messages)
        world, player = visitor.world or settings.world, visitor.player or settings.player
        who = key_of(npc, player)
        root = Mark(who, key_of("named", visitor.chat) if visitor.chat else key_of("begins", heard.first))
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._turnstiles.chat(world, f"{who}{root.chat}"))
            session = await stack.enter_async_context(self._session(visitor))
            chat = _Chat(self._stage, session, npc, root, self._turnstiles.of(world))
            stack.push_async_callback(lambda: self._to_its_end(chat.end()))
            await chat.go_to(heard, visitor)
            async for delta in chat.answer(heard, wanted):
                yield 0, delta

    @asynccontextmanager
    async def _session(self, visitor: Visitor) -> AsyncGenerator[Session, None]:
        hello = m.Hello(
            protocol=m.PROTOCOL_VERSION,
            client=CLIENT,
            world=visitor.world or None,
            player=visitor.player or None,
            stream="tokens",
        )
        session = await self._sessions.open(hello)
        try:
            yield session
        finally:
            await self._to_its_end(session.close())

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, also when the client is gone."""
        task = asyncio.create_task(work, name="api:chat:end")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        await asyncio.shield(task)


class _Chat:
    """One request, in a session of its own."""

    def __init__(self, stage: Stage, session: Session, npc: str, root: Mark, turnstile: Turnstile) -> None:
        self._stage = stage
        self._session = session
        self._door = Door(session)
        self._npc = npc
        self._mark = root
        self._turnstile = turnstile
        self._speaks = False
        self._asked: list[ChatMessage] = []
        self._said = ""

    async def go_to(self, heard: _Heard, visitor: Visitor) -> None:
        """Move the timeline to where this history stands, and remember what of it is new."""
        present = [m.Present(npc=self._npc)]
        await self._do(m.Scene(scene=visitor.scene or None, place=visitor.scene or None, present=present))
        digests = [digest_of(each) for each in heard.before]
        async with self._turnstile.placing():
            place = await self._place(digests, is_named=bool(visitor.chat))
            self._mark = place.mark
            if not place.is_here:
                await self._turnstile.silence()
                await self._do(m.Load(save=place.mark.name))
            await self._adopt(heard.before[place.known :])
            self._turnstile.begin()
            self._speaks = True

    async def answer(self, heard: _Heard, wanted: Wanted) -> AsyncGenerator[Delta, None]:
        """What the NPC says."""
        message = m.Say(text=heard.line, to=self._npc) if heard.line else m.Cue(npc=self._npc)
        await self._session.handle(message.model_copy(update={"id": "line"}))
        actions: list[m.Action] = []
        async with aclosing(self._door.messages()) as messages:
            async for each in messages:
                match each:
                    case m.Error():
                        raise _refused(each)
                    case m.Ok(re="line"):
                        if not each.turns:
                            raise ApiError(f"{self._npc} does not answer: {each.why or 'nobody says why'}.", status=409)
                        self._asked = [ChatMessage("user", heard.line)] if heard.line else []
                    case m.Token():
                        self._said += each.text
                        yield TextDelta(each.text)
                    case m.Action():
                        actions.append(each)
                    case m.TurnEnd():
                        if each.reason == "failed" and not self._said:
                            raise RouteError(f"{self._npc} could not answer.", "/health says how the routes are.")
                        yield _finish(each, actions, wanted)
                        return

    async def end(self) -> None:
        """However it went: what was said has its place on the timeline."""
        try:
            await self._session.turns_ended("stopped")
            said = [ChatMessage("assistant", self._said)] if self._said.strip() else []
            await self._go_on((*self._asked, *said))
            await self._door.close()
        finally:
            if self._speaks:
                self._turnstile.end()

    async def _place(self, digests: Sequence[str], *, is_named: bool) -> Place:
        """Where the history stands; a chat that nobody knows begins here and now."""
        saves = await self._stage.memory.saves_named(self._session.world.name, prefix_of(self._mark.who))
        names = {name for name, _ in saves}
        visible = by_chat(Mark.of(name) for name, is_visible in saves if is_visible)
        if not is_named and self._mark.name not in names:
            chat = chat_of(digests, visible)
            self._mark = Mark(self._mark.who, chat) if chat is not None else self._mark
        if marks := visible.get(self._mark.chat):
            return place_of(digests, marks, names)
        if self._mark.name in names:  # its beginning lies on a branch that was left
            return replace(place_of(digests, [self._mark], names), is_here=False)
        await self._stage.memory.save(self._session.world.name, self._mark.name)
        return Place(self._mark, 0, is_here=True)

    async def _adopt(self, messages: Sequence[ChatMessage]) -> None:
        adoption = Adoption(self._stage, self._session, self._npc)
        for exchange in exchanges(messages):
            async with self._session.world.changing:
                await adoption.take(exchange)
            await self._go_on(exchange)

    async def _go_on(self, said: Sequence[ChatMessage]) -> None:
        """Mark the place behind these messages."""
        if not said:
            return
        self._mark = self._mark.then(*map(digest_of, said))
        async with self._session.world.changing:
            await self._stage.memory.save(self._session.world.name, self._mark.name)

    async def _do(self, message: m.Scene | m.Load) -> None:
        """Have the session do something, and wait for its answer.

        Raises:
            ProtocolError: it cannot be done.
        """
        await self._session.handle(message.model_copy(update={"id": message.type}))
        async with aclosing(self._door.messages()) as messages:
            async for each in messages:
                if isinstance(each, m.Error):
                    raise _refused(each)
                if isinstance(each, m.Ok) and each.re == message.type:
                    return


def _refused(error: m.Error) -> ProtocolError:
    return ProtocolError(error.code, error.message, error.hint, retryable=error.retryable)


def _finish(end: m.TurnEnd, actions: Sequence[m.Action], wanted: Wanted) -> Finish:
    """The end of a reply. Actions are calls for clients that offer them as tools, and nothing to others."""
    offered = {tool.name for tool in wanted.tools}
    calls = tuple(ToolCall(each.name, each.args) for each in actions if each.name in offered)
    tokens = end.tokens
    usage = Usage(tokens.prompt, tokens.cached, tokens.evaluated, tokens.reply, end.cost_usd)
    return Finish("stop", usage, end.route.name or "none", tool_calls=calls)
