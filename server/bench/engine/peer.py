"""A contestant: an OpenAI-compatible server that somebody else started on the same file.

`Peer` asks through `/v1/completions` (https://platform.openai.com/docs/api-reference/completions) with the prompt as
text in ChatML, so that no chat template of the server changes what it reads. It adds the start-of-text token itself.
`ChatPeer` asks through `/v1/chat/completions`, as frontends do.
"""

from __future__ import annotations

import json
import time
from typing import Any

import aiohttp

from server.backends.hosted.sse import SseParser
from server.bench.engine.child import ANSWER_S
from server.bench.engine.contestant import Answer
from server.bench.engine.conversation import Reply
from server.errors import BarkeepError, RouteBroken
from server.text.segments import Close, Open, Prompt, Segment, Text

_CONNECT_S = 5.0
_END = "[DONE]"


class Peer:
    """The server at `url`, with or without `/v1` at its end."""

    name = "peer"
    path = "completions"
    prepares = False
    restarts = False

    def __init__(self, url: str) -> None:
        self._url = ""
        self._session: aiohttp.ClientSession | None = None
        self._model = ""
        self.at(url)

    def at(self, url: str) -> None:
        """It is found there from now on."""
        self._url = f"{url.rstrip('/').removesuffix('/v1')}/v1"

    async def start(self) -> None:
        """Ask it which model it has.

        Raises:
            BarkeepError: nobody answers there.
        """
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=_CONNECT_S), trust_env=False
        )
        try:
            async with self._session.get(f"{self._url}/models") as response:
                response.raise_for_status()
                self._model = str((await response.json())["data"][0]["id"])
        except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError) as error:
            raise BarkeepError(
                f"No OpenAI-compatible server answers at {self._url}: {str(error) or type(error).__name__}.",
                "Start one on the same file, for example `llama-server -m FILE`, and name its base URL.",
            ) from error

    async def close(self) -> None:
        """Leave it alone again; it is not ours to end."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def answer(self, npc: str, prompt: Prompt, max_tokens: int) -> Answer:
        """Have it answer.

        Raises:
            BarkeepError: it does not.
        """
        if self._session is None:
            raise BarkeepError("The peer was not asked for its model yet.")
        body = {
            **self.asked(prompt),
            "model": self._model,
            "max_tokens": max_tokens,
            "temperature": 0.0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        reading = _Reading()
        try:
            async with self._session.post(f"{self._url}/{self.path}", json=body) as response:
                response.raise_for_status()
                async for chunk in response.content.iter_any():
                    reading.feed(chunk)
        except (aiohttp.ClientError, TimeoutError, RouteBroken, ValueError) as error:
            raise BarkeepError(f"The peer did not answer: {str(error) or type(error).__name__}.") from error
        return reading.answer()

    def asked(self, prompt: Prompt) -> dict[str, Any]:
        """The fields of the request that hold the prompt."""
        return {"prompt": as_text(prompt)}

    async def warm(self, npc: str, prompt: Prompt, *, background: bool = False) -> None:
        """It has nothing of the kind."""


class ChatPeer(Peer):
    """The same, asked with messages."""

    path = "chat/completions"

    def asked(self, prompt: Prompt) -> dict[str, Any]:
        """The prompt as messages."""
        return {"messages": as_messages(prompt)}


def as_text(prompt: Prompt) -> str:
    """The prompt in ChatML, without a start-of-text token."""
    return "".join(map(_segment, prompt.segments))


def as_messages(prompt: Prompt) -> list[dict[str, str]]:
    """The closed turns of the prompt, as messages."""
    found: list[dict[str, str]] = []
    role, text = "", ""
    for segment in prompt.segments:
        match segment:
            case Open():
                role, text = segment.role, ""
            case Text():
                text += segment.text
            case Close():
                found.append({"role": role, "content": text})
    return found


def evaluated_tokens(event: dict[str, Any]) -> int | None:
    """How many prompt tokens an event says were evaluated: llama.cpp's timings, else usage less what was cached."""
    timings, usage = event.get("timings"), event.get("usage")
    if isinstance(timings, dict) and isinstance(timings.get("prompt_n"), int):
        return int(timings["prompt_n"])
    if isinstance(usage, dict):
        details = usage.get("prompt_tokens_details")
        if isinstance(details, dict) and isinstance(details.get("cached_tokens"), int):
            return int(usage.get("prompt_tokens", 0)) - int(details["cached_tokens"])
    return None


class _Reading:
    """One streamed answer."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._parser = SseParser()
        self._first_ms: float | None = None
        self._text = ""
        self._evaluated: int | None = None

    def feed(self, chunk: bytes) -> None:
        for data in self._parser.feed(chunk):
            if data == _END:
                continue
            event = json.loads(data)
            choice = (event.get("choices") or [{}])[0]
            if text := choice.get("text") or (choice.get("delta") or {}).get("content"):
                if self._first_ms is None:
                    self._first_ms = (time.perf_counter() - self._began) * 1_000
                self._text += text
            told = evaluated_tokens(event)
            self._evaluated = self._evaluated if told is None else told

    def answer(self) -> Answer:
        if self._first_ms is None:
            raise BarkeepError("The peer ended its answer without a word.")
        return Answer(self._first_ms, Reply(self._text), self._evaluated)


def _segment(segment: Segment) -> str:
    match segment:
        case Open(role=role):
            return f"<|im_start|>{role}\n"
        case Close():
            return "<|im_end|>\n"
        case Text(text=text):
            return text
