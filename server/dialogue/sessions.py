"""Where sessions come from, how they are taken up again, and when they are forgotten."""

from __future__ import annotations

import secrets

from server import __version__
from server.dialogue.session import Session
from server.dialogue.stage import Stage
from server.errors import ProtocolError
from server.memory.records import SessionRecord
from server.protocol.codes import Code
from server.protocol.messages import PROTOCOL_VERSION, Hello, Limits, RouteInfo, Welcome

KEPT_PER_CONNECTION = 4
"""Dropped sessions kept for a resume, as a multiple of the connections allowed: reconnecting costs no more."""


class Sessions:
    """All sessions of this server."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._sessions: dict[str, Session] = {}
        self._closing = False

    def __len__(self) -> int:
        return len(self._sessions)

    async def open(self, hello: Hello) -> Session:
        """A new session, or the one that `hello.resume` names if it can still be replayed.

        Raises:
            ProtocolError: the protocol version is not ours, or the server stops.
        """
        if self._closing:
            raise ProtocolError(Code.INTERNAL, "the server stops", "try again when it is up", retryable=True)
        if hello.protocol != PROTOCOL_VERSION:
            raise ProtocolError(
                Code.BAD_PROTOCOL,
                f"this server speaks protocol {PROTOCOL_VERSION}, not {hello.protocol}",
                "update the mod, or the server, so that both speak the same version",
            )
        await self._forget_old()
        return self._resumed(hello) or await self._new(hello)

    async def close(self) -> None:
        """End every session; no new one is opened any more."""
        self._closing = True
        for session in list(self._sessions.values()):
            await session.close()
        self._sessions.clear()

    def _resumed(self, hello: Hello) -> Session | None:
        if hello.resume is None:
            return None
        session = self._sessions.get(hello.resume.session)
        if session is None or not session.outbox.can_replay(hello.resume.seq):
            return None
        session.hello = hello
        session.greet(self._welcome(session, resumed=True, re=hello.id), after=hello.resume.seq)
        return session

    async def _new(self, hello: Hello) -> Session:
        settings, memory = self._stage.settings, self._stage.memory
        old = await memory.session(hello.resume.session) if hello.resume is not None else None
        session_id = secrets.token_urlsafe(16)
        record = SessionRecord(
            session=session_id,
            lineage=old.lineage if old is not None else session_id,
            world=hello.world or (old.world if old is not None else settings.world),
            player=hello.player or (old.player if old is not None else settings.player),
        )
        last_id = await memory.last_client_id(old.lineage) if old is not None else None
        await memory.add_session(record)
        world = await self._stage.world(record.world)
        session = Session(self._stage, world, record, hello)
        world.sessions.add(session)
        self._sessions[session_id] = session
        session.greet(self._welcome(session, last_id=last_id, re=hello.id))
        return session

    def _welcome(
        self, session: Session, *, resumed: bool = False, last_id: str | None = None, re: str | None = None
    ) -> Welcome:
        limits = self._stage.settings.server.limits
        return Welcome(
            session=session.id,
            server=f"barkeep {__version__}",
            world=session.world.name,
            player=session.player,
            npcs=session.world.npcs(),
            routes=[
                RouteInfo(name=state.name, state=state.state, hint=state.hint) for state in self._stage.router.states()
            ],
            limits=Limits(
                message_bytes=limits.message_bytes,
                messages_per_second=limits.messages_per_second,
                resume_s=limits.resume_s,
            ),
            resumed=resumed,
            last_id=last_id,
            re=re,
        )

    async def _forget_old(self) -> None:
        """Let go of sessions that nobody can or will resume."""
        limits = self._stage.settings.server.limits
        now_s = self._stage.clock()
        dropped = sorted(
            (session.dropped_s, session.id) for session in self._sessions.values() if session.dropped_s is not None
        )
        too_many = len(dropped) - KEPT_PER_CONNECTION * limits.connections
        # All are taken out before the first is closed: while that waits, nobody resumes the next.
        forgotten = [
            self._sessions.pop(name)
            for index, (dropped_s, name) in enumerate(dropped)
            if index < too_many or now_s - dropped_s > limits.resume_s
        ]
        for session in forgotten:
            await session.close()
