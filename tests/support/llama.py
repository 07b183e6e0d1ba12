"""Prompts, requests and readers for tests of the local engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.backends.base import Delta, Finish, Progress, Request, Sampling, TextDelta
from server.backends.llama.disk import StateFiles
from server.backends.llama.engine import Engine
from server.backends.llama.model import ContextSettings, Model
from server.backends.llama.native import library, native_log
from server.backends.llama.pipe import Frame
from server.backends.llama.step_times import StepTimes
from server.personas.persona import Persona
from server.text.segments import Close, Open, Part, Prompt, Segment, Text

MANY = 20_000
"""More steps than any test needs."""

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


def steady() -> StepTimes:
    """The times of a machine on which a foreground step reads 32 tokens and a background step 4, whatever happens."""
    times = StepTimes()
    times.measure({1: 39.0, 4: 105.0, 8: 160.0, 32: 395.0, 64: 800.0}, {1: 30.0, 2: 60.0, 4: 105.0, 8: 200.0})
    return times


@dataclass
class Bench:
    """An engine in this process, its answers, its forecasts by job, and frames that come in after as many answers as
    their key says.

    No time passes for it, so it learns nothing about its times; `steps` counts the batches.
    """

    model: Model
    ram_bytes: int = 1 << 30
    files: StateFiles | None = None
    answers: list[Frame] = field(default_factory=list)
    forecasts: dict[int, Frame] = field(default_factory=dict)
    arriving: dict[int, list[Frame]] = field(default_factory=dict)
    steps: int = 0

    def __post_init__(self) -> None:
        self.model.clear()
        times = steady()
        times.seen = lambda read, spoken, ms: None  # type: ignore[method-assign]  # a steady machine has no news
        self.engine = Engine(self.model, self._take, ram_bytes=self.ram_bytes, files=self.files, times=times)

    def _take(self, answer: Frame) -> None:
        if answer["op"] == "forecast":
            self.forecasts[answer["id"]] = answer
        else:
            self.answers.append(answer)

    def ask(self, *frames: Frame) -> list[Frame]:
        """Send `frames`, run until there is nothing left to do, and return the answers to the last of them."""
        for frame in frames:
            self.engine.handle(frame)
        self.run()
        return self.to(frames[-1]["id"])

    def run(self) -> None:
        """Step until no job is left."""
        for _ in range(MANY):
            if not self.engine.busy:
                return
            self.step()
        raise AssertionError("the engine makes no progress")

    def step(self) -> None:
        """One batch, after what came in is handled."""
        for count in [count for count in self.arriving if count <= len(self.answers)]:
            for frame in self.arriving.pop(count):
                self.engine.handle(frame)
        if self.engine.busy:
            self.engine.step()
            self.steps += 1

    def to(self, job_id: int) -> list[Frame]:
        """The answers to one job."""
        return [answer for answer in self.answers if answer.get("id") == job_id]

    def rest(self) -> None:
        """All that an engine does while there is no job, but writing to disk."""
        assert not all(self.engine.rest() for _ in range(MANY))

    def save(self) -> None:
        """Write to disk what belongs there."""
        assert not all(self.engine.save() for _ in range(MANY))

    def finished(self) -> list[tuple[int, str]]:
        """The id and reason of each job that is done, in order."""
        return [(answer["id"], answer["reason"]) for answer in self.answers if answer["op"] == "done"]


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


def load(path: Path, context: int = 1024, **settings: Any) -> Model:
    """A model in this process; `settings` as in `ContextSettings`."""
    native_log()
    return Model(library(), str(path), ContextSettings(context=context, threads=1, **settings))
