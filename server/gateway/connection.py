"""One websocket, from its first frame to its close frame.

The reader is the handler's own task, the writer a task beside it. Whatever ends a connection calls `Connection.end`;
only the reader's wait for the next frame is interrupted, never a message that a session is busy with.
"""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import WebSocketError, WSMessage, WSMsgType, web

from server.dialogue.outbox import OutboxClosed
from server.errors import BarkeepError, ProtocolError
from server.gateway.bucket import TokenBucket
from server.gateway.deps import DEPS
from server.gateway.failures import GONE, Ended, Farewell, as_error, as_farewell, where
from server.gateway.guard import GUARD
from server.gateway.ports import Session
from server.gateway.tcp import LimitedConnection
from server.protocol.codec import Form, decode, encode, form_of
from server.protocol.codes import Close, Code, problem
from server.protocol.messages import ClientMessage, Hello, ServerMessage

MAX_BAD_FRAMES = 20
"""So many frames in a row that cannot be decoded, and it is no client of ours."""
CLOSE_S = 0.5
"""How long a close frame waits for its answer; under a second, so that all connections together go in one."""
MAX_SEARCHED = 4_096
"""A frame over the rate is read for its id only up to this size (characters or bytes): refusing must stay cheap."""

_DATA = frozenset({WSMsgType.TEXT, WSMsgType.BINARY})
_CONTROL = frozenset({WSMsgType.PING, WSMsgType.PONG})
_log = structlog.get_logger(__name__)


class Connection:
    """One websocket after its upgrade."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request) -> None:
        deps = request.app[DEPS]
        self._ws = ws
        self._transport = request.transport
        self._protocol = request.protocol
        self._guard = request.app[GUARD]
        self._is_trusted = self._guard.is_trusted(request)
        self._sessions = deps.sessions
        self._metrics = deps.metrics
        self._limits = deps.settings.limits
        clock = asyncio.get_running_loop().time
        self._bucket = TokenBucket(self._limits.messages_per_second, self._limits.message_burst, clock)
        self._bad_frames = 0
        self._form = Form.JSON
        self._farewell: Farewell | None = None
        self._receiving: asyncio.Timeout | None = None

    async def run(self) -> None:
        """Serve the client until either side leaves: the border behind which a failure costs this connection alone."""
        try:
            farewell = await self._serve()
        except Exception as exc:
            farewell = as_farewell(exc)
            if farewell.code in (Close.INTERNAL, Close.TRY_LATER):
                _log.error("connection_failed", error=where(exc))
                self._metrics.refused("internal")
        await self._close(farewell)

    def end(self, farewell: Farewell) -> None:
        """End the connection as soon as the message at hand is done. The first call decides how."""
        if self._farewell is None:
            self._farewell = farewell
            if self._receiving is not None:
                self._receiving.reschedule(asyncio.get_running_loop().time())

    async def _serve(self) -> Farewell:
        try:
            session = await self._greet()
        except BarkeepError as exc:
            self._metrics.refused(exc.code)
            await self._send(as_error(exc))
            return as_farewell(exc)
        except Ended as exc:
            return exc.farewell
        if isinstance(self._protocol, LimitedConnection):
            self._protocol.greeted()
        return await self._converse(session)

    async def _greet(self) -> Session:
        """The session that the first frame opens."""
        hello = self._decode(await self._first_frame())
        if not isinstance(hello, Hello):
            raise problem(Code.HELLO_FIRST, f"The first message is '{hello.type}', not 'hello'.", re=hello.id)
        self._metrics.received(hello)
        if not self._is_trusted and not self._guard.accepts_token(hello.token):
            raise problem(Code.BAD_TOKEN, "The token is missing or wrong.", re=hello.id)
        async with asyncio.timeout(self._limits.hello_s):
            return await self._sessions.open(hello)

    async def _first_frame(self) -> str | bytes:
        try:
            async with asyncio.timeout(self._limits.hello_s):
                frame, _ = await self._receive()
        except TimeoutError:
            self._metrics.refused("hello_late")
            raise Ended(Farewell(Close.BAD_FIRST_MESSAGE, f"no hello within {self._limits.hello_s:g} s")) from None
        self._form = form_of(frame)
        return frame

    async def _converse(self, session: Session) -> Farewell:
        connection = session.attach()
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write(session, connection), name=f"ws-writer {session.id}")
                try:
                    return await self._read(session)
                finally:
                    writer.cancel()
        finally:
            session.detach(connection)

    async def _read(self, session: Session) -> Farewell:
        try:
            while True:
                frame, is_let_through = await self._receive()
                if is_let_through:
                    await self._take(session, frame)
                else:
                    await self._refuse(session, self._too_fast(frame))
        except Ended as exc:
            return exc.farewell

    async def _take(self, session: Session, frame: str | bytes) -> None:
        try:
            message = self._decode(frame)
        except ProtocolError as exc:
            self._bad_frames += 1
            await self._refuse(session, exc)
            if self._bad_frames >= MAX_BAD_FRAMES:
                raise Ended(Farewell(Close.POLICY, f"{MAX_BAD_FRAMES} frames in a row made no sense")) from None
            return
        self._bad_frames = 0
        self._metrics.received(message)
        if isinstance(message, Hello):
            await self._refuse(session, problem(Code.HELLO_TWICE, "This connection said hello already.", re=message.id))
        else:
            await session.handle(message)

    async def _refuse(self, session: Session, error: ProtocolError) -> None:
        self._metrics.refused(error.code)
        session.refuse(error, error.re)
        # Frames that lie parsed already come without a pause; the writer and everybody else get their turn first.
        await asyncio.sleep(0)

    def _decode(self, frame: str | bytes) -> ClientMessage:
        return decode(frame, max_bytes=self._limits.message_bytes)

    def _too_fast(self, frame: str | bytes) -> ProtocolError:
        """The refusal of a frame over the rate, with the client's id where finding it is cheap."""
        re = None
        if len(frame) <= MAX_SEARCHED:
            try:
                re = self._decode(frame).id
            except ProtocolError as exc:
                re = exc.re
        return problem(Code.TOO_FAST, "Messages come faster than this server takes them.", re=re)

    async def _receive(self) -> tuple[str | bytes, bool]:
        """The next text or binary frame, and whether the rate lets it through. Control frames count as well.

        Raises:
            Ended: there is no next frame.
        """
        while True:
            message = await self._next_message()
            if message.type not in _DATA and message.type not in _CONTROL:
                raise Ended(self._gone(message))
            is_let_through = self._bucket.take()
            if self._bucket.is_flooded:
                self._metrics.refused("flood")
                raise Ended(Farewell(Close.FLOOD, "far more messages than one client may send"))
            if message.type in _DATA:
                return message.data, is_let_through
            if message.type is WSMsgType.PING and is_let_through:
                await self._ws.pong(message.data)

    async def _next_message(self) -> WSMessage:
        if self._farewell is None:
            try:
                async with asyncio.timeout(None) as self._receiving:
                    return await self._ws.receive()
            except TimeoutError:
                pass  # `end` was called
            finally:
                self._receiving = None
        raise Ended(self._farewell or GONE)

    def _gone(self, message: WSMessage) -> Farewell:
        """Count what is broken or too big; aiohttp has closed for it already, with 1002, 1007 or 1009."""
        if message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError):
            self._metrics.refused("too_big" if message.data.code == Close.TOO_BIG else "bad_websocket")
        return GONE

    async def _write(self, session: Session, connection: int) -> None:
        try:
            while True:
                message = await session.outbox.next(connection)
                await self._send(message)
                session.outbox.taken(connection, message.seq)
        except (OutboxClosed, Ended, ConnectionError) as exc:
            self.end(as_farewell(exc))

    async def _send(self, message: ServerMessage) -> None:
        frame = encode(message, self._form)
        try:
            async with asyncio.timeout(self._limits.send_s):
                await (self._ws.send_str(frame) if isinstance(frame, str) else self._ws.send_bytes(frame))
        except TimeoutError:
            self._metrics.refused("too_slow")
            raise Ended(Farewell(Close.TOO_SLOW, f"nothing was read for {self._limits.send_s:g} s")) from None
        self._metrics.sent(message)

    async def _close(self, farewell: Farewell) -> None:
        """Send the close frame, give the client a moment to answer it, then cut the transport."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._ws.close(code=farewell.code, message=farewell.reason_bytes)
        except (TimeoutError, ConnectionError):
            pass  # nobody answers
        finally:
            if self._transport is not None:
                self._transport.abort()
