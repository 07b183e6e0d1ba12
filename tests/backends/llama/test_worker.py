from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from server.backends.llama.pipe import Frame
from server.backends.llama.process import WorkerProcess
from tests.support.llama import generate

pytestmark = pytest.mark.engine

LIMIT_S = 30
PARENT = """
import asyncio, sys
from server.backends.llama.process import WorkerProcess

async def main():
    worker = await WorkerProcess.start(sys.executable, "test")
    worker.send({"op": "load", "path": sys.argv[1], "context": 512, "threads": 1, "gpu_layers": 0})
    assert (await worker.receive())["op"] == "ready"
    print(worker.pid, flush=True)
    await worker.receive()

asyncio.run(main())
"""


def load(path: Path) -> Frame:
    return {"op": "load", "path": str(path), "context": 1024, "threads": 1, "gpu_layers": 0}


async def start(path: Path) -> WorkerProcess:
    worker = await WorkerProcess.start(sys.executable, "test")
    worker.send(load(path))
    return worker


async def answer(worker: WorkerProcess) -> Frame:
    """The next frame that is an answer: the engine tells of its pace unasked."""
    async with asyncio.timeout(LIMIT_S):
        while (frame := await worker.receive()) is not None:
            if frame["op"] != "speed":
                return frame
    pytest.fail("the worker closed its end")


async def test_it_loads_answers_and_ends_when_its_commands_do(tiny: Path) -> None:
    worker = await start(tiny)
    assert await answer(worker) == {"op": "ready", "context": 1024}
    worker.send(generate(1, [30, 31, 32], 3))
    operations = [(await answer(worker))["op"] for _ in range(6)]
    assert operations == ["forecast", "progress", "text", "text", "text", "done"]
    assert await worker.close(LIMIT_S) == "exit code 0"


async def test_it_tells_its_pace_and_how_things_are(tiny: Path) -> None:
    worker = await start(tiny)
    async with asyncio.timeout(LIMIT_S):
        while (frame := await worker.receive()) is not None and frame["op"] != "speed":
            assert frame["op"] == "ready"
    assert frame is not None
    assert frame["decode_ms"] > 0
    assert len(frame["prefill"]) > 4
    worker.send({"op": "choose", "id": 1, "tokens": [30, 31], "choices": ["yes", "no"], "priority": 10})
    assert [(await answer(worker))["op"] for _ in range(2)] == ["progress", "done"]
    worker.send({"op": "stats", "id": 2})
    stats = await answer(worker)
    assert (stats["op"], stats["id"], stats["jobs"], stats["sequences"]) == ("stats", 2, 0, 0)
    assert await worker.close(LIMIT_S) == "exit code 0"


async def test_the_end_of_a_turn_outlives_it(tiny: Path, tmp_path: Path) -> None:
    tokens = [20 + index % 90 for index in range(200)]
    keeping = {**load(tiny), "disk_folder": str(tmp_path / "states"), "fingerprint": "tiny"}
    cached = []
    for _ in range(2):
        worker = await WorkerProcess.start(sys.executable, "test")
        worker.send(keeping)
        worker.send(generate(1, tokens, 4, bounds=[100, 200]))
        while (frame := await answer(worker))["op"] != "done":
            pass
        cached.append(frame["cached"])
        worker.send(generate(2, [*tokens, 30, 31], 4))
        while (frame := await answer(worker))["op"] != "done":
            pass
        assert await worker.close(LIMIT_S) == "exit code 0"
    assert cached == [0, 100]


async def test_it_ends_in_the_middle_of_its_work_too(tiny: Path) -> None:
    worker = await start(tiny)
    await answer(worker)
    worker.send(generate(1, [30] * 500, 500))
    await answer(worker)
    assert await worker.close(LIMIT_S) == "exit code 0"


async def test_a_model_that_cannot_be_loaded_is_reported_with_the_log(tmp_path: Path) -> None:
    path = tmp_path / "none.gguf"
    path.write_bytes(b"GGUF and then nothing")
    worker = await start(path)
    failed = await answer(worker)
    assert failed["op"] == "failed"
    assert str(path) in failed["message"]
    await worker.close(LIMIT_S)
    assert any("failed to load model" in line for line in worker.last_lines())


async def test_a_killed_worker_closes_its_pipe_and_says_by_which_signal(tiny: Path) -> None:
    worker = await start(tiny)
    await answer(worker)
    worker.kill()
    assert await worker.receive() is None
    worker.send(generate(1, [30]))
    assert (await worker.close(LIMIT_S)).startswith(("signal 9", "exit code 1"))


async def test_a_garbled_command_ends_it_with_a_reason(tiny: Path) -> None:
    worker = await start(tiny)
    await answer(worker)
    worker._commands.write(b"\0\0\0\1x")
    assert await worker.receive() is None
    await worker.close(LIMIT_S)
    assert any("command pipe" in line for line in worker.last_lines())


async def test_a_worker_that_does_not_end_by_itself_is_killed(tiny: Path) -> None:
    worker = await start(tiny)
    await answer(worker)
    assert (await worker.close(0)).startswith(("signal 9", "exit code 0", "exit code 1"))


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for a process that is not its child")
def test_it_does_not_outlive_its_parent(tiny: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tiny)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        worker = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait(LIMIT_S)
    ended = select.poll()
    ended.register(worker, select.POLLIN)
    assert ended.poll(LIMIT_S * 1_000)
    os.close(worker)


def test_it_imports_neither_pydantic_nor_aiohttp() -> None:
    code = "import sys, server.backends.llama.worker; print(*(m for m in ('pydantic', 'aiohttp') if m in sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=LIMIT_S)
    assert result.stdout.strip() == ""
