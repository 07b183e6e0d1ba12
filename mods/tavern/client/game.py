"""A small text game over the websocket: `.venv/bin/python mods/tavern/client/game.py [URL]` while the server runs.

Say something, or type /mug to drop one, /to ansel, /save NAME, /load NAME, /quit.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

try:
    import aiohttp
except ImportError:
    sys.exit("aiohttp is missing here. Use Barkeep's own Python: .venv/bin/python, on Windows .venv\\Scripts\\python.")

URL = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8642/v1/ws"
PEOPLE = ["hilda", "ansel"]


class Game:
    """The evening so far: the connection, whom the player faces, and what is left in the purse."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.facing = PEOPLE[0]
        self.pennies, self.sent = 12, 0

    async def send(self, message_type: str, **fields: Any) -> str:
        """Send one message; returns its id."""
        self.sent += 1
        await self.socket.send_str(json.dumps({"type": message_type, "id": f"g{self.sent}", **fields}))
        return f"g{self.sent}"

    async def play(self, request: str) -> None:
        """Show what comes until `request` is answered and every turn it began is over."""
        waiting: set[str] | None = None
        while waiting is None or waiting:
            frame = await self.socket.receive()
            if not isinstance(frame.data, str):
                sys.exit(f"The server closed the connection ({self.socket.close_code}). Is it still running?")
            message = json.loads(frame.data)
            match message["type"]:
                case "ok" if message.get("re") == request:
                    waiting = {turn["turn"] for turn in message.get("turns") or ()}
                case "line":
                    print(f"{message['npc']}: {message['text']}")
                case "action":
                    await self.serve(message)
                case "turn.end" if waiting is not None:
                    waiting.discard(message["turn"])
                case "error":
                    print(f"! {message['message']} ({message['hint']})")
                    return

    async def serve(self, action: dict[str, Any]) -> None:
        """The game decides whether an action works, and tells the server how it went."""
        what, price = action["args"]["what"], action["args"]["pennies"]
        paid = price <= self.pennies
        self.pennies -= price if paid else 0
        print(f"* {what} is on the counter; {self.pennies} pennies are left" if paid else "* the purse is empty")
        outcome = "served and paid" if paid else "the guest could not pay"
        await self.send("result", turn=action["turn"], action=action["action"], ok=paid, text=outcome)

    async def do(self, words: str) -> None:
        """Do what the player typed: a command begins with a slash, everything else is said."""
        match words.split():
            case ["/mug"]:
                await self.play(await self.send("event", kind="mug.broken", text="A mug slips and breaks."))
            case ["/to", npc] if npc in PEOPLE:
                self.facing = npc
                await self.play(await self.send("warm", npc=npc))
            case [("/save" | "/load") as verb, name]:
                await self.play(await self.send(verb[1:], save=name))
            case [word, *_] if word.startswith("/"):
                print(f"/mug, /to {' or '.join(PEOPLE)}, /save NAME, /load NAME, /quit")
            case [_, *_]:
                await self.play(await self.send("say", text=words, to=self.facing))


async def main() -> None:
    """Connect, set the scene, and play until `/quit`."""
    async with aiohttp.ClientSession() as http, http.ws_connect(URL) as socket:
        game = Game(socket)
        await game.send("hello", protocol=1, client={"name": "tavern game"})
        scene = {"place": "the taproom of the Dry Boot", "present": [{"npc": npc} for npc in PEOPLE]}
        await game.play(await game.send("scene", **scene))
        print(__doc__)
        while (words := (await asyncio.to_thread(input, f"[{game.facing}] > ")).strip()) != "/quit":
            await game.do(words)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (EOFError, KeyboardInterrupt):
        print()
    except aiohttp.ClientError as error:
        sys.exit(f"No server at {URL}: {error}. Start it with ./start.sh first.")
