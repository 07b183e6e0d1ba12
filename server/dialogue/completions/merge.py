"""Several streams of deltas as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from server.backends.base import Delta, Finish, TextDelta

_WAITING_MOST = 256

_Entry = tuple[int, Delta] | BaseException | None


async def merged(streams: Sequence[AsyncGenerator[Delta, None]]) -> AsyncGenerator[tuple[int, Delta], None]:
    """Every delta of every stream, with the stream's number. The others begin when the first one speaks.

    Closing it closes all. What a stream raises ends them all. Each stream is read by one task from beginning to end, so
    whoever reads this may come from several.
    """
    entries: asyncio.Queue[_Entry] = asyncio.Queue(_WAITING_MOST)
    speaks = asyncio.Event()
    tasks = [
        asyncio.create_task(_read(number, stream, entries, speaks), name=f"reply {number}")
        for number, stream in enumerate(streams)
    ]
    try:
        left = len(tasks)
        while left:
            match await entries.get():
                case None:
                    left -= 1
                case BaseException() as error:
                    raise error
                case (number, delta):
                    yield number, delta
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(
    number: int, stream: AsyncGenerator[Delta, None], entries: asyncio.Queue[_Entry], speaks: asyncio.Event
) -> None:
    try:
        async with aclosing(stream) as deltas:
            if number:
                await speaks.wait()
            async for delta in deltas:
                if isinstance(delta, TextDelta | Finish):
                    speaks.set()
                await entries.put((number, delta))
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # handed to the one who reads, who raises it
        await entries.put(error)
    else:
        await entries.put(None)
