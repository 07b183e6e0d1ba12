"""What the engine is asked to do, and in which order."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.backends.llama.pipe import Frame


class BadJob(Exception):
    """A frame that asks for something impossible; the message says what."""


@dataclass(slots=True)
class Job:
    """One `generate` or `warm`. `speaks` is False for a warm, which reads the prompt and says nothing."""

    id: int
    tokens: list[int]
    speaks: bool
    priority: int
    max_tokens: int = 0
    stop: tuple[str, ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)
    cancelled: bool = False

    @classmethod
    def from_frame(cls, frame: Frame) -> Job:
        """The job that a `generate` or `warm` frame asks for.

        Raises:
            BadJob: it has no tokens.
        """
        if not frame["tokens"]:
            raise BadJob("a prompt without a token")
        return cls(
            id=frame["id"],
            tokens=frame["tokens"],
            speaks=frame["op"] == "generate",
            priority=frame["priority"],
            max_tokens=frame.get("max_tokens", 0),
            stop=tuple(frame.get("stop", ())),
            sampling=frame.get("sampling", {}),
        )


class JobQueue:
    """Waiting jobs: those that speak before those that warm, then by priority (highest first), then as they came."""

    def __init__(self) -> None:
        self._heap: list[tuple[bool, int, int, Job]] = []
        self._arrivals = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def speaker_waits(self) -> bool:
        """True when the next job speaks."""
        return bool(self._heap) and self._heap[0][-1].speaks

    def push(self, job: Job) -> None:
        """Add `job`."""
        heapq.heappush(self._heap, (not job.speaks, -job.priority, next(self._arrivals), job))

    def pop(self) -> Job:
        """Take the job that is next."""
        return heapq.heappop(self._heap)[-1]

    def remove(self, job_id: int) -> Job | None:
        """Take the job with that id out, wherever it is; None when it is not here."""
        for index, entry in enumerate(self._heap):
            if entry[-1].id == job_id:
                del self._heap[index]
                heapq.heapify(self._heap)
                return entry[-1]
        return None
