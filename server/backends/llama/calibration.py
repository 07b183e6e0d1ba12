"""Measuring a model that has nothing to do: one short evaluation at a time, so that nobody waits for it."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

from server.backends.llama.schedule import FOREGROUND_MS
from server.backends.llama.sequences import Sequences
from server.backends.llama.step_times import StepTimes

PREFILL_TOKENS = (1, 4, 8, 16, 32, 64, 128, 256, 512)
DECODE_SEQUENCES = (1, 2, 4)

CERTAIN = 8
"""Up to this count a measurement is made twice, and the better counts: whatever else runs can only slow it down."""

LEAST_TOKENS = 32
"""Measured unless time is over: a curve without it would make every step too small, and never learn better."""

MOST_MS = 4_000.0
"""What all of it may take. A machine that needs longer is busy with something else, and what was measured on it would
be wrong tomorrow: it only scales the guess, which real steps correct, and the next start measures again."""


class Calibration:
    """Measures `times` on sequences of its own. `now_ms` tells the time, `token` is any that the model knows."""

    def __init__(
        self, sequences: Sequences, times: StepTimes, token: int, most: int, now_ms: Callable[[], float]
    ) -> None:
        self._sequences = sequences
        self._times = times
        self._token = token
        self._most = most
        self._now_ms = now_ms
        self._left_ms = MOST_MS
        self._steps = self._measure()

    def step(self) -> bool:
        """Measure one thing; False when all is measured."""
        return next(self._steps, None) is not None

    def _measure(self) -> Iterator[bool]:
        prefill: dict[int, float] = {}
        decode: dict[int, float] = {}
        yield from self._measure_points(prefill, PREFILL_TOKENS, spread=False)
        yield from self._measure_points(decode, DECODE_SEQUENCES, spread=True)
        if prefill and decode and self._left_ms > 0:
            self._times.measure(prefill, decode)
            return
        for curve, points in ((self._times.prefill, prefill), (self._times.decode, decode)):
            if points:
                curve.seen(max(points), points[max(points)])

    def _measure_points(self, points: dict[int, float], counts: tuple[int, ...], *, spread: bool) -> Iterator[bool]:
        """Measure `counts` of tokens, each in its own sequence if `spread`, up to the longest step there may be."""
        for count in counts:
            # Twice the tokens take at most about twice the time.
            too_long = count > LEAST_TOKENS and points[max(points)] * 2 > FOREGROUND_MS
            if count > self._most or too_long or not self._room(count):
                return
            points[count] = self._time(count, spread=spread)
            yield True
            if self._left_ms <= 0:
                return
            if count <= CERTAIN:
                points[count] = min(points[count], self._time(count, spread=spread))
                yield True

    def _room(self, count: int) -> bool:
        return self._sequences.free_cells >= count and self._sequences.free >= max(DECODE_SEQUENCES)

    def _time(self, count: int, *, spread: bool) -> float:
        lengths = [1] * count if spread else [count]
        taken = [self._sequences.take() for _ in lengths]
        parts = [(each, array("i", [self._token] * length)) for each, length in zip(taken, lengths, strict=True)]
        start = self._now_ms()
        try:
            self._sequences.evaluate(parts)
        finally:
            elapsed = self._now_ms() - start
            self._left_ms -= elapsed
            for each in taken:
                self._sequences.give_back(each)
        return elapsed


def load_times(path: Path) -> StepTimes | None:
    """The times that `store_times` wrote, if it did."""
    try:
        return StepTimes.from_dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError):
        return None


def store_times(path: Path, times: StepTimes) -> None:
    """Write `times` for the next run; a disk that fails costs nothing but that."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(times.to_dict()), "utf-8")
        unfinished.replace(path)
    except OSError:
        return
