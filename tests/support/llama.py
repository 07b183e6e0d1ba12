"""Prompts, requests and readers for tests of the local engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from server.backends.base import Delta, Finish, Progress, Request, Sampling, TextDelta
from server.backends.llama.engine import Engine
from server.backends.llama.model import Model
from server.backends.llama.pipe import Frame
from server.personas.persona import Persona
from server.text.segments import Close, Open, Part, Prompt, Segment, Text

GREEDY = Sampling(temperature=0.0, repeat_penalty=1.0)


def prompt(*turns: str) -> Prompt:
    """A system turn, then user and assistant turns in alternation, then an open assistant turn."""
    segments: list[Segment] = [Open("system"), Text(turns[0]), Close()]
    for index, text in enumerate(turns[1:]):
        segments += [Open("assistant" if index % 2 else "user"), Text(text), Close()]
    return Prompt((Part("turn", (*segments, Open("assistant"))),))


def request(*turns: str, max_tokens: int = 12, sampling: Sampling = GREEDY, **fields: Any) -> Request:
    """A request for the prompt of `turns`; greedy, so that it is always answered alike."""
    return Request(
        npc="hilda",
        prompt=prompt(*turns),
        persona=Persona(id="hilda", name="Hilda"),
        max_tokens=max_tokens,
        sampling=sampling,
        **fields,
    )


@dataclass
class Reply:
    """A stream read to its end."""

    text: str
    tokens: tuple[int, ...]
    finish: Finish
    progress: list[Progress]


async def read(stream: AsyncGenerator[Delta, None]) -> Reply:
    """Read `stream` to its `Finish`."""
    deltas = []
    async with aclosing(stream):
        async for delta in stream:
            deltas.append(delta)
    finish = deltas[-1]
    assert isinstance(finish, Finish)
    texts = [delta for delta in deltas if isinstance(delta, TextDelta)]
    return Reply(
        text="".join(delta.text for delta in texts),
        tokens=tuple(token for delta in texts for token in delta.token_ids),
        finish=finish,
        progress=[delta for delta in deltas if isinstance(delta, Progress)],
    )


@dataclass
class Bench:
    """An engine in this process, its answers, and frames that come in after as many answers as their key says."""

    model: Model
    answers: list[Frame] = field(default_factory=list)
    arriving: dict[int, list[Frame]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.engine = Engine(self.model, self.answers.append, self._look_up)

    def ask(self, frame: Frame) -> list[Frame]:
        """Send `frame`, run until there is nothing left to do, and return the answers to it."""
        self.engine.handle(frame)
        while not self.engine.idle:
            self.engine.run_next()
        return [answer for answer in self.answers if answer["id"] == frame["id"]]

    def finished(self) -> list[tuple[int, str]]:
        """The id and reason of each job that is done, in order."""
        return [(answer["id"], answer["reason"]) for answer in self.answers if answer["op"] == "done"]

    def _look_up(self) -> None:
        for frame in self.arriving.pop(len(self.answers), []):
            self.engine.handle(frame)


def generate(job_id: int, tokens: Sequence[int], max_tokens: int = 12, **fields: Any) -> Frame:
    """A `generate` frame; greedy unless `fields` say otherwise."""
    frame = {"op": "generate", "id": job_id, "tokens": list(tokens), "max_tokens": max_tokens, "priority": 10}
    return {**frame, "stop": [], "sampling": {}, **fields}


def warm(job_id: int, tokens: Sequence[int], **fields: Any) -> Frame:
    """A `warm` frame."""
    return {"op": "warm", "id": job_id, "tokens": list(tokens), "priority": 0, **fields}


def drawn(answers: list[Frame]) -> list[int]:
    """The tokens of all `text` answers."""
    return [token for answer in answers if answer["op"] == "text" for token in answer["tokens"]]


def said(answers: list[Frame]) -> str:
    """The text of all `text` answers."""
    return "".join(answer["text"] for answer in answers if answer["op"] == "text")
