"""Keeps one engine process alive over one model file, and brings each answer to the one who asked."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from server.backends.base import RouteCondition
from server.backends.llama.file_hash import file_hash
from server.backends.llama.gguf_file import ModelFile, read_model_file
from server.backends.llama.native import INSTALL_HINT, installed
from server.backends.llama.pace import Pace
from server.backends.llama.pipe import Frame
from server.backends.llama.process import WorkerProcess
from server.backends.llama.threads import automatic_threads
from server.backends.llama.vocab import Vocabulary
from server.config import LlamaRoute
from server.errors import ModelFileError, RouteUnavailable

log = structlog.get_logger(__name__)

MIB = 1_048_576
_LAST_FRAMES = ("done", "error")

_Version = tuple[Path, int, int] | None
"""The route's file, its size in bytes and the time of its last change in nanoseconds; None while there is none."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, unless named otherwise.

    `poll_s`: between two looks for a file that is missing or was refused. `restart_s` doubles with each death up to
    `restart_most_s`. `load_s`: to load a model. `silence_s`: without a sign from a worker that has work. `grace_s`: to
    end by itself. `load_tries`: deaths during loading, one after another, before the file counts as refused.
    """

    poll_s: float = 2.0
    restart_s: float = 0.5
    restart_most_s: float = 30.0
    load_s: float = 600.0
    silence_s: float = 120.0
    grace_s: float = 2.0
    load_tries: int = 3


@dataclass(frozen=True, slots=True)
class _Ending:
    """How one run of the worker ended. `refused`: it said that it cannot load the file. `useful`: it finished a job."""

    message: str
    refused: bool = False
    loaded: bool = False
    useful: bool = False


class Supervisor:
    """Finds the model file, runs a worker on it, reads its vocabulary, and starts the next worker when that one dies.

    `locate` gives the file, or None while there is none. A file that cannot be used is tried again once it has changed.
    The vocabulary is read here only after the worker has read it: a file that crashes llama.cpp crashes the worker.
    """

    def __init__(
        self,
        name: str,
        route: LlamaRoute,
        locate: Callable[[], Path | None],
        *,
        missing_hint: str,
        cache_dir: Path | None,
        python: str,
        timing: Timing,
    ) -> None:
        self._name = name
        self._route = route
        self._locate = locate
        self._missing_hint = missing_hint
        self._cache_dir = cache_dir
        self._python = python
        self._timing = timing
        self._task: asyncio.Task[None] | None = None
        self._worker: WorkerProcess | None = None
        self._jobs: dict[int, asyncio.Queue[Frame]] = {}
        self._ids = itertools.count(1)
        self._silence = asyncio.timeout(None)
        self._changed = asyncio.Event()
        self._finished_job = False
        self._tried: _Version = None
        self.condition: RouteCondition = "loading"
        self.hint = "The engine has not been started."
        self.vocabulary: Vocabulary | None = None
        self.pace: Pace | None = None

    def start(self) -> None:
        """Begin in the background; a second call does nothing."""
        if self._task is None:
            self._set("loading", "The model is being loaded.")
            self._task = asyncio.create_task(self._supervise(), name=f"llama:{self._name}")
            self._task.add_done_callback(self._report_defect)

    async def close(self) -> None:
        """End the worker and everything waiting for it. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._set("down", "The engine was closed.")

    @property
    def worker_pid(self) -> int | None:
        """The process id of a worker that is ready, else None."""
        return self._worker.pid if self._worker else None

    async def until(self, *conditions: RouteCondition) -> None:
        """Wait until `condition` is one of `conditions`; the caller sets the limit."""
        while self.condition not in conditions:
            await self._changed.wait()

    @contextlib.contextmanager
    def job(self, frame: Frame) -> Iterator[AsyncIterator[Frame]]:
        """Send `frame` with an id of its own; gives its answers, to the `done` or `error` that is the last.

        Leaving the context before that cancels the job in the worker.

        Raises:
            RouteUnavailable: no worker is ready.
        """
        worker = self._worker
        if worker is None:
            raise RouteUnavailable(f"The route {self._name} is {self.condition}.", self.hint)
        job_id = next(self._ids)
        answers: asyncio.Queue[Frame] = asyncio.Queue()
        self._jobs[job_id] = answers
        worker.send({**frame, "id": job_id})
        self._expect_a_sign()
        try:
            yield _until_last(answers)
        finally:
            # Still in the table: the worker has not answered for it. It stays there until it has.
            if job_id in self._jobs:
                worker.send({"op": "cancel", "id": job_id})

    async def _supervise(self) -> None:
        deaths = failed_loads = 0
        while (file := await self._usable_file()) is not None:
            ending = await self._run_worker(file)
            deaths = 1 if ending.useful else deaths + 1
            failed_loads = 0 if ending.loaded else failed_loads + 1
            log.warning("engine.ended", route=self._name, reason=ending.message, deaths=deaths)
            if ending.refused or failed_loads >= self._timing.load_tries:
                self._set("down", f"{ending.message} Once {file.path} is replaced it is tried again.")
                await self._another_file()
                deaths = failed_loads = 0
                continue
            delay_s = min(self._timing.restart_s * 2 ** min(deaths - 1, 16), self._timing.restart_most_s)
            self._set("down", f"{ending.message} It is started again within {delay_s:g} s.")
            await asyncio.sleep(delay_s)

    async def _usable_file(self) -> ModelFile | None:
        """Wait for a model file with a good header; None when llama-cpp-python is not there to run any."""
        while True:
            if not installed():
                self._set("off", f"llama-cpp-python is not installed. {INSTALL_HINT}")
                return None
            # Taken before the file is read: a change while it is read is a change.
            self._tried = self._version()
            if self._tried is None:
                self._set("off", self._missing_hint)
                await self._another_file()
                continue
            path = self._tried[0]
            self._set("loading", f"{path.name} is being loaded.")
            try:
                return await asyncio.to_thread(read_model_file, path)
            except ModelFileError as error:
                self._set("down", f"{error.message} {error.hint}")
                await self._another_file()

    async def _another_file(self) -> None:
        """Wait until the route's file is not the one last tried, or not as it was then."""
        while self._version() == self._tried:  # noqa: ASYNC110 - a file system sends no events
            await asyncio.sleep(self._timing.poll_s)

    def _version(self) -> _Version:
        path = self._locate()
        try:
            status = path.stat() if path else None
        except OSError:
            return None
        return (path, status.st_size, status.st_mtime_ns) if path and status else None

    async def _run_worker(self, file: ModelFile) -> _Ending:
        try:
            worker = await WorkerProcess.start(self._python, self._name)
        except OSError as error:
            return _Ending(f"The engine's process cannot be started: {error}.")
        self._finished_job = False
        loaded = False
        try:
            refusal = await self._load(worker, file)
            if refusal is None:
                loaded = True
                await self._pass_answers_on(worker)
        finally:
            self._worker = None
            self._set("loading", "The engine is being started again.")
            self._fail_jobs()
            how = await worker.close(self._timing.grace_s)
        if refusal:
            return _Ending(f"{refusal} {_tail(worker)}".strip(), refused=True)
        return _Ending(f"The engine stopped ({how}). {_tail(worker)}".strip(), loaded=loaded, useful=self._finished_job)

    async def _load(self, worker: WorkerProcess, file: ModelFile) -> str | None:
        """Have the model loaded; returns why not, empty when the worker ended without a word, None when it is ready."""
        path = str(file.path)
        threads = automatic_threads() if self._route.threads == "auto" else self._route.threads
        worker.send(await asyncio.to_thread(self._load_frame, file, threads))
        try:
            async with asyncio.timeout(self._timing.load_s):
                frame = await worker.receive()
        except TimeoutError:
            worker.kill()
            return f"{path} was not loaded within {self._timing.load_s:g} s."
        if frame is None:
            return ""
        if frame["op"] == "failed":
            return f"{frame['message']}."
        try:
            if self.vocabulary is None or self.vocabulary.file != file:
                self.vocabulary = await asyncio.to_thread(Vocabulary, file)
        except (ModelFileError, RouteUnavailable) as error:
            return f"{error.message} {error.hint}"
        self._worker = worker
        self._set("ready", "")
        log.info("engine.ready", route=self._name, path=path, context=frame["context"], threads=threads)
        return None

    def _load_frame(self, file: ModelFile, threads: int) -> Frame:
        """What the worker is to load, and what it may keep. Blocks for a second where the file was never hashed."""
        route, folder = self._route, self._cache_dir
        return {
            "op": "load",
            "path": str(file.path),
            "context": min(route.context, file.context),
            "threads": threads,
            "gpu_layers": route.gpu_layers,
            "batch": route.batch,
            "sequences": route.sequences,
            "kv_type": route.kv_type,
            "flash_attention": route.flash_attention,
            "ram_bytes": route.ram_cache_mb * MIB,
            "disk_bytes": route.disk_cache_mb * MIB if folder else 0,
            "disk_folder": str(folder / "states") if folder else None,
            "fingerprint": file_hash(file.path, folder) if folder else "",
        }

    async def _pass_answers_on(self, worker: WorkerProcess) -> None:
        """Hand out what the worker sends, until it ends or has been silent for too long."""
        try:
            async with asyncio.timeout(None) as self._silence:
                while (frame := await worker.receive()) is not None:
                    self._deliver(frame)
                    self._expect_a_sign()
        except TimeoutError:
            log.error("engine.silent", route=self._name, silence_s=self._timing.silence_s)
            worker.kill()

    def _deliver(self, frame: Frame) -> None:
        if frame["op"] == "speed":
            self.pace = Pace.of(frame["prefill"], frame["decode_ms"]) or self.pace
            return
        answers = self._jobs.get(frame.get("id", 0))
        if answers is None:
            return
        answers.put_nowait(frame)
        if frame["op"] in _LAST_FRAMES:
            self._finished_job = self._finished_job or frame["op"] == "done"
            del self._jobs[frame["id"]]

    def _expect_a_sign(self) -> None:
        """Restart the clock of silence; it stands still while nothing is asked of the worker."""
        now = asyncio.get_running_loop().time()
        if self._worker is not None:
            self._silence.reschedule(now + self._timing.silence_s if self._jobs else None)

    def _fail_jobs(self) -> None:
        for job_id, answers in self._jobs.items():
            answers.put_nowait({"op": "error", "id": job_id, "kind": "broken", "message": "The engine stopped."})
        self._jobs.clear()

    def _report_defect(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("engine.defect", route=self._name, exc_info=task.exception())
            self._set("down", "The engine's supervisor failed; the log says how. Restart the server.")

    def _set(self, condition: RouteCondition, hint: str) -> None:
        self.condition, self.hint = condition, hint
        # Whoever waits now is woken; whoever comes later waits on the next event.
        self._changed.set()
        self._changed = asyncio.Event()


async def _until_last(answers: asyncio.Queue[Frame]) -> AsyncIterator[Frame]:
    while True:
        frame = await answers.get()
        yield frame
        if frame["op"] in _LAST_FRAMES:
            return


def _tail(worker: WorkerProcess) -> str:
    """The last things that llama.cpp said, as part of a message; empty when it said nothing."""
    lines = [line for line in worker.last_lines() if "error" in line.lower() or "fail" in line.lower()]
    return f"It said: {' / '.join(lines[-2:])}" if lines else ""
