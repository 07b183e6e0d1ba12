"""The HTTP API on scripted routes and real memory, served on a free port."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr

from server.backends.base import Backend, Request
from server.config import ApiSettings, ServerSettings
from server.dialogue.completions.service import Completions
from server.gateway.app import make_app
from server.gateway.deps import GatewayDeps
from server.gateway.health import HealthReport
from server.gateway.listener import listen
from server.gateway.metrics import Metrics
from server.text.segments import Open, Text
from tests.support.program import Program, config, program
from tests.support.stage import House, house
from tests.support.tiny_gguf import write_tiny_lfm2

PATIENCE = aiohttp.ClientTimeout(total=20)


@dataclass(frozen=True, slots=True)
class Answered:
    """An HTTP answer, read to its end."""

    status: int
    reason: str
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> dict[str, Any]:
        """OpenAI's error object."""
        error: dict[str, Any] = self.json["error"]
        return error

    @property
    def frames(self) -> list[Any]:
        """The data of the stream's events; `[DONE]` as it is, comments left out."""
        events = [event for event in self.text.split("\n\n") if event and not event.startswith(":")]
        data = [
            line.removeprefix("data: ") for event in events for line in event.split("\n") if line.startswith("data")
        ]
        return [each if each == "[DONE]" else json.loads(each) for each in data]

    @property
    def comments(self) -> int:
        """How often the stream only showed that it lives."""
        return sum(event.startswith(":") for event in self.text.split("\n\n"))

    @property
    def content(self) -> str:
        """What the first reply of a chat completion says, streamed or not."""
        if not self.headers["Content-Type"].startswith("text/event-stream"):
            return str(self.json["choices"][0]["message"]["content"])
        chunks = [frame for frame in self.frames if frame != "[DONE]" and frame["choices"]]
        return "".join(each["choices"][0]["delta"].get("content") or "" for each in chunks)


class Served:
    """The API under test."""

    def __init__(self, house: House, url: str, http: aiohttp.ClientSession) -> None:
        self.house = house
        self.url = url
        self.http = http

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, data: bytes | None = None
    ) -> Answered:
        kind = {"Content-Type": "application/json"} if method == "POST" else {}
        sent = json.dumps(body).encode() if data is None and body is not None else data
        content = io.BytesIO(sent) if sent is not None else None
        async with self.http.request(method, self.url + path, data=content, headers=kind | (headers or {})) as answer:
            text = (await answer.read()).decode()
            return Answered(answer.status, answer.reason or "", dict(answer.headers), text)

    async def get(self, path: str, **headers: str) -> Answered:
        return await self.ask("GET", path, headers=headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Answered:
        return await self.ask("POST", path, body, headers=headers)

    async def chat(
        self, *messages: Any, model: str = "local", headers: dict[str, str] | None = None, **fields: Any
    ) -> Answered:
        """A chat completion; a message is what a user says, or (role, text), or the message itself."""
        body = {"model": model, "messages": [message_of(each) for each in messages], **fields}
        return await self.ask("POST", "/v1/chat/completions", body, headers=headers)


def message_of(message: Any) -> Any:
    if isinstance(message, str):
        return {"role": "user", "content": message}
    if isinstance(message, tuple):
        return {"role": message[0], "content": message[1]}
    return message


def turns_of(request: Request) -> list[tuple[str, str]]:
    """A prompt as (role, text) of each of its turns."""
    turns: list[tuple[str, str]] = []
    for segment in request.prompt.segments:
        if isinstance(segment, Open):
            turns.append((segment.role, ""))
        elif isinstance(segment, Text):
            role, text = turns.pop() if turns else ("", "")
            turns.append((role, text + segment.text))
    return turns


@asynccontextmanager
async def served(
    tmp_path: Path,
    *routes: Backend,
    token: str | None = None,
    origins: Sequence[str] = (),
    api: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Served]:
    """The API on these routes; `settings` are those of `tests.support.stage.house`."""
    doors = ServerSettings(port=0, token=SecretStr(token) if token else None, allowed_origins=tuple(origins))
    async with house(tmp_path, *routes, **settings) as lived:
        stage = lived.stage
        stage.settings = stage.settings.model_copy(update={"api": ApiSettings(**(api or {}))})
        metrics = Metrics()
        completions = Completions(stage, lived.sessions)

        def health() -> HealthReport:
            return HealthReport(routes=[], running=0, sessions=0)

        app = make_app(GatewayDeps(doors, lived.sessions, health, metrics, "1.2.3", completions=completions))
        listener = await listen(app, doors)
        host, port = listener.address
        try:
            async with aiohttp.ClientSession(timeout=PATIENCE) as http:
                yield Served(lived, f"http://{host}:{port}", http)
        finally:
            await listener.close()


@asynccontextmanager
async def on_tiny_model(folder: Path, context: int) -> AsyncIterator[Program]:
    """The whole program on a tiny local model, which stands behind the route `local`, ready."""
    path = write_tiny_lfm2(folder / "tiny.gguf", context=context)
    routes = {"local": {"kind": "llama", "path": str(path), "context": context, "threads": 1}}
    async with program(folder, config(folder, routes, api={"reply_tokens": 64})) as running:
        await running.until_ready("local")
        yield running


async def idle(running: Program) -> None:
    """Wait until nothing is generated."""
    async with asyncio.timeout(10):
        while (await running.get("/health"))["running"]:  # noqa: ASYNC110  # it is another process that is waited for
            await asyncio.sleep(0.01)
