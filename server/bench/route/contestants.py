"""Who makes the calls: plain aiohttp, and the router with its hosted route. Each reads the whole reply."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import aiohttp

from server.backends.base import Backend, Request
from server.backends.hosted.messages import chat_messages
from server.backends.hosted.session import HttpSession
from server.backends.registry import Dependencies, make
from server.bench.route.upstream import MODEL, WORDS
from server.config import OpenAIRoute
from server.errors import BarkeepError
from server.personas.persona import Persona
from server.routing.limits import TurnLimits
from server.routing.router import Router
from server.text.segments import Close, Open, Part, Prompt, Segment, Text

CALL_S: Final = 60.0
MAX_TOKENS: Final = 96
_RULES: Final = "You speak as one person in a story, in short lines, and never of anything outside of it. "
_LINE: Final = "I walked since dawn, and the road is all water. Is there a bed left tonight, and what does it cost?"
_HISTORY_TURNS: Final = 12


@dataclass(frozen=True, slots=True)
class Call:
    """One call: nanoseconds from its beginning to the first text, and to the end of the reply."""

    first_text_ns: int
    whole_ns: int


class Contestant(Protocol):
    """Someone who can call the upstream, directly or through others."""

    @property
    def name(self) -> str:
        """Its row in the table."""

    async def call(self) -> Call:
        """One call.

        Raises:
            BarkeepError: it did not get the whole reply.
        """

    async def close(self) -> None:
        """Close its connections."""


def talk() -> Prompt:
    """A prompt of usual length: rules, a persona, and a conversation."""
    rules: tuple[Segment, ...] = (Open("system"), Text(_RULES * 30), Close())
    history: list[Segment] = []
    for _ in range(_HISTORY_TURNS):
        history += [Open("user"), Text(_LINE), Close(), Open("assistant"), Text(WORDS), Close()]
    turn = (Open("user"), Text(_LINE), Close(), Open("assistant"))
    return Prompt((Part("rules", rules), Part("history", tuple(history)), Part("turn", turn)))


class Direct:
    """One `aiohttp` session and the least that a client does: send, cut the stream into events, parse their JSON."""

    def __init__(self, name: str, base_url: str, key: str = "") -> None:
        self.name = name
        self._url = f"{base_url}/chat/completions"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=CALL_S)
        )
        self._prompt = talk()

    async def call(self) -> Call:
        """See `Contestant`."""
        reading = _Reading()
        payload = {
            "model": MODEL,
            "messages": chat_messages(self._prompt),
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": MAX_TOKENS,
        }
        try:
            async with self._session.post(self._url, json=payload, headers=self._headers) as response:
                if response.status != 200:
                    raise _failed(self.name, f"status {response.status}: {(await response.text())[:200]}")
                rest = b""
                async for chunk in response.content.iter_any():
                    *events, rest = (rest + chunk).split(b"\n\n")
                    for event in events:
                        reading.feed(_text(event))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _failed(self.name, str(error) or type(error).__name__) from error
        return reading.call(self.name)

    async def close(self) -> None:
        """See `Contestant`."""
        await self._session.close()


class Routed:
    """The router, with a hosted route as its only one: what a turn uses."""

    name = "barkeep"

    def __init__(self, base_url: str, folder: Path) -> None:
        """`folder` is where local models would be looked for."""
        self._http = HttpSession()
        route = OpenAIRoute(kind="openai", base_url=base_url, model=MODEL)
        backend = make("bench", route, deps=Dependencies(model_dir=folder, http=self._http))
        self._router = Router([backend])
        self._prompt, self._persona = talk(), Persona(id="bench", name="Bench")

    async def call(self) -> Call:
        """See `Contestant`."""
        reading = _Reading()
        ms = CALL_S * 1_000
        limits = TurnLimits(ms, ms, ms, ms, received_s=time.monotonic())
        async with aclosing(self._router.answer(self._request(), limits)) as answer:
            async for delta in answer:
                reading.feed(getattr(delta, "text", ""))
        if answer.finish is None:
            raise _failed(self.name, "the reply broke off")
        return reading.call(self.name)

    async def close(self) -> None:
        """See `Contestant`."""
        await self._router.close()
        await self._http.close()

    def _request(self) -> Callable[[Backend], Request]:
        request = Request(
            npc="bench", prompt=self._prompt, persona=self._persona, max_tokens=MAX_TOKENS, sticky="bench/bench"
        )
        return lambda backend: request


class _Reading:
    """One reply; its words must be the upstream's."""

    def __init__(self) -> None:
        self._began_ns = time.monotonic_ns()
        self._first_ns = 0
        self._words: list[str] = []

    def feed(self, text: str) -> None:
        if text:
            self._first_ns = self._first_ns or time.monotonic_ns()
            self._words.append(text)

    def call(self, name: str) -> Call:
        ended_ns = time.monotonic_ns()
        if "".join(self._words) != WORDS:
            raise _failed(name, "the reply is not what the upstream said")
        return Call(self._first_ns - self._began_ns, ended_ns - self._began_ns)


def _text(event: bytes) -> str:
    data = event.removeprefix(b"data: ").strip()
    if not data or data == b"[DONE]" or data.startswith(b":"):
        return ""
    choices = json.loads(data).get("choices") or [{}]
    text: str = choices[0].get("delta", {}).get("content") or ""
    return text


def _failed(name: str, why: str) -> BarkeepError:
    return BarkeepError(f"{name}: a call of the bench failed: {why}")
