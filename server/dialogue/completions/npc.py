"""An NPC for clients that send their whole history each time: the same one that a game knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from server.backends.base import Delta, Finish, TextDelta, ToolCall, Usage
from server.dialogue.completions.plain import unknown_model
from server.dialogue.completions.transcript import Mark, Place, digest_of, key_of, place_of, prefix_of, root_of
from server.dialogue.completions.wanted import ChatMessage, Wanted
from server.dialogue.door import Door
from server.dialogue.session import Session
from server.dialogue.sessions import Sessions
from server.dialogue.stage import Stage
from server.dialogue.wording import LINE, SAY
from server.errors import ApiError, ProtocolError, RouteError
from server.memory.records import NewEvent
from server.protocol import messages as m

NPC_PREFIX = "npc/"
CLIENT = m.ClientInfo(name="http-api")
IMPORTANCE_OF_SPEECH = 0.3


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


class NpcChats:
    """Finds each history's place on the timeline, and lets the NPC answer from there."""

    def __init__(self, stage: Stage, sessions: Sessions) -> None:
        self._stage = stage
        self._sessions = sessions
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
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
        heard = _Heard.of(wanted.messages)
        key = _chat_key(npc, visitor, heard, self._stage.settings.player)
        async with self._locks.setdefault(f"{visitor.world}\0{key}", asyncio.Lock()), self._chat(visitor) as session:
            chat = _Chat(self._stage, session, npc, key)
            try:
                await chat.go_to(heard, visitor)
                async for delta in chat.answer(heard, wanted):
                    yield 0, delta
            finally:
                await self._to_its_end(chat.end())

    @asynccontextmanager
    async def _chat(self, visitor: Visitor) -> AsyncGenerator[Session, None]:
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

    def __init__(self, stage: Stage, session: Session, npc: str, key: str) -> None:
        self._stage = stage
        self._session = session
        self._door = Door(session)
        self._npc = npc
        self._key = key
        self._mark = root_of(key)
        self._line: ChatMessage | None = None
        self._said = ""

    async def go_to(self, heard: _Heard, visitor: Visitor) -> None:
        """Move the timeline to where this history stands, and remember what of it is new."""
        await self._do(
            m.Scene(scene=visitor.scene or None, place=visitor.scene or None, present=[m.Present(npc=self._npc)])
        )
        digests = [digest_of(each) for each in heard.before]
        place = await self._place(digests)
        self._mark = place.mark
        if not place.is_here:
            await self._do(m.Load(save=place.mark.name))
        for message, digest in zip(heard.before[place.known :], digests[place.known :], strict=True):
            await self._adopt(message)
            await self._go_on(digest)
        if heard.line:
            self._line = ChatMessage("user", heard.line)

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
                    case m.Ok(re="line") if not each.turns:
                        raise ApiError(f"{self._npc} does not answer: {each.why or 'nobody says why'}.", status=409)
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
        await self._session.turns_ended("stopped")
        said = [self._line] if self._line else []
        if self._said.strip():
            said.append(ChatMessage("assistant", self._said))
        if said:
            await self._go_on(*map(digest_of, said))
        await self._door.close()

    async def _place(self, digests: Sequence[str]) -> Place:
        saves = await self._stage.memory.saves_named(self._session.world.name, prefix_of(self._key))
        visible = [Mark.of(name) for name, is_visible in saves if is_visible]
        place = place_of(digests, visible, [name for name, _ in saves])
        if place is not None:
            return place
        root = root_of(self._key)
        if any(name == root.name for name, _ in saves):  # its beginning lies on a branch that was left
            return Place(root, 0, is_here=False)
        await self._stage.memory.save(self._session.world.name, root.name)
        return Place(root, 0, is_here=True)

    async def _adopt(self, message: ChatMessage) -> None:
        """Something was said, says the client, when nobody here listened."""
        session, world = self._session, self._session.world
        is_own = message.role == "assistant"
        speaker = self._npc if is_own else session.player if message.role == "user" else ""
        name = world.persona(self._npc).name if is_own else speaker
        event = NewEvent(
            kind=LINE if is_own else SAY if message.role == "user" else "result",
            text=message.text.strip()[: m.MAX_SAY_CHARACTERS],
            speaker=speaker,
            speaker_name=name,
            player=session.player,
            wall_s=self._stage.wall(),
            witnesses=(self._npc,),
            how="present",
            scene=session.view.scene,
            place=session.view.place,
            importance=IMPORTANCE_OF_SPEECH,
        )
        async with world.changing:
            await self._stage.memory.record_many(world.name, [event])

    async def _go_on(self, *said: str) -> None:
        self._mark = self._mark.then(*said)
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


def _chat_key(npc: str, visitor: Visitor, heard: _Heard, player: str) -> str:
    first = next((each.text.strip() for each in heard.before if each.role == "user"), heard.line)
    return key_of(npc, visitor.player or player, visitor.chat or f"first:{first}")


def _refused(error: m.Error) -> ProtocolError:
    return ProtocolError(error.code, error.message, error.hint, retryable=error.retryable)


def _finish(end: m.TurnEnd, actions: Sequence[m.Action], wanted: Wanted) -> Finish:
    """The end of a reply. Actions are calls for clients that offer them as tools, and nothing to others."""
    offered = {tool.name for tool in wanted.tools}
    calls = tuple(ToolCall(each.name, each.args) for each in actions if each.name in offered)
    tokens = end.tokens
    usage = Usage(tokens.prompt, tokens.cached, tokens.evaluated, tokens.reply, end.cost_usd)
    return Finish("stop", usage, end.route.name or "none", tool_calls=calls)
