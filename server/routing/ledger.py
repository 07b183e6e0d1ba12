"""The books behind the purse: rows on their way to memory, so that no reply waits for a write."""

from __future__ import annotations

import asyncio

import structlog

from server.errors import StoreError
from server.memory.spend import KnownRatio, PaidCall
from server.memory.store import Memory

_log = structlog.get_logger(__name__)


class Ledger:
    """Writes in the background, in order. Owned by whoever made it: `close` waits for the last row."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._calls: list[PaidCall] = []
        self._ratios: dict[str, KnownRatio] = {}
        self._writing: asyncio.Task[None] | None = None

    def add(self, call: PaidCall) -> None:
        """Keep a call."""
        self._calls.append(call)
        self._wake()

    def learn(self, known: KnownRatio) -> None:
        """Keep what is known of a model; only the newest matters."""
        self._ratios[known.model] = known
        self._wake()

    async def close(self) -> None:
        """Wait until everything is written. Idempotent."""
        if self._writing is not None:
            await self._writing

    def _wake(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="ledger:write")

    async def _write(self) -> None:
        while self._calls or self._ratios:
            calls, ratios = self._calls, list(self._ratios.values())
            self._calls, self._ratios = [], {}
            try:
                await self._memory.add_spend(calls, ratios)
            except StoreError as error:  # the sums of today still hold until the server ends
                _log.error("spend_not_kept", calls=len(calls), error=error.message)
