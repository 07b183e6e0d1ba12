"""From recorded times to figures."""

from __future__ import annotations

import bisect
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.bench.client import Sample, id_in
from server.bench.frames import TextFrame, text_frames
from server.bench.probe import Asked
from server.bench.wire import Recording


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds of one measure. A percentile is the smallest sample that so many percent do not exceed."""

    samples: int
    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, times_ns: Iterable[int]) -> Spread:
        """From nanoseconds; all zero where there are none."""
        ordered = sorted(times_ns)
        if not ordered:
            return cls(0, 0.0, 0.0, 0.0)
        return cls(len(ordered), _percentile(ordered, 50), _percentile(ordered, 99), _ms(ordered[-1]))


def say_to_request(recording: Recording, asked: Iterable[Asked], measured: frozenset[str]) -> Iterator[int]:
    """For each measured line, nanoseconds from its frame's last byte at the socket to the backend being asked."""
    arrived = {message["id"]: frame.at_ns for frame, message in _messages(recording, "say")}
    for request in asked:
        name = id_in(request.heard)
        if name in measured:
            yield request.at_ns - arrived[name]


def token_to_frame(recording: Recording, asked: Iterable[Asked], measured: frozenset[str]) -> Iterator[int]:
    """For each `token` frame, nanoseconds from the backend's token that completed its text to its bytes at the socket.

    Where the filters hold text back until they know what it is, the time until they do is counted too.
    """
    frames: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for frame, message in _messages(recording, "token", sent=True):
        frames[message["re"]].append((frame.at_ns, message["text"]))
    for request in asked:
        if (name := id_in(request.heard)) in measured:
            yield from _delays(request.tokens, frames[name])


def _delays(tokens: Sequence[tuple[int, str]], frames: Sequence[tuple[int, str]]) -> Iterator[int]:
    ends = list(itertools.accumulate(len(text) for _, text in tokens))
    end = 0
    for at_ns, text in frames:
        end += len(text)
        yield at_ns - tokens[bisect.bisect_left(ends, end)][0]


def between(samples: Iterable[Sample], begin: str, end: str) -> Spread:
    """The clients' own view: from one of their times to another."""
    return Spread.of(sample[end] - sample[begin] for sample in samples)


def _messages(recording: Recording, kind: str, *, sent: bool = False) -> Iterator[tuple[TextFrame, Mapping[str, Any]]]:
    mark = json.dumps(kind)
    for stream in recording.streams:
        for frame in text_frames(stream.sent if sent else stream.received):
            if mark in frame.text and (message := json.loads(frame.text))["type"] == kind:
                yield frame, message


def _percentile(ordered: Sequence[int], percent: float) -> float:
    """The nearest rank, https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method."""
    return _ms(ordered[math.ceil(percent / 100 * len(ordered)) - 1])


def _ms(ns: int) -> float:
    return round(ns / 1e6, 4)
