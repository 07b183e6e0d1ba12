"""`barkeep talk`: a conversation in the terminal, over the same websocket that games use."""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import aiohttp

    from server.config import Settings
    from server.protocol.messages import ClientMessage, ServerMessage, TurnEnd

READY_S = 180.0
"""How long a model may take to load before the line is sent all the same."""
WARM_S = 120.0
ANSWER_S = 60.0
HANDSHAKE_S = 10.0
MAX_BYTES = 1_048_576


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "talk",
        help="talk to an NPC in the terminal",
        description="Talk to an NPC. Uses the server that runs on the configured port, or starts one inside itself.",
        epilog='Example: barkeep talk hilda "Any rooms left?"',
    )
    parser.add_argument("npc", help="the NPC's id, such as hilda")
    parser.add_argument("line", nargs="?", help="say this one line and end; without it, a conversation begins")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Talk until the line is answered, or until end of input."""
    from server.cli.settings import load_settings
    from server.config import LogSettings
    from server.errors import BarkeepError
    from server.log import configure

    if args.line is not None and not args.line.strip():
        raise BarkeepError("there is nothing to say", "say something, or leave the line out to begin a conversation")
    settings = load_settings(args)
    configure(LogSettings(level="error", content=settings.log.content))
    return asyncio.run(_talk(settings, args.npc, args.line))


async def _talk(settings: Settings, npc: str, line: str | None) -> int:
    async with AsyncExitStack() as stack:
        client = await connect(settings, stack)
        await client.begin(npc)
        if line is not None:
            return await client.say(line)
        print(f"You talk to {npc}. An empty line, or Ctrl-D, ends.", file=sys.stderr)
        while words := (await _ask()).strip():
            await client.say(words)
        return 0


async def _ask() -> str:
    """What is typed next; empty at the end of input. Ctrl-C does not wait for the thread that reads."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str] = loop.create_future()

    def answer(line: str) -> None:
        if not typed.done():
            typed.set_result(line)

    def read() -> None:
        try:
            line = input("> ") if sys.stdin is not None and sys.stdin.isatty() else _read_piped()
        except (EOFError, OSError, ValueError):  # the end, or a terminal that is gone or sends what is no text
            line = ""
        with suppress(RuntimeError):  # the loop ended while somebody still typed
            loop.call_soon_threadsafe(answer, line)

    threading.Thread(target=read, name="terminal", daemon=True).start()
    return await typed


def _read_piped() -> str:
    if sys.stdin is None:  # closed from the start: 0 may be any file by now
        return ""
    # Not through `sys.stdin`: a thread that holds its lock makes the interpreter abort at exit.
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        return stdin.readline().decode(errors="replace")


async def connect(settings: Settings, stack: AsyncExitStack) -> Talk:
    """A client of the running server, or of one that is started here and ends with `stack`.

    Raises:
        BarkeepError: neither can be had.
    """
    import aiohttp

    http = await stack.enter_async_context(aiohttp.ClientSession())
    host = "127.0.0.1" if settings.server.host in ("0.0.0.0", "::") else settings.server.host  # compared, not bound
    base = f"http://{f'[{host}]' if ':' in host else host}:{settings.server.port}"
    try:
        socket = await _open(http, base, settings)
    except (aiohttp.ClientConnectorError, TimeoutError):
        base = await _start_inside(settings, stack)
        socket = await _open(http, base, settings)
    stack.push_async_callback(socket.close)
    return Talk(http, base, socket, settings)


async def _open(http: aiohttp.ClientSession, base: str, settings: Settings) -> aiohttp.ClientWebSocketResponse:
    import aiohttp

    from server.errors import BarkeepError

    try:
        async with asyncio.timeout(HANDSHAKE_S):
            return await http.ws_connect(f"{base}/v1/ws", headers=_token_header(settings), max_msg_size=MAX_BYTES)
    except aiohttp.ClientConnectorError:
        raise
    except aiohttp.ClientError as error:
        status = f" (HTTP {error.status})" if isinstance(error, aiohttp.WSServerHandshakeError) else ""
        raise BarkeepError(
            f"{base} answers, but not as Barkeep does{status}",
            "another program may use this port; choose one with --set server.port=…",
        ) from error


async def _start_inside(settings: Settings, stack: AsyncExitStack) -> str:
    from server.app import Barkeep

    inside = settings.model_copy(update={"server": settings.server.model_copy(update={"host": "127.0.0.1", "port": 0})})
    barkeep = await Barkeep.start(inside)
    stack.push_async_callback(barkeep.close)
    host, port = barkeep.listener.address
    return f"http://{host}:{port}"


def _token_header(settings: Settings) -> dict[str, str]:
    token = settings.server.token
    return {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}


@dataclass(slots=True)
class Talk:
    """A conversation with one NPC over the websocket."""

    http: aiohttp.ClientSession
    base: str
    socket: aiohttp.ClientWebSocketResponse
    settings: Settings
    out: TextIO = field(default_factory=lambda: sys.stdout)
    npc: str = ""
    _told: bool = False

    async def begin(self, npc: str) -> None:
        """Say hello, step up to the NPC, and let the server read what it needs, with progress."""
        from server.protocol import messages as m

        self.npc = npc
        token = self.settings.server.token
        await self._send(
            m.Hello(
                protocol=m.PROTOCOL_VERSION,
                client=m.ClientInfo(name="barkeep talk"),
                token=token.get_secret_value() if token is not None else None,
                world=self.settings.world,
                player=self.settings.player,
                stream="tokens",
            )
        )
        welcome = await self._expect("welcome", HANDSHAKE_S)
        if isinstance(welcome, m.Welcome) and npc not in welcome.npcs:
            _fail_unknown(npc, welcome.npcs)
        await self._until_loaded()
        await self._send(m.Scene(id="scene", present=[m.Present(npc=npc)]))
        await self._expect("ok", HANDSHAKE_S)
        await self._warm()

    async def say(self, words: str) -> int:
        """Say one line and print the answer as it streams; returns an exit code."""
        from server.protocol import messages as m

        # A terminal may hand on bytes that are no text: they come as surrogates, which no frame can carry.
        await self._send(m.Say(text=words.encode(errors="replace").decode(), to=self.npc))
        try:
            async with asyncio.timeout(ANSWER_S):
                while True:
                    match await self._receive():
                        case m.Token(text=text):
                            print(text, end="", file=self.out, flush=True)
                        case m.TurnEnd() as end:
                            print(file=self.out, flush=True)
                            await self._tell(end)
                            return 0 if end.reason == "done" else 1
                        case m.Ok(turns=[], why=why):
                            print(f"({why})", file=sys.stderr)
                            return 1
                        case m.Error(message=message, hint=hint):
                            print(f"error: {message}\nhint: {hint}", file=sys.stderr)
                            return 1
        except TimeoutError:
            print(f"\nno answer within {ANSWER_S:.0f} s", file=sys.stderr)
            return 1

    async def _tell(self, end: TurnEnd) -> None:
        """Once: who answered where it was not a full model, and how to get one."""
        if not end.degraded or self._told:
            return
        self._told = True
        hints = [route["hint"] for route in await self._routes() if route["name"] == end.route.name and route["hint"]]
        usual = f"{end.route.name or 'nobody'} answered; no full model did. {_how_to_get_a_model()}"
        print(f"({next(iter(hints), usual)})", file=sys.stderr)

    async def _until_loaded(self) -> None:
        shown = False
        try:
            async with asyncio.timeout(READY_S):
                while await self._is_loading():
                    if not shown:
                        print("loading the model …", file=sys.stderr, flush=True)
                        shown = True
                    await asyncio.sleep(0.2)
        except TimeoutError:
            print("the model is still loading; going on without it", file=sys.stderr)

    async def _is_loading(self) -> bool:
        awake = [route["state"] for route in await self._routes() if route.get("state") in ("loading", "ready")]
        return awake[:1] == ["loading"]

    async def _routes(self) -> list[dict[str, str]]:
        """What /health says of each route; empty where it says nothing: the websocket will tell what is wrong."""
        import aiohttp

        try:
            async with self.http.get(f"{self.base}/health", headers=_token_header(self.settings)) as response:
                routes: list[dict[str, str]] = (await response.json()).get("routes", [])
                return routes
        except aiohttp.ClientError:
            return []

    async def _warm(self) -> None:
        from server.protocol import messages as m

        await self._send(m.Warm(id="warm", npc=self.npc))
        shown = False
        try:
            async with asyncio.timeout(WARM_S):
                while True:
                    match await self._receive():
                        case m.Notice(code="warming", message=message):
                            _progress(message)
                            shown = True
                        case m.Notice(code="warm" | "not_warm") | m.Error():
                            break
        except TimeoutError:
            pass
        if shown:
            _progress("", over=True)

    async def _send(self, message: ClientMessage) -> None:
        from server.protocol.codec import Form, encode_client

        await self.socket.send_str(str(encode_client(message, Form.JSON)))

    async def _receive(self) -> ServerMessage:
        from server.errors import BarkeepError
        from server.protocol.codec import decode_server

        frame = await self.socket.receive()
        if not isinstance(frame.data, str):
            raise BarkeepError(
                f"the server closed the connection ({frame.data})", frame.extra or "see the server's log"
            )
        return decode_server(frame.data)

    async def _expect(self, kind: str, seconds: float) -> ServerMessage:
        from server.errors import BarkeepError

        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await self._receive()
                    if message.type == kind:
                        return message
                    if message.type == "error":
                        raise BarkeepError(message.message, message.hint)
        except TimeoutError:
            raise BarkeepError(f"{self.base} said nothing for {seconds:.0f} s", "see the server's log") from None


def _progress(message: str, *, over: bool = False) -> None:
    """On a terminal one line that is written over; elsewhere a line each."""
    if sys.stderr.isatty():
        print(f"\r{message:<60}" + ("\r" if over else ""), end="", file=sys.stderr, flush=True)
    elif message:
        print(message, file=sys.stderr, flush=True)


def _fail_unknown(npc: str, npcs: list[str]) -> None:
    from server.errors import BarkeepError
    from server.yamlfile import nearest

    close = nearest(npc, npcs)
    raise BarkeepError(f"nobody here is called {npc}", f"did you mean {close}?" if close else f"try {', '.join(npcs)}")


def _how_to_get_a_model() -> str:
    return "Run `./start.sh model pull` for the local one, or set OPENROUTER_API_KEY for a hosted one."
