"""A small text game over the websocket: `python mods/tavern/client/game.py [URL]` while the server runs.

Say something, or type `drop mug`, `to ansel`, `save NAME`, `load NAME`, `quit`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp

URL = "ws://127.0.0.1:8642/v1/ws"
PEOPLE = ["hilda", "ansel"]


class Game:
    """The evening so far: the connection, whom the player faces, and what lies on the counter."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.facing = PEOPLE[0]
        self.pennies = 12
        self.sent = 0

    async def send(self, message_type: str, **fields: Any) -> str:
        """Send one message; returns its id."""
        self.sent += 1
        await self.socket.send_str(json.dumps({"type": message_type, "id": f"g{self.sent}", **fields}))
        return f"g{self.sent}"

    async def play(self, request: str) -> None:
        """Show what comes until `request` is answered and every turn it began is over."""
        waiting: set[str] | None = None
        while waiting is None or waiting:
            message = json.loads((await self.socket.receive()).data)
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

    async def command(self, words: str) -> None:
        """Do what the player typed."""
        verb, _, rest = words.partition(" ")
        if words == "drop mug":
            request = await self.send("event", kind="mug.broken", text="A mug slips from the counter and breaks.")
        elif verb == "to" and rest in PEOPLE:
            self.facing = rest
            request = await self.send("warm", npc=rest)
        elif verb in ("save", "load") and rest:
            request = await self.send(verb, save=rest)
        else:
            request = await self.send("say", text=words, to=self.facing)
        await self.play(request)


async def main(url: str) -> None:
    """Connect, set the scene, and play until `quit`."""
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        game = Game(socket)
        await game.send("hello", protocol=1, client={"name": "tavern game"})
        scene = {"place": "the taproom of the Dry Boot", "present": [{"npc": npc} for npc in PEOPLE]}
        await game.play(await game.send("scene", **scene))
        print(__doc__)
        while (words := (await asyncio.to_thread(input, f"[{game.facing}] > ")).strip()) != "quit":
            await game.command(words)


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else URL))
    except (EOFError, KeyboardInterrupt):
        print()
    except aiohttp.ClientError as error:
        sys.exit(f"no server at {URL}: {error}. Start it with ./start.sh first.")
