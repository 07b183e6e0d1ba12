"""However states are forked, restored, evicted and interleaved, a reply is what a cold run of its prompt says.

Greedy tokens are compared. Another split into batches rounds otherwise, which moves logits by up to 0.002 of a scale of
4; a token may differ only where the two likeliest lie that close together, and then the cold run's reply is followed.
"""

from __future__ import annotations

import ctypes
import tempfile
from array import array
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.backends.llama.disk import StateFiles
from server.backends.llama.model import Chunk, Model
from tests.support.llama import Bench, drawn, generate, load, warm

pytestmark = pytest.mark.engine

TOLERANCE = 0.02
REPLY = 6
WORDS = st.integers(14, 200)
PART = st.lists(WORDS, min_size=1, max_size=70)

few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Judge:
    """Cold runs of a model in a context of its own."""

    def __init__(self, path: Path) -> None:
        self._model = load(path, 1024)

    def agrees(self, prompt: list[int], reply: list[int]) -> bool:
        """Whether every token of `reply` is, within the tolerance, the likeliest after what precedes it."""
        for index, token in enumerate(reply):
            logits = self._logits([*prompt, *reply[:index]])
            if max(logits) - logits[token] > TOLERANCE:
                return False
        return True

    def close(self) -> None:
        self._model.close()

    def _logits(self, tokens: list[int]) -> list[float]:
        self._model.clear()
        for start in range(0, len(tokens), self._model.batch):
            (row,) = self._model.decode([Chunk(0, start, array("i", tokens[start : start + self._model.batch]))])
        size = self._model.vocabulary_size
        return list((ctypes.c_float * size).from_buffer_copy(self._model.logits(row)))


@pytest.fixture(scope="module", params=["tiny", "tiny_plain"])
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def judge(path: Path) -> Judge:
    return Judge(path)


@pytest.fixture(scope="module")
def roomy(path: Path) -> Model:
    return load(path, 2048, sequences=24)


@pytest.fixture(scope="module")
def cramped(path: Path) -> Model:
    return load(path, 512, sequences=6)


@st.composite
def families(draw: st.DrawFn) -> list[tuple[list[int], list[int]]]:
    """Prompts, with their bounds, of which some begin with others or share a part with them."""
    known: list[list[int]] = [[]]
    prompts = []
    for _ in range(draw(st.integers(2, 7))):
        start = draw(st.sampled_from(known))
        prompt = [*start[: draw(st.sampled_from([len(start), len(start), len(start) // 2]))], *draw(PART)]
        known.append(prompt)
        prompts.append((prompt[:300], sorted({len(start), len(prompt)} & set(range(1, 301)))))
    return prompts


def check(judge: Judge, bench: Bench, frames: list[dict[str, object]]) -> None:
    for frame in frames:
        answers = bench.to(frame["id"])  # type: ignore[arg-type]  # a frame's values are of any type
        assert answers[-1]["op"] == "done", answers[-1]
        if frame["op"] == "generate":
            assert len(drawn(answers)) == REPLY
            assert judge.agrees(frame["tokens"], drawn(answers))  # type: ignore[arg-type]  # as above


@few
@given(families(), st.data())
def test_one_after_another(
    roomy: Model, judge: Judge, family: list[tuple[list[int], list[int]]], data: st.DataObject
) -> None:
    bench = Bench(roomy)
    frames = []
    for index, (prompt, bounds) in enumerate(family):
        kind = data.draw(st.sampled_from([generate, generate, warm]))
        frames.append(kind(index, prompt, bounds=bounds, **({"max_tokens": REPLY} if kind is generate else {})))
        bench.ask(frames[-1])
        if data.draw(st.booleans()):
            bench.rest()
    check(judge, bench, frames)


@few
@given(families(), st.data())
def test_together(roomy: Model, judge: Judge, family: list[tuple[list[int], list[int]]], data: st.DataObject) -> None:
    bench = Bench(roomy)
    frames = [
        generate(index, prompt, REPLY, bounds=bounds, priority=data.draw(st.sampled_from([0, 2, 8, 10])))
        for index, (prompt, bounds) in enumerate(family)
    ]
    for frame in frames:
        bench.engine.handle(frame)
        for _ in range(data.draw(st.integers(0, 12))):
            bench.step()
    bench.run()
    check(judge, bench, frames)


@few
@given(families(), st.data())
def test_with_hardly_any_room(
    cramped: Model, judge: Judge, family: list[tuple[list[int], list[int]]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = StateFiles(Path(folder), "key", data.draw(st.sampled_from([0, 60_000, 10_000_000])), print)
        bench = Bench(cramped, ram_bytes=data.draw(st.sampled_from([0, 50_000, 300_000])), files=files)
        frames = []
        for index, (prompt, bounds) in enumerate(family):
            frames.append(generate(index, prompt, REPLY, bounds=bounds, priority=data.draw(st.sampled_from([2, 10]))))
            bench.engine.handle(frames[-1])
            for _ in range(data.draw(st.integers(0, 12))):
                bench.step()
            if not bench.engine.busy and data.draw(st.booleans()):
                bench.rest()
                bench.save()
        bench.run()
        check(judge, bench, frames)


@few
@given(families(), st.data())
def test_stopped_at_random_and_restarted_from_disk(
    cramped: Model, judge: Judge, family: list[tuple[list[int], list[int]]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            bench = Bench(cramped, files=StateFiles(Path(folder), "key", 10_000_000, print))
            frames = []
            for index, (prompt, bounds) in enumerate(family):
                frame = generate(index, prompt, REPLY, bounds=bounds)
                bench.engine.handle(frame)
                for _ in range(data.draw(st.integers(0, 20))):
                    bench.step()
                if data.draw(st.booleans()):
                    bench.engine.handle({"op": "cancel", "id": index})
                else:
                    frames.append(frame)
            bench.run()
            bench.save()
            check(judge, bench, [frame for frame in frames if bench.to(frame["id"])[-1]["reason"] != "cancelled"])
