"""How much time the server adds to a turn: real sockets, database and prompts, and a backend that takes no time.

The server runs in this process as `serve` runs it, with the personas, mods, budgets and limits of the configuration;
its memory is a new folder, its only route is scripted. The clients are a process of their own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from server.app import Barkeep, settle
from server.bench import figures
from server.bench.client import Job, Sample
from server.bench.figures import Spread
from server.bench.load import Load
from server.bench.probe import TimedBackend, timed_script
from server.bench.report import Measured
from server.bench.wire import Recording, RecordingLoop
from server.config import LogSettings, ScriptedRoute, Settings
from server.errors import BarkeepError
from server.routing.router import Router

ROUTE = "bench"
ECHO_SECONDS = 5.0
CONNECTING_S = 60.0
EXTRA_CONNECTIONS = 8
STOP_S = 2.0
_ROOT = Path(__file__).resolve().parents[2]
"""The folder of the package `server`: from there the client process finds it, wherever this one was started."""


def run(settings: Settings, loads: Sequence[Load]) -> list[Measured]:
    """Measure each load on a server of its own; progress goes to stderr. Ctrl-C ends it with everything it started.

    Raises:
        BarkeepError: the server cannot start, or failed a client.
    """
    recording = Recording()
    with asyncio.Runner(loop_factory=lambda: RecordingLoop(recording)) as runner:
        return runner.run(_measure_all(settings, loads, recording))


async def _measure_all(settings: Settings, loads: Sequence[Load], recording: Recording) -> list[Measured]:
    return [await _measure(settings, load, recording) for load in loads]


async def _measure(settings: Settings, load: Load, recording: Recording) -> Measured:
    _tell(f"{load.who}: echo, {min(load.seconds, ECHO_SECONDS):g} s at most after the warm-up …")
    echo = await _echo(load)
    _tell(f"{load.who}: talk, {load.seconds:g} s at most after the warm-up …")
    recording.clear()
    async with _barkeep(settings, load) as (url, backend):
        began_s, cpu_began_s = time.monotonic(), time.process_time()
        samples = await _clients(Job("talk", url, load))
        cpu_s, took_s = time.process_time() - cpu_began_s, time.monotonic() - began_s
    asked = backend.asked
    measured = frozenset(sample["id"] for sample in samples)
    return Measured(
        load=load,
        turns=len(samples),
        says_per_second=round(len(asked) / took_s, 2),
        cpu_ms_per_turn=round(cpu_s * 1_000 / max(1, len(asked)), 3),
        say_to_request=Spread.of(figures.say_to_request(recording, asked, measured)),
        token_to_frame=Spread.of(figures.token_to_frame(recording, asked, measured)),
        client_ok=figures.between(samples, "sent", "ok"),
        client_words=figures.between(samples, "sent", "words"),
        echo=echo,
    )


@asynccontextmanager
async def _barkeep(settings: Settings, load: Load) -> AsyncIterator[tuple[str, TimedBackend]]:
    """A server on a free port of this machine, and the backend that answers for it."""
    with tempfile.TemporaryDirectory(prefix="barkeep-bench-", ignore_cleanup_errors=True) as folder:
        barkeep = await Barkeep.start(_bench_settings(settings, load, Path(folder)))
        try:
            backend = timed_script(ROUTE)
            barkeep.stage.router = Router([backend])  # the route of the settings, with a clock beside it
            settle()
            yield barkeep.url, backend
        finally:
            await barkeep.close()


def _bench_settings(settings: Settings, load: Load, folder: Path) -> Settings:
    limits = settings.server.limits
    enough = max(limits.connections, load.clients + EXTRA_CONNECTIONS)
    limits = limits.model_copy(update={"connections": enough})
    server = settings.server.model_copy(update={"host": "127.0.0.1", "port": 0, "token": None, "limits": limits})
    return settings.model_copy(
        update={
            "server": server,
            "data_dir": folder,
            "routes": {ROUTE: ScriptedRoute(kind="scripted")},
            "dialogue": settings.dialogue.model_copy(update={"order": (ROUTE,)}),
            "log": LogSettings(level="warning"),
        }
    )


async def _echo(load: Load) -> Spread:
    """What the machine and the websocket library cost alone, at the same pace."""
    app = web.Application()
    app.router.add_get("/", _send_back)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        short = Load(load.clients, load.turns, load.warm_up, min(load.seconds, ECHO_SECONDS), load.period_s)
        samples = await _clients(Job("echo", f"ws://{host}:{port}/", short))
    finally:
        await runner.cleanup()
    return figures.between(samples, "sent", "back")


async def _send_back(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    async for message in ws:
        await ws.send_str(message.data)
    return ws


async def _clients(job: Job) -> list[Sample]:
    """Run the client process.

    Raises:
        BarkeepError: it failed, or did not end in time.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.bench.client", job.to_json(), cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    warm_up_s = job.load.warm_up * job.load.period_s * 2
    try:
        async with asyncio.timeout(CONNECTING_S + warm_up_s + job.load.seconds * 2):
            out, told = await process.communicate()
    except TimeoutError:
        raise BarkeepError("The bench's clients did not end in time.", "Try fewer clients or turns.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise BarkeepError(f"A client of the bench failed: {told.decode(errors='replace').strip()[-500:]}")
    samples: list[Sample] = json.loads(out)
    return samples


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
