"""One run: every contestant on one file, row by row, in turn, so that a noisy moment of the machine meets all."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from server.backends.llama.vocab import Vocabulary
from server.bench.engine import alone, chats, frames
from server.bench.engine.barkeep import Barkeep
from server.bench.engine.contestant import Contestant
from server.bench.engine.floor import Floor
from server.bench.engine.floor_child import CELL_GRAIN
from server.bench.engine.high_level import HighLevel
from server.bench.engine.peer import ChatPeer, Peer
from server.bench.engine.peer_process import llama_cpp_server
from server.bench.engine.player import Player, Sample
from server.bench.engine.results import Finding, Results, RowResult
from server.bench.engine.rows import Row, rows
from server.bench.engine.setup import Setup
from server.bench.progress import Progress


class _Startable(Protocol):
    async def start(self) -> None: ...
    async def close(self) -> None: ...


def run(setup: Setup) -> Results:
    """Measure everything; progress goes to stderr. Ctrl-C ends it with everything it started.

    Raises:
        BarkeepError: a contestant cannot be started, or ended.
    """
    progress = Progress()
    try:
        with tempfile.TemporaryDirectory(prefix="barkeep-bench-", ignore_cleanup_errors=True) as folder:
            return asyncio.run(_run(setup, Path(folder), progress))
    finally:
        progress.close()


async def _run(setup: Setup, folder: Path, progress: Progress) -> Results:
    progress.say(f"{setup.model.name}: loading …")
    barkeep = Barkeep(setup, folder)
    async with _started(barkeep):
        vocabulary = barkeep.vocabulary
        players = [Player(barkeep, setup, vocabulary)]
        floor = Floor(setup)
        async with AsyncExitStack() as stack:
            peer = setup.peer
            if not peer and setup.peer_python is not None:
                peer = await stack.enter_async_context(llama_cpp_server(setup.peer_python, setup, folder))
            await stack.enter_async_context(_started(floor))
            wanted = [row for row in rows(setup) if setup.wants(row.kind)]
            others: list[Contestant] = [HighLevel(setup, vocabulary), *([Peer(peer)] if peer else [])]
            for other in others if wanted else ():
                await stack.enter_async_context(_started(other))
                players.append(Player(other, setup, vocabulary))
            found = [await _play(row, players, floor, progress) for row in wanted]
            if setup.wants("chats"):
                found.append(await _chats(setup, peer, folder / "served", vocabulary, floor, progress))
        findings = _told(await alone.findings(barkeep, players[0], progress), progress)
    findings += _told(await frames.findings(setup, folder, vocabulary, progress), progress)
    return Results([result for result in found if result.samples], findings)


async def _chats(
    setup: Setup, peer: str, folder: Path, vocabulary: Vocabulary, floor: Floor, progress: Progress
) -> RowResult:
    """The row over HTTP, by the whole server and the peer."""
    contestants = [chats.Served(setup, folder), *([ChatPeer(peer)] if peer else [])]
    async with AsyncExitStack() as stack:
        for contestant in contestants:
            await stack.enter_async_context(_started(contestant))
        players = [Player(contestant, setup, vocabulary) for contestant in contestants]
        return await _play(chats.row(setup), players, floor, progress)


def _told(findings: list[Finding], progress: Progress) -> list[Finding]:
    for finding in findings:
        progress.say(f"{finding.title}: {finding.value} {finding.unit} {finding.detail}")
    return findings


@asynccontextmanager
async def _started(one: _Startable) -> AsyncIterator[None]:
    try:
        await one.start()
        yield
    finally:
        await one.close()


async def _play(row: Row, players: Sequence[Player], floor: Floor, progress: Progress) -> RowResult:
    """All samples of one row: a turn of each contestant, then the floor of what they did, and again."""
    samples: dict[str, list[Sample]] = {}
    async with AsyncExitStack() as stack:
        plays = {}
        for player in players:
            if row.takes_part(player):
                plays[player.contestant.name] = await stack.enter_async_context(aclosing(row.play(player)))
        while plays:
            measured: dict[str, Sample] = {}
            for name, play in list(plays.items()):
                progress.show(f"{row.title}: {name}, turn {len(samples.get(name, ())) + 1}")
                if (sample := await anext(play, None)) is None:
                    del plays[name]
                else:
                    measured[name] = sample
            for name, sample in (await _floored(measured, floor)).items():
                samples.setdefault(name, []).append(sample)
    result = RowResult(row.key, row.title, {name: tuple(taken) for name, taken in samples.items()})
    for name, summary in result.summaries.items():
        # A run takes long, and may be ended before its table is there.
        told = f"first {summary.median_ms:.0f} ms, {summary.new} new, read {summary.evaluated}"
        progress.say(f"{row.title}: {name}: {told}, {summary.times_floor} x floor of {summary.floor_ms:.0f} ms")
    return result


async def _floored(samples: dict[str, Sample], floor: Floor) -> dict[str, Sample]:
    """The samples of one round beside their floor, measured once for those that are alike."""
    known: dict[tuple[int, int], float] = {}
    found = {}
    for name, sample in samples.items():
        size = (sample.cells // CELL_GRAIN, sample.new)
        if size not in known:
            known[size] = await floor.measure_ms(sample.cells, sample.new)
        found[name] = replace(sample, floor_ms=known[size])
    return found
