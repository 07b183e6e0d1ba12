"""The engine's process, asked frame by frame: for what `LlamaBackend` does not tell."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.backends.llama.pipe import Frame
from server.backends.llama.process import WorkerProcess
from server.bench.engine.setup import Setup
from server.errors import BarkeepError

LOAD_S = 600.0
ANSWER_S = 600.0
GRACE_S = 2.0
_LAST = ("done", "error", "stats")
_STATM = Path("/proc")


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """Token ids, and the counts at which parts of the prompt end."""

    tokens: list[int]
    bounds: list[int]


class Worker:
    """One engine process with limits of its own. Made by `start`; ended by `close`, which must be called."""

    def __init__(self, process: WorkerProcess) -> None:
        self._process = process
        self._ids = itertools.count(1)

    @classmethod
    async def start(cls, setup: Setup, *, context: int, **limits: Any) -> Worker:
        """Load the model; `limits` are further keys of the `load` frame.

        Raises:
            BarkeepError: it cannot be loaded.
        """
        worker = cls(await WorkerProcess.start(sys.executable, "bench"))
        load = {"path": str(setup.model), "context": context, "threads": setup.threads, "gpu_layers": setup.gpu_layers}
        load["flash_attention"] = setup.flash_attention
        worker._process.send({"op": "load", **load, **limits})
        try:
            async with asyncio.timeout(LOAD_S):
                frame = await worker._process.receive()
        except BaseException:
            await worker.close()
            raise
        if frame is None or frame["op"] != "ready":
            await worker.close()
            raise BarkeepError(f"The engine does not load {setup.model}: {(frame or {}).get('message', 'it ended')}.")
        return worker

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def close(self) -> None:
        """End it."""
        await self._process.close(GRACE_S)

    def send(self, operation: str, **fields: Any) -> int:
        """Ask for something; returns the id that its answers carry."""
        job_id = next(self._ids)
        self._process.send({"op": operation, "id": job_id, **fields})
        return job_id

    def cancel(self, job_id: int) -> None:
        """Stop a job."""
        self._process.send({"op": "cancel", "id": job_id})

    async def answers(self, job_id: int) -> AsyncIterator[Frame]:
        """The answers to that job, to its last.

        Raises:
            BarkeepError: the process ended, or is silent.
        """
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    frame = await self._process.receive()
            except TimeoutError:
                raise BarkeepError("The engine is silent.") from None
            if frame is None:
                raise BarkeepError(f"The engine ended: {' / '.join(self._process.last_lines()[-2:])}")
            if frame.get("id") == job_id:
                yield frame
                if frame["op"] in _LAST:
                    return

    async def last(self, job_id: int) -> Frame:
        """The last answer to that job; raises as `answers` does."""
        async for frame in self.answers(job_id):
            final = frame
        return final

    async def generate(self, prompt: EncodedPrompt, max_tokens: int) -> Frame:
        """Answer a prompt, greedily; returns its last answer."""
        return await self.last(self.send_generate(prompt, max_tokens))

    def send_generate(self, prompt: EncodedPrompt, max_tokens: int) -> int:
        """Ask for a greedy reply; returns the id that its answers carry."""
        asked = {"tokens": prompt.tokens, "bounds": prompt.bounds, "max_tokens": max_tokens, "stop": []}
        return self.send("generate", **asked, sampling={"temperature": 0.0}, priority=10)

    async def stats(self) -> Frame:
        """Counts and sizes, as `pipe.py` describes them."""
        return await self.last(self.send("stats"))


def resident_bytes(pid: int) -> int | None:
    """The memory of a process that is in RAM, mapped files included; None where the system does not tell."""
    try:
        for line in (_STATM / str(pid) / "status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1_024
    except (OSError, ValueError, IndexError):
        pass
    return _resident_by_ps(pid)


def _resident_by_ps(pid: int) -> int | None:
    """By POSIX `ps`, where there is no /proc."""
    try:
        told = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, timeout=5, check=True
        )
        return int(told.stdout) * 1_024
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
