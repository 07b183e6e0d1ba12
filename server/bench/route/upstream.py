"""A chat-completions server that takes no time: `python -m server.bench.route.upstream` prints its port.

It gives every request the same streamed reply at once, whatever is asked for, and ends when its stdin is closed. It
speaks just enough HTTP/1.1 for that (RFC 9112): one request after another on a connection, each with Content-Length.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

WORDS = (
    "There is one bed left under the roof, dry and quiet. Leave your boots by the door, and mind the third stair. "
    "Supper is barley and smoked eel tonight."
)
MODEL = "bench"
HOST = "127.0.0.1"

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


def events(words: str) -> list[bytes]:
    """A healthy stream that says `words`, one a chunk, event by event."""
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word if index == 0 else f" {word}"} for index, word in enumerate(words.split(" "))]
    chunks = [_chunk([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    chunks.append(_chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    usage = {"prompt_tokens": 1_000, "completion_tokens": len(deltas), "total_tokens": 1_000 + len(deltas)}
    return [*chunks, _chunk([], usage=usage), b"data: [DONE]\n\n"]


def _chunk(choices: list[dict[str, object]], **fields: object) -> bytes:
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": choices, **fields}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def reply() -> bytes:
    """The whole response: a head, and each event as a chunk of its own."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events(WORDS))
    return head + body + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request once all of it is here."""
        self._buffer += data
        while self._transport is not None and (length := self._request_length()) is not None:
            self._buffer = self._buffer[length:]
            self._transport.write(self._answer)

    def _request_length(self) -> int | None:
        """Bytes of the request that the buffer begins with; None while it is not whole."""
        head, end, body = self._buffer.partition(_HEAD_END)
        length = _LENGTH.search(head)
        wanted = int(length[1]) if length else 0
        return len(head) + len(end) + wanted if end and len(body) >= wanted else None


async def serve() -> None:
    """Listen on a free port, say which, and answer until stdin ends."""
    loop = asyncio.get_running_loop()
    answer = reply()
    server = await loop.create_server(lambda: Upstream(answer), HOST, 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(serve())
