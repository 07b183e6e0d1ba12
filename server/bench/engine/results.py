"""What was found: samples of each row and contestant, and single findings, each with its aim where it has one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from server.bench.engine.player import Sample


@dataclass(frozen=True, slots=True)
class Summary:
    """Times to the first token in milliseconds; token counts are medians. 0 and None where nothing was measured."""

    samples: int
    median_ms: float
    p90_ms: float
    worst_ms: float
    new: int
    evaluated: int | None
    prompt: int
    floor_ms: float
    times_floor: float

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Summary:
        """From all samples of one contestant in one row; there is at least one."""
        times = sorted(sample.first_ms for sample in samples)
        floors = [sample.floor_ms for sample in samples if sample.floor_ms]
        told = [sample.evaluated for sample in samples if sample.evaluated is not None]
        median_ms, floor_ms = statistics.median(times), statistics.median(floors) if floors else 0.0
        return cls(
            samples=len(times),
            median_ms=round(median_ms, 2),
            p90_ms=round(percentile(times, 90), 2),
            worst_ms=round(times[-1], 2),
            new=round(statistics.median(sample.new for sample in samples)),
            evaluated=round(statistics.median(told)) if told else None,
            prompt=round(statistics.median(sample.prompt for sample in samples)),
            floor_ms=round(floor_ms, 2),
            times_floor=round(median_ms / floor_ms, 3) if floor_ms else 0.0,
        )


@dataclass(frozen=True, slots=True)
class RowResult:
    """One row: the samples of each contestant that took part, by its name."""

    key: str
    title: str
    samples: dict[str, tuple[Sample, ...]]

    @property
    def summaries(self) -> dict[str, Summary]:
        """By contestant; only of those with samples."""
        return {name: Summary.of(samples) for name, samples in self.samples.items() if samples}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about our engine alone. `aim` and `met` are empty and None where there is none to hold it to."""

    key: str
    title: str
    value: float | None
    unit: str
    detail: str = ""
    aim: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """All of one run."""

    rows: list[RowResult]
    findings: list[Finding]


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest rank of ascending values, https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method."""
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]
