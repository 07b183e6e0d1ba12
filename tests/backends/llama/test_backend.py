from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from server.backends.base import Backend, Forecast, Progress, RouteCondition, Sampling, TextDelta, ToolCall
from server.backends.llama import supervisor
from server.backends.llama.backend import LlamaBackend
from server.backends.llama.native import library
from server.backends.llama.process import WorkerProcess
from server.backends.llama.supervisor import Timing
from server.config import LlamaRoute
from server.errors import ContextOverflow, RouteBroken, RouteRejected, RouteUnavailable
from tests.support.llama import GREEDY, read, request
from tests.support.tiny_gguf import (
    TinyModel,
    write,
    write_missing_tensor,
    write_tiny_lfm2,
    write_truncated,
    write_unknown_template,
)

pytestmark = pytest.mark.engine

LIMIT_S = 30
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
FAST = Timing(poll_s=0.01, restart_s=0.01, restart_most_s=0.05)
PERSONA = "You are Hilda, who keeps the inn. " * 12

Make = Callable[..., LlamaBackend]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    backends: list[LlamaBackend] = []

    def build(path: Path | None, timing: Timing = FAST, **settings: object) -> LlamaBackend:
        route = LlamaRoute.model_validate({"kind": "llama", "path": path, "context": 1024, "threads": 1, **settings})
        backends.append(LlamaBackend("local", route, model_dir=tmp_path / "models", timing=timing))
        return backends[-1]

    yield build
    for backend in backends:
        await backend.close()


@pytest.fixture
async def ready(make: Make, tiny: Path) -> LlamaBackend:
    backend = make(tiny)
    await backend.start()
    await until(backend, "ready")
    return backend


def open_descriptors() -> set[str]:
    library()  # its import opens descriptors for good
    return set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else set()


async def until(backend: LlamaBackend, *conditions: RouteCondition) -> str:
    async with asyncio.timeout(LIMIT_S):
        return (await backend.until(*conditions)).hint


async def test_it_is_a_backend(ready: LlamaBackend, tiny: Path) -> None:
    backend: Backend = ready
    state = backend.state()
    assert (state.name, state.kind, state.state, state.hint, state.model) == (
        "local",
        "llama",
        "ready",
        "",
        "Tiny LFM2",
    )
    assert (backend.hosted, backend.generating) == (False, True)


async def test_a_reply_streams_with_ids_and_exact_counts(ready: LlamaBackend) -> None:
    asked = request(PERSONA, "Any rooms left?", max_tokens=9)
    reply = await read(ready.generate(asked))
    vocabulary = ready.vocabulary
    assert vocabulary is not None
    total = len(vocabulary.encode(asked.prompt))
    usage = reply.finish.usage
    assert (usage.prompt, usage.cached, usage.evaluated, usage.reply) == (total, 0, total, 9)
    assert reply.finish.reason == "length"
    assert (reply.finish.model, reply.finish.fingerprint) == ("Tiny LFM2", vocabulary.fingerprint)
    assert len(reply.tokens) == 9
    assert reply.progress[-1] == Progress(total, total)


async def test_the_same_prompt_again_costs_nothing_and_says_the_same_when_warmed(make: Make, tiny: Path) -> None:
    asked = request(PERSONA, "Any rooms left?")
    one, two = make(tiny), make(tiny)
    for backend in (one, two):
        await backend.start()
        await until(backend, "ready")
    cold = await read(one.generate(asked))
    assert [step.done for step in [step async for step in two.warm(asked)]][-1] == cold.finish.usage.prompt
    warmed = await read(two.generate(asked))
    assert warmed.finish.usage.evaluated == 0
    assert warmed.tokens == cold.tokens


async def test_closing_a_stream_cancels_it_and_the_next_request_is_answered(ready: LlamaBackend) -> None:
    async with aclosing(ready.generate(request(PERSONA, "Tell me all.", max_tokens=800))) as stream:
        async for delta in stream:
            if isinstance(delta, TextDelta):
                break
    reply = await read(ready.generate(request(PERSONA, "Any rooms left?", max_tokens=3)))
    assert reply.finish.usage.reply == 3


async def test_a_reading_that_was_cancelled_is_finished_by_a_warm(ready: LlamaBackend) -> None:
    asked = request(PERSONA * 2, "Any rooms left?")
    async with aclosing(ready.generate(asked)) as stream:
        forecast, first = await anext(stream), await anext(stream)
    assert isinstance(forecast, Forecast)
    assert isinstance(first, Progress)
    assert forecast.new_tokens == first.total
    assert first.done < first.total
    steps = [step.done async for step in ready.warm(asked)]
    assert steps[0] > first.done
    assert (await read(ready.generate(asked))).finish.usage.evaluated == 0


async def test_the_model_chooses_one_of_what_it_is_given(ready: LlamaBackend) -> None:
    asked = request(PERSONA, "Any rooms left?")
    choices = ["nod", "shake your head", "shrug"]
    chosen = await ready.choose(asked, choices)
    assert [await ready.choose(asked, order) for order in (choices, choices)] == [chosen, chosen]


@pytest.mark.parametrize("choices", [[], ["nod", ""]])
async def test_nothing_to_choose_from_is_a_mistake_of_the_caller(ready: LlamaBackend, choices: list[str]) -> None:
    with pytest.raises(ValueError, match="choose"):
        await ready.choose(request(PERSONA), choices)


async def test_a_grammar_binds_the_reply_and_one_that_cannot_be_read_is_refused(ready: LlamaBackend) -> None:
    reply = await read(ready.generate(request(PERSONA, grammar='root ::= "aye" | "nay"')))
    assert reply.text in ("aye", "nay")
    with pytest.raises(RouteRejected, match="grammar"):
        await read(ready.generate(request(PERSONA, grammar="root ::= (")))


async def test_a_bias_reaches_the_engine(ready: LlamaBackend) -> None:
    (token,) = (ready.vocabulary or pytest.fail("no vocabulary")).tokenise("z")[:1]
    reply = await read(ready.generate(request(PERSONA, sampling=replace(GREEDY, logit_bias=((token, 1_000.0),)))))
    assert set(reply.tokens) == {token}


async def test_calls_of_tools_come_with_the_end_and_are_not_spoken(
    ready: LlamaBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [
        {"op": "text", "text": "Here.", "tokens": [30]},
        {"op": "tool", "text": "[give(item='key', count=2)]", "tokens": [31]},
        {"op": "tool", "text": "what", "tokens": [32]},
        {"op": "done", "reason": "stop", "prompt": 9, "cached": 0, "reply": 3},
    ]

    async def answers() -> AsyncIterator[dict[str, object]]:
        for frame in frames:
            yield frame

    monkeypatch.setattr(supervisor.Supervisor, "job", lambda self, frame: nullcontext(answers()))
    reply = await read(ready.generate(request(PERSONA)))
    assert reply.text == "Here."
    assert reply.finish.tool_calls == (ToolCall("give", {"item": "key", "count": 2}),)


async def test_requests_at_the_same_time_get_the_replies_they_would_get_alone(ready: LlamaBackend) -> None:
    asked = [request(PERSONA, f"I am number {number}.", max_tokens=30, priority=number) for number in range(6)]
    alone = [await read(ready.generate(one)) for one in asked]
    together = await asyncio.gather(*(read(ready.generate(one)) for one in asked))
    assert [reply.text for reply in together] == [reply.text for reply in alone]
    assert len({reply.text for reply in alone}) > 1


async def test_a_killed_worker_breaks_the_reply_and_the_next_request_is_answered(ready: LlamaBackend) -> None:
    stream = ready.generate(request(PERSONA, "Tell me all.", max_tokens=800))
    async with aclosing(stream):
        await anext(stream)
        assert ready.worker_pid is not None
        os.kill(ready.worker_pid, KILL)
        with pytest.raises(RouteBroken):
            async for _ in stream:
                pass
    await until(ready, "down", "loading")
    await until(ready, "ready")
    assert (await read(ready.generate(request("Be brief.", "Hello")))).text


async def test_while_the_worker_is_away_requests_are_refused_with_a_hint(make: Make, tiny: Path) -> None:
    backend = make(tiny, Timing(poll_s=0.01, restart_s=20))
    await backend.start()
    await until(backend, "ready")
    assert backend.worker_pid is not None
    os.kill(backend.worker_pid, KILL)
    hint = await until(backend, "down")
    assert "started again within 20 s" in hint
    with pytest.raises(RouteUnavailable) as caught:
        await read(backend.generate(request("Be brief.", "Hello")))
    assert caught.value.hint == hint


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="a process cannot be halted here")
async def test_a_worker_that_falls_silent_is_replaced(make: Make, tiny: Path) -> None:
    backend = make(tiny, Timing(poll_s=0.01, restart_s=0.01, silence_s=0.2, grace_s=0.1))
    await backend.start()
    await until(backend, "ready")
    assert backend.worker_pid is not None
    os.kill(backend.worker_pid, signal.SIGSTOP)
    with pytest.raises(RouteBroken):
        await read(backend.generate(request("Be brief.", "Hello")))
    await until(backend, "down", "loading")
    await until(backend, "ready")
    assert (await read(backend.generate(request("Be brief.", "Hello")))).text


async def test_a_prompt_longer_than_the_context_overflows(ready: LlamaBackend) -> None:
    with pytest.raises(ContextOverflow) as caught:
        await read(ready.generate(request(PERSONA * 40, "Hello")))
    assert "context" in caught.value.hint


async def test_start_returns_at_once_and_requests_before_ready_are_refused(make: Make, tiny: Path) -> None:
    backend = make(tiny)
    await backend.start()
    assert backend.state().state == "loading"
    with pytest.raises(RouteUnavailable):
        await read(backend.generate(request("Be brief.", "Hello")))
    await until(backend, "ready")


async def test_without_a_file_it_is_off_until_the_file_is_there(make: Make, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    backend = make(None, file="LFM2-2.6B-Q4_K_M.gguf")
    await backend.start()
    hint = await until(backend, "off")
    assert "barkeep model pull" in hint
    assert "1.56 GB" in hint
    shutil.copy(tiny, folder / "coming.part")
    (folder / "coming.part").rename(folder / "LFM2-2.6B-Q4_K_M.gguf")
    await until(backend, "ready")
    assert backend.state().model == "Tiny LFM2"


async def test_a_path_that_leads_nowhere_is_named(make: Make, tmp_path: Path) -> None:
    backend = make(tmp_path / "absent.gguf")
    await backend.start()
    assert str(tmp_path / "absent.gguf") in await until(backend, "off")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda path: write_truncated(path), "cut short"),
        (lambda path: write_unknown_template(path), "not ChatML"),
        (lambda path: path.write_text("not a model at all"), "not a GGUF"),
        (lambda path: write_missing_tensor(path), "cannot load"),
        (lambda path: path.write_bytes(write(path, TinyModel()).read_bytes().replace(b"gpt2", b"gpt9")), "cannot load"),
    ],
)
async def test_a_broken_file_is_down_with_a_reason_and_used_once_it_is_replaced(
    make: Make, tmp_path: Path, broken: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "model.gguf"
    broken(path)
    backend = make(path)
    await backend.start()
    assert reason in await until(backend, "down")
    write_tiny_lfm2(tmp_path / "whole.gguf", seed=1).rename(path)
    await until(backend, "ready")


async def test_a_worker_that_dies_while_loading_is_not_tried_for_ever(
    make: Make, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[int] = []
    real_start = WorkerProcess.start

    async def start_and_kill(python: str, name: str) -> WorkerProcess:
        worker = await real_start(python, name)
        worker.kill()
        starts.append(worker.pid)
        return worker

    monkeypatch.setattr(WorkerProcess, "start", start_and_kill)
    backend = make(tiny)
    await backend.start()
    async with asyncio.timeout(LIMIT_S):
        while "replaced" not in backend.state().hint:
            await backend._supervisor._changed.wait()
    assert backend.state().state == "down"
    assert len(starts) == FAST.load_tries


async def test_an_interpreter_that_does_not_start_is_down_with_a_reason(tiny: Path, tmp_path: Path) -> None:
    route = LlamaRoute(kind="llama", path=tiny)
    backend = LlamaBackend("local", route, model_dir=tmp_path, python=str(tmp_path / "no-python"), timing=FAST)
    await backend.start()
    assert "cannot be started" in await until(backend, "down")
    await backend.close()


async def test_without_llama_cpp_python_it_is_off_and_says_how_to_get_it(
    make: Make, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "installed", lambda: False)
    backend = make(tiny)
    await backend.start()
    assert "pip install llama-cpp-python" in await until(backend, "off")


async def test_close_ends_a_running_reply_and_leaves_nothing_behind(make: Make, tiny: Path) -> None:
    tasks, descriptors = asyncio.all_tasks(), open_descriptors()
    backend = make(tiny)
    await backend.start()
    await until(backend, "ready")
    pid = backend.worker_pid
    stream = backend.generate(request(PERSONA, "Tell me all.", max_tokens=800))
    await anext(stream)
    await backend.close()
    with pytest.raises(RouteBroken):
        async for _ in stream:
            pass
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert asyncio.all_tasks() == tasks
    assert open_descriptors() == descriptors
    await backend.close()
    assert backend.state().state == "down"


async def test_close_before_ready_leaves_nothing_behind(make: Make, tiny: Path) -> None:
    tasks = asyncio.all_tasks()
    backend = make(tiny)
    await backend.start()
    await asyncio.sleep(0)
    await backend.close()
    assert asyncio.all_tasks() == tasks


async def test_a_route_s_own_temperature_holds_where_nobody_asks_for_another(make: Make, tiny: Path) -> None:
    backend = make(tiny, temperature=0)
    await backend.start()
    await until(backend, "ready")

    async def said(temperature: float | None) -> set[tuple[int, ...]]:
        drawn = [Sampling(temperature=temperature, min_p=0.0, repeat_penalty=1.0, seed=seed) for seed in (1, 2, 3)]
        replies = [await read(backend.generate(request(PERSONA, "Hm?", sampling=one))) for one in drawn]
        return {reply.tokens for reply in replies}

    assert len(await said(None)) == 1
    assert len(await said(1.5)) == 3
