"""The clients, in a process of their own: `python -m server.bench.client JOB` with a job as JSON, samples on stdout.

They share no event loop with the server, and know nothing of its code but the protocol. Times are `time.monotonic_ns`,
the same clock in every process of the machine.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

from server.bench.load import Load

CONNECT_S = 10.0
ANSWER_S = 30.0
PRESENT = 3
"""So many NPCs stand in a client's scene; the first of them is spoken to."""

Sample = dict[str, Any]
"""`id` of the line, and in ns: `sent`, and of what came back first `ok` and `words`, or `back` for an echo."""


class ClientFailedError(Exception):
    """The server did not do what a measurement relies on."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the process is to do: `talk` to a Barkeep at `url`, or send frames to one that sends them back."""

    kind: Literal["talk", "echo"]
    url: str
    load: Load

    def to_json(self) -> str:
        """For the command line."""
        load = {name: getattr(self.load, name) for name in Load.__slots__}
        return json.dumps({"kind": self.kind, "url": self.url, "load": load})

    @classmethod
    def from_json(cls, text: str) -> Job:
        """From the command line."""
        values = json.loads(text)
        return cls(values["kind"], values["url"], Load(**values["load"]))


def line_of(client: int, turn: int) -> dict[str, Any]:
    """The message for a turn; its text ends in its id, by which the backend's request is found again."""
    name = f"c{client}-{turn}"
    return {"type": "say", "id": name, "text": f"Any rooms left tonight, and what is there for supper? {name}"}


def id_in(heard: str) -> str:
    """The id of the line that was heard."""
    return heard.rpartition(" ")[2]


class Talker:
    """A player in a world of its own, who describes a scene and then speaks to the first NPC in it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, number: int) -> None:
        self._socket = socket
        self._number = number
        self._seq = 0

    async def begin(self) -> None:
        """Say hello, and who is here."""
        world, client = f"bench-{self._number}", {"name": "barkeep bench"}
        await self._send({"type": "hello", "protocol": 1, "client": client, "world": world, "stream": "tokens"})
        npcs = (await self._until("welcome"))["npcs"][:PRESENT]
        if not npcs:
            raise ClientFailedError("the server has no NPC to talk to")
        present = [{"npc": npc, "distance": index + 1} for index, npc in enumerate(npcs)]
        await self._send({"type": "scene", "id": "scene", "place": "the inn's kitchen", "present": present})
        await self._until("ok")

    async def turn(self, turn: int) -> Sample:
        """Say a line and hear its answer out."""
        line = line_of(self._number, turn)
        sample: Sample = {"id": line["id"], "sent": time.monotonic_ns()}
        await self._send(line)
        await self._until("ok")
        sample["ok"] = time.monotonic_ns()
        await self._until("token")
        sample["words"] = time.monotonic_ns()
        end = await self._until("turn.end")
        if end["reason"] != "done" or end["re"] != line["id"]:
            raise ClientFailedError(f"turn {line['id']} ended with reason {end['reason']} of {end['re']}")
        return sample

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_str(json.dumps(message))

    async def _until(self, kind: str) -> dict[str, Any]:
        """Read on to the next message of this kind; none may be missing, doubled or refused on the way."""
        while True:
            message = await _received(self._socket)
            self._seq += 1
            if message["seq"] != self._seq:
                raise ClientFailedError(f"message {message['seq']} came where {self._seq} was due")
            if message["type"] == kind:
                return message
            if message["type"] == "error":
                raise ClientFailedError(f"the server refused: {message['message']}")


class Echoer:
    """Sends a line's frame and waits until it is back: what two event loops and a socket cost without any Barkeep."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, number: int) -> None:
        self._socket = socket
        self._number = number

    async def begin(self) -> None:
        """Nothing to agree on."""

    async def turn(self, turn: int) -> Sample:
        """There and back once."""
        line = line_of(self._number, turn)
        sample: Sample = {"id": line["id"], "sent": time.monotonic_ns()}
        await self._socket.send_str(json.dumps(line))
        await _received(self._socket)
        sample["back"] = time.monotonic_ns()
        return sample


async def work(job: Job) -> list[Sample]:
    """Do the job; returns the samples of its measured turns.

    Raises:
        ClientFailedError: the server refused something, lost a message or sent one twice, or was silent for too long.
    """
    make = Talker if job.kind == "talk" else Echoer
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        clients = []
        for number in range(job.load.clients):
            async with asyncio.timeout(CONNECT_S):
                client = make(await http.ws_connect(job.url, max_msg_size=0), number)
                await client.begin()
            clients.append(client)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_paced(each.turn, job.load, number)) for number, each in enumerate(clients)]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None  # one is enough to give up, and to be told
    return [sample for task in tasks for sample in task.result()]


async def _paced(take_turn: Callable[[int], Awaitable[Sample]], load: Load, client: int) -> list[Sample]:
    """One client's turns at their times. Seeded, so that every run has the same pauses."""
    rng = random.Random(client)
    samples: list[Sample] = []
    due_s = time.monotonic() + rng.uniform(0, load.period_s)
    stop_s = float("inf")
    for turn in range(load.warm_up + load.turns):
        await asyncio.sleep(due_s - time.monotonic())
        began_s = time.monotonic()
        if turn == load.warm_up:
            stop_s = began_s + load.seconds
        if began_s >= stop_s:
            break
        async with asyncio.timeout(ANSWER_S):
            sample = await take_turn(turn)
        if turn >= load.warm_up:
            samples.append(sample)
        due_s = began_s + load.period_s * rng.uniform(0.5, 1.5)
    return samples


async def _received(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    frame = await socket.receive()
    if not isinstance(frame.data, str):
        raise ClientFailedError(f"the server closed the connection ({frame.data} {frame.extra or ''})")
    message: dict[str, Any] = json.loads(frame.data)
    return message


def main() -> int:
    """Do the job on the command line; what went wrong is told on stderr in one line."""
    try:
        samples = asyncio.run(work(Job.from_json(sys.argv[1])))
    except KeyboardInterrupt:
        return 130
    except (ClientFailedError, TimeoutError, aiohttp.ClientError) as error:
        print(str(error) or "the server was silent for too long", file=sys.stderr)
        return 1
    json.dump(samples, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
