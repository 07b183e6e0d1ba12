"""A process of the bench: one JSON object a line, questions on its stdin, answers on its stdout."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO, Any

from server.errors import BarkeepError

_ROOT = Path(__file__).resolve().parents[3]
"""The folder of the package `server`: from there the process finds it, wherever the bench was started."""
_LINE_BYTES = 4_194_304
_GRACE_S = 5.0
ANSWER_S = 600.0
"""The longest that one answer may take: thousands of tokens on a slow machine."""


class Child:
    """Runs `python -m MODULE ARGUMENTS`; ended by `close`, which must be called."""

    def __init__(self, module: str, arguments: Sequence[str]) -> None:
        self._module = module
        self._arguments = tuple(arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._log: IO[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait for its first line.

        Raises:
            BarkeepError: it ended instead, or said nothing in time.
        """
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the process
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", self._module, *self._arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=self._log, limit=_LINE_BYTES,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))},
        )  # fmt: skip
        await self._read()

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Its one answer to `question`; raises as `start` does."""
        async for answer in self.stream(question):
            return answer
        raise self._failure()

    async def stream(self, question: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Its answers, to the one that says `done`; raises as `start` does."""
        stdin = self._running().stdin
        assert stdin is not None  # it was started with a pipe
        stdin.write(json.dumps(question).encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # its end is seen by reading
            await stdin.drain()
        while True:
            answer = await self._read()
            yield answer
            if answer.get("done"):
                return

    async def close(self) -> None:
        """End it: by closing its stdin, and by force when that is not enough. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None  # it was started with a pipe
            process.stdin.close()
            try:
                async with asyncio.timeout(_GRACE_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        log, self._log = self._log, None
        if log is not None:
            log.close()

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise BarkeepError(f"{self._module} is not running.")
        return self._process

    async def _read(self) -> dict[str, Any]:
        stdout = self._running().stdout
        assert stdout is not None  # it was started with a pipe
        try:
            async with asyncio.timeout(ANSWER_S):
                line = await stdout.readline()
        except TimeoutError:
            raise BarkeepError(f"{self._module} did not answer within {ANSWER_S:g} s.") from None
        if not line:
            raise self._failure()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failure(self) -> BarkeepError:
        told = b""
        if self._log is not None:
            self._log.seek(0)
            told = self._log.read()[-500:]
        return BarkeepError(f"{self._module} ended: {told.decode('utf-8', 'replace').strip() or 'without a word'}")


def serve_lines() -> tuple[IO[bytes], IO[bytes]]:
    """In the child: its two streams. What native code prints to stdout goes to stderr and cannot garble them."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, answers


def say_line(stream: IO[bytes], answer: dict[str, Any]) -> None:
    """In the child: send one answer."""
    stream.write(json.dumps(answer).encode() + b"\n")
    stream.flush()
