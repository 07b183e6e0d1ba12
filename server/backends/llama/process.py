"""The server's end of the engine's process: start it, talk to it, know why it died, leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from pathlib import Path

import server
from server.backends.llama.pipe import Frame, FrameError, pack, receive_frame

_LOG_LINES = 40
_LOG_LINE_BYTES = 65_536
_IMPORT_ROOT = str(Path(server.__file__).resolve().parent.parent)


class WorkerProcess:
    """One run of the engine's process. Made by `start`; ended by `close`, which must be called."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise ValueError("the worker talks over three pipes")
        self._process = process
        self._commands = stdin
        self._answers = stdout
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._log_task = asyncio.create_task(self._read_log(stderr), name=f"llama:{name}:log")

    @classmethod
    async def start(cls, python: str, name: str) -> WorkerProcess:
        """Start the interpreter `python` on the worker's module; `name` is the route's.

        Raises:
            OSError: the interpreter cannot be started.
        """
        search_path = os.pathsep.join([_IMPORT_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])])
        process = await asyncio.create_subprocess_exec(
            python,
            "-P",  # the working folder is the user's; nothing is imported from it
            "-m",
            "server.backends.llama.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LOG_LINE_BYTES,
            env={**os.environ, "PYTHONPATH": search_path},
        )
        return cls(process, name)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def send(self, frame: Frame) -> None:
        """Write `frame` without waiting. A worker that is gone takes it silently: its end is seen by `receive`."""
        if not self._commands.is_closing():
            self._commands.write(pack(frame))

    async def receive(self) -> Frame | None:
        """The next frame; None when the process closed its end or sent what is not a frame."""
        try:
            return await receive_frame(self._answers)
        except (FrameError, OSError) as error:
            self._log.append(f"answer pipe: {error}")
            return None

    async def close(self, grace_s: float) -> str:
        """End the process: politely by closing its commands, by force after `grace_s`; returns how it ended."""
        self._commands.close()
        try:
            async with asyncio.timeout(grace_s):
                await self._ended()
        except TimeoutError:
            self.kill()
            await self._ended()
        await self._log_task
        with contextlib.suppress(OSError):  # a dead worker cannot take what was still in its pipe
            await self._commands.wait_closed()
        return self._ending()

    def last_lines(self) -> list[str]:
        """The end of the worker's log, oldest first. It holds nothing that anybody said."""
        return list(self._log)

    def kill(self) -> None:
        """End the process at once; `receive` then returns None."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _ended(self) -> None:
        # Answers nobody waits for are read off: with its pipe full the process could not end.
        with contextlib.suppress(OSError):
            while await self._answers.read(_LOG_LINE_BYTES):
                pass
        await self._process.wait()

    def _ending(self) -> str:
        code = self._process.returncode
        if code == -9:
            return "signal 9, as when the system runs out of memory"
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    async def _read_log(self, stderr: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stderr.readline()
            except ValueError:
                continue  # a line longer than the limit; the stream has dropped it
            if not line:
                return
            text = line.decode("utf-8", "replace").strip()
            if text.strip("."):
                self._log.append(text)
