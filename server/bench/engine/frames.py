"""What only the engine's own frames tell: how soon it stops, what a restore takes, and what it keeps where."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.backends.llama.vocab import Vocabulary
from server.bench.engine.cast import Writer
from server.bench.engine.conversation import Conversation
from server.bench.engine.results import Finding
from server.bench.engine.setup import Setup
from server.bench.engine.worker import EncodedPrompt, Worker, resident_bytes
from server.bench.progress import Progress

STOP_AIM_MS = 10.0
RAM_AIM_MS, DISK_AIM_MS = 5.0, 60.0
REPLY_TOKENS = 400
RESTORED = 4
RESTORED_TOKENS = 1_000
ROOM_FOR = 3.5
"""Prompts that fit the context of the restore rows: fewer than two, so that one is always in RAM."""
CROWD_TOKENS = 100
CROWD_ROOM = 60
CROWD_LARGEST_MODEL = 1_000_000_000
POLL_S = 0.1
MIB = 1_048_576
FINGERPRINT = "bench"


class Prompts:
    """Prompts of any length as token ids."""

    def __init__(self, setup: Setup, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._writer = Writer(vocabulary)
        self._tokens = setup.persona_tokens

    def turn(self, number: int, tokens: int = 0, *, again: bool = False) -> EncodedPrompt:
        """A first turn of a character of about so many tokens; `again`: with another line."""
        talk = Conversation(self._writer.character(number, tokens or self._tokens))
        line = self._writer.line(f"frames {number} {'again' if again else ''}")
        return EncodedPrompt(self._vocabulary.encode(talk.prompt(line)), [len(self._vocabulary.encode(talk.head()))])


async def findings(setup: Setup, folder: Path, vocabulary: Vocabulary, progress: Progress) -> list[Finding]:
    """Measure all of it, each on an engine process of its own."""
    prompts = Prompts(setup, vocabulary)
    found: list[Finding] = []
    if setup.wants("stop"):
        progress.show("stopping")
        found += await _stopping(setup, prompts)
    if not setup.wants("restore") and not setup.wants("crowd"):
        return found
    progress.show("restoring")
    levels = await _levels(setup, folder / "levels", prompts)
    found += levels.findings(setup)
    if setup.wants("crowd") and setup.crowd and setup.model.stat().st_size <= CROWD_LARGEST_MODEL and levels.ram_state:
        found += await _crowd(setup, folder / "crowd", prompts, levels, progress)
    return found


@asynccontextmanager
async def _worker(setup: Setup, context: int, **limits: Any) -> AsyncIterator[Worker]:
    worker = await Worker.start(setup, context=context, **limits)
    try:
        yield worker
    finally:
        await worker.close()


async def _stopping(setup: Setup, prompts: Prompts) -> list[Finding]:
    async with _worker(setup, setup.context) as worker:
        speaking = [await _stop(worker, prompts.turn(0), "text", after=3 + turn) for turn in range(setup.turns)]
        reading = [await _stop(worker, prompts.turn(100 + turn), "progress", after=1) for turn in range(setup.few)]
    found = []
    for key, title, stops in (
        ("stop_speaking", "a reply", speaking),
        ("stop_reading", "the reading of a prompt", reading),
    ):
        taken = [stop for stop in stops if stop.stopped]
        if not taken:
            found.append(Finding(key, f"stop of {title} -> engine free", None, "ms", "it had always ended before"))
            continue
        worst, step = max(stop.took_ms for stop in taken), max(stop.step_ms for stop in taken)
        detail = f"median {statistics.median(stop.took_ms for stop in taken):.1f} ms, longest step {step:.1f} ms"
        aim, met = f"<= step + {STOP_AIM_MS:g}", worst <= step + STOP_AIM_MS
        found.append(Finding(key, f"stop of {title} -> engine free, worst", round(worst, 2), "ms", detail, aim, met))
    return found


@dataclass(frozen=True, slots=True)
class _Stop:
    """`step_ms`: the longest time between two signs of life before. `stopped`: False where the job had ended."""

    took_ms: float
    step_ms: float
    stopped: bool


async def _stop(worker: Worker, prompt: EncodedPrompt, sign: str, *, after: int) -> _Stop:
    """Cancel a job at the `after`th frame of that kind, and wait until the engine has let it go."""
    job = worker.send_generate(prompt, REPLY_TOKENS)
    seen, told_at, at, steps, reason = 0, time.perf_counter(), 0.0, [0.0], ""
    async for frame in worker.answers(job):
        now = time.perf_counter()
        if not at and (frame["op"] == sign or sign == "progress"):
            steps.append(now - told_at)
        told_at = now
        seen += frame["op"] == sign
        if seen == after and not at:
            at = time.perf_counter()
            worker.cancel(job)
        reason = str(frame.get("reason", ""))
    return _Stop((time.perf_counter() - at) * 1_000, max(steps) * 1_000, stopped=reason == "cancelled")


@dataclass(frozen=True, slots=True)
class _Levels:
    """What a state takes at each level, in bytes or cells, and milliseconds to bring one thousand tokens back."""

    model_bytes: int
    resident: int | None
    ram_ms: list[float]
    disk_ms: list[float]
    states: dict[str, dict[str, int]]

    @property
    def ram_state(self) -> float:
        """Bytes of one state in RAM; 0 where the engine tells nothing of it."""
        ram = self.states.get("ram", {})
        return ram.get("bytes", 0) / ram["count"] if ram.get("count") else 0.0

    def findings(self, setup: Setup) -> list[Finding]:
        """As rows."""
        found = [
            _restored("restore_ram", "restore of 1,000 tokens from RAM", self.ram_ms, RAM_AIM_MS),
            _restored("restore_disk", "restore of 1,000 tokens from disk", self.disk_ms, DISK_AIM_MS),
        ]
        for level, size in self.states.items():
            count = size.get("count", 0)
            unit, amount = next(((key, value) for key, value in size.items() if key != "count"), ("bytes", 0))
            value = round(amount / count) if count else None
            found.append(Finding(f"state_{level}", f"one state in {level}", value, unit, f"of {count} states"))
        ratio = round(self.resident / self.model_bytes, 3) if self.resident else None
        detail = f"{(self.resident or 0) / 1e6:,.0f} MB, the file {self.model_bytes / 1e6:,.0f} MB"
        return [*found, Finding("rss", "memory of the engine's process", ratio, "x file", detail)]


def _restored(key: str, title: str, times_ms: Sequence[float], aim_ms: float) -> Finding:
    if not times_ms:
        return Finding(key, title, None, "ms", "the engine does not tell, or read it again", f"<= {aim_ms:g}", False)
    median = statistics.median(times_ms)
    detail = f"worst {max(times_ms):.2f} ms of {len(times_ms)}"
    return Finding(key, title, round(median, 3), "ms", detail, f"<= {aim_ms:g}", median <= aim_ms)


async def _levels(setup: Setup, folder: Path, prompts: Prompts) -> _Levels:
    """Prompts of a thousand tokens, more than the context holds: from RAM, and after a restart from disk."""
    tokens = min(RESTORED_TOKENS, setup.persona_tokens * 4)
    turns = [prompts.turn(number, tokens) for number in range(RESTORED)]
    context = max(512, round(max(len(turn.tokens) for turn in turns) * ROOM_FOR))
    limits = {"disk_folder": str(folder), "fingerprint": FINGERPRINT}
    async with _worker(setup, context, **limits) as worker:
        for turn in turns:
            await worker.generate(turn, 2)
        await _settled(worker, setup.idle_s)
        ram_ms = await _restores(worker, prompts, tokens)
        states = await _settled(worker, setup.idle_s)
        resident = resident_bytes(worker.pid)
    async with _worker(setup, context, **limits) as worker:
        disk_ms = await _restores(worker, prompts, tokens)
    return _Levels(setup.model.stat().st_size, resident, ram_ms, disk_ms, states)


async def _restores(worker: Worker, prompts: Prompts, tokens: int) -> list[float]:
    """Milliseconds a thousand tokens of each restore that there was; the engine has a moment between two."""
    taken = []
    for number in range(RESTORED):
        await worker.stats()
        done = await worker.generate(prompts.turn(number, tokens, again=True), 2)
        restore_ms = (done.get("ms") or {}).get("restore")
        if restore_ms is not None and done["cached"] >= tokens / 2:
            taken.append(float(restore_ms) * 1_000 / done["cached"])
    return taken


async def _settled(worker: Worker, idle_s: float) -> dict[str, dict[str, int]]:
    """The states at each level, once they have stayed as they are for `idle_s`."""
    states: dict[str, dict[str, int]] = {}
    since = time.monotonic()
    while time.monotonic() - since < idle_s:
        before, states = states, (await worker.stats()).get("states", {})
        if before != states:
            since = time.monotonic()
        await asyncio.sleep(POLL_S)  # the engine tells when it is asked, not of its own accord
    return states


async def _crowd(setup: Setup, folder: Path, prompts: Prompts, levels: _Levels, progress: Progress) -> list[Finding]:
    """Many more NPCs than the caps have room for, and the most that was ever kept."""
    per_state = levels.ram_state
    ram_cap = max(MIB, round(per_state * CROWD_ROOM * CROWD_TOKENS / RESTORED_TOKENS))
    disk_cap = 2 * ram_cap
    limits = {"ram_bytes": ram_cap, "disk_bytes": disk_cap, "disk_folder": str(folder), "fingerprint": FINGERPRINT}
    most = {"ram": 0, "disk": 0}
    rss = 0
    async with _worker(setup, setup.context, **limits) as worker:
        for number in range(setup.crowd):
            progress.show(f"caps: NPC {number + 1} of {setup.crowd}")
            await worker.generate(prompts.turn(number, CROWD_TOKENS), 2)
            states = (await worker.stats()).get("states", {})
            most = {level: max(held, states.get(level, {}).get("bytes", 0)) for level, held in most.items()}
            rss = max(rss, resident_bytes(worker.pid) or 0)
        states = await _settled(worker, setup.idle_s)
        most = {level: max(held, states.get(level, {}).get("bytes", 0)) for level, held in most.items()}
    found = []
    for level, cap in (("ram", ram_cap), ("disk", disk_cap)):
        title = f"most kept in {level} over {setup.crowd} NPCs"
        detail = f"cap {cap / MIB:.1f} MiB, {states.get(level, {}).get('count', 0)} states at the end"
        value, met = round(most[level] / MIB, 2), most[level] <= cap
        found.append(Finding(f"crowd_{level}", title, value, "MiB", detail, "<= cap", met))
    detail = f"most over {setup.crowd} NPCs"
    return [*found, Finding("crowd_rss", "memory of the engine's process", round(rss / 1e6), "MB", detail)]
