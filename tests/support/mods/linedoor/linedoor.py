"""A mod with a door of its own: each line `npc<TAB>words` is a `say`, each answer comes back in the same dialect."""

from __future__ import annotations

import asyncio

from server.plugins import Host, Mod
from server.protocol.messages import ClientInfo, Error, Hello, Line, Ok, Present, Say, Scene, TurnEnd

MAX_LINE = 4_096


class LineDoor(Mod):
    def __init__(self) -> None:
        self.port = 0

    async def start(self, host: Host) -> None:
        self._host = host
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MAX_LINE)
        self.port = self._server.sockets[0].getsockname()[1]
        (host.folder / "port.txt").write_text(str(self.port), encoding="utf-8")

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done = asyncio.Event()

        async def work() -> None:
            try:
                await self._talk(reader, writer)
            finally:
                writer.close()
                done.set()

        self._host.spawn(work(), "connection")
        await done.wait()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = await self._host.open_session(Hello(protocol=1, client=ClientInfo(name="linedoor")))
        messages = session.messages()
        said = 0
        while raw := await reader.readline():
            npc, _, words = raw.decode("utf-8", "replace").strip().partition("\t")
            said += 1
            await session.send(Scene(present=[Present(npc=npc)]))
            await session.send(Say(id=f"say{said}", text=words, to=npc))
            open_turns: int | None = None
            async for message in messages:
                match message:
                    case Line(text=text):
                        writer.write(f"{message.npc}\t{text}\n".encode())
                    case Ok(re=re, turns=turns) if re == f"say{said}":
                        open_turns = len(turns or ())
                    case TurnEnd() if open_turns is not None:
                        open_turns -= 1
                    case Error(message=why):
                        writer.write(f"!\t{why}\n".encode())
                        open_turns = 0
                if open_turns == 0:
                    break
            writer.write(b".\n")
            await writer.drain()
