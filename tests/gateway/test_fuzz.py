"""Two thousand random frames: each ends in a typed answer or a close code, and a neighbour never notices."""

from __future__ import annotations

import json
import random
from typing import Any

import msgpack
from websockets.exceptions import ConnectionClosed

from server.protocol.codes import CLOSE_CODES, ERROR_CODES
from tests.gateway.house import HELLO, Client, open_house

FRAMES = 2_000
SOUND: tuple[dict[str, Any], ...] = (
    {"type": "ping"},
    {"type": "say", "text": "Any rooms left?", "to": "hilda"},
    {"type": "scene", "place": "inn", "present": [{"npc": "hilda", "distance": 2.5}]},
    {"type": "event", "text": "A bell rings.", "witnesses": ["hilda"]},
    {"type": "npc", "npc": "hilda", "persona": {"name": "Hilda"}},
    {"type": "played", "turn": "t", "line": 0, "fraction": 0.5},
    {"type": "recall", "npc": "hilda", "query": "bell", "k": 3},
    {"type": "load", "save": None},
)
TYPES = (
    "say",
    "scene",
    "npc",
    "event",
    "cue",
    "warm",
    "stop",
    "played",
    "result",
    "save",
    "load",
    "recall",
    "state",
    "ping",
)
FIELDS = (
    "id",
    "type",
    "text",
    "npc",
    "to",
    "turn",
    "line",
    "present",
    "player",
    "fraction",
    "save",
    "persona",
    "witnesses",
)


def _value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(10 if depth < 4 else 7)
    if kind == 0:
        return chance.choice([None, True, False])
    if kind == 1:
        return chance.choice([0, -1, 2**31, 2**63 - 1, -(2**63)])
    if kind == 2:
        return chance.uniform(-1e308, 1e308)
    if kind < 7:
        return "".join(chr(chance.randrange(1, 0xD7FF)) for _ in range(chance.randrange(20)))
    if kind == 7:
        return [_value(chance, depth + 1) for _ in range(chance.randrange(5))]
    return {chance.choice(FIELDS): _value(chance, depth + 1) for _ in range(chance.randrange(5))}


def _frame(chance: random.Random) -> str | bytes:
    message = dict(chance.choice(SOUND)) if chance.random() < 0.6 else {"type": chance.choice(TYPES), "npc": "hilda"}
    for _ in range(chance.choice([0, 0, 1, 3])):
        message[chance.choice(FIELDS)] = _value(chance)
    frame: str | bytes = json.dumps(message) if chance.random() < 0.5 else msgpack.packb(message)
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randrange(200))
    if kind == 1:
        return frame[: chance.randrange(len(frame))]
    if kind == 2 and isinstance(frame, bytes):
        spoilt = bytearray(frame)
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
        return bytes(spoilt)
    if kind == 3 and isinstance(frame, str):
        at = chance.randrange(len(frame))
        return frame[:at] + chr(chance.randrange(1, 0xD7FF)) + frame[at + 1 :]
    return frame


async def _answer(client: Client, frame: str | bytes) -> dict[str, Any] | int:
    """What comes back: the answering message, or the close code."""
    try:
        await client.ws.send(frame)
        return await client.receive()
    except ConnectionClosed:
        assert client.ws.close_code is not None
        return client.ws.close_code


async def test_random_frames_end_in_a_typed_answer_or_a_close_code() -> None:
    chance = random.Random(20_260)
    sent = 0
    answered = {"ok": 0, "pong": 0, "error": 0}
    limits = {"messages_per_second": 1e6, "message_burst": 100_000}
    async with open_house(limits=limits) as house, house.guest() as neighbour:
        while sent < FRAMES:
            async with house.stranger() as client:
                assert (await client.ask(**HELLO))["type"] == "welcome"
                answer: dict[str, Any] | int = {}
                while sent < FRAMES and not isinstance(answer, int):
                    answer = await _answer(client, _frame(chance))
                    sent += 1
                    if isinstance(answer, dict):
                        answered[answer["type"]] += 1
                        assert answer["type"] != "error" or answer["code"] in ERROR_CODES
                    else:
                        assert answer in CLOSE_CODES
                        assert answer != 1011
        assert await neighbour.is_unharmed()
        assert house.refused("internal") == 0
    assert answered["error"] > 200
    assert answered["ok"] > 50
