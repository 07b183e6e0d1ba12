"""How far a count of ours is from a hosted model's own: the ratio of both, learnt from what the provider reports.

A count times `Ratio.factor` is passed by the true count in fewer than one of 1,000 prompts, as long as prompts stay of
one kind. It begins with a margin that covers every vocabulary in use, and comes down as reports agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

START_MARGIN = 0.25
"""Above the estimate of three bytes a token: 2.4 bytes a token, fewer than any current vocabulary makes of prose."""
LEAST_MARGIN = 0.03
"""Stays for good, however well reports agree: the next prompt may be of another kind."""
DEVIATIONS = 3.3
"""A normal distribution has 0.05 % beyond so many standard deviations."""
ASSUMED_SPREAD = 0.08
"""Standard deviation, as a share of the mean, that is assumed until `ASSUMED_REPORTS` reports weigh as much."""
ASSUMED_REPORTS = 4
WINDOW = 256
"""Reports that count: older ones fade, as providers change models under one name."""
PEAK_FADES = 0.002
LOWEST, HIGHEST = 0.2, 2.0
"""What is believed of a report: beyond lie mistakes, and a factor above 2 would leave no room for a prompt at all."""

HEADROOM = 1.01
STEP_DOWN = 0.95


@dataclass(frozen=True, slots=True)
class Ratio:
    """True tokens by counted tokens. `spread` is a standard deviation, `peak` the highest of late.

    Without reports, `mean` is what is assumed and `margin` what is put on top of it.
    """

    reports: int = 0
    mean: float = 1.0
    spread: float = 0.0
    peak: float = 0.0
    margin: float = START_MARGIN

    def learn(self, counted: int, true: int) -> Ratio:
        """The ratio after one more report; both in tokens and above 0."""
        seen = min(max(true / counted, LOWEST), HIGHEST)
        reports = min(self.reports + 1, WINDOW)
        weight = 1 / reports
        off = seen - self.mean
        variance = (1 - weight) * (self.spread**2 + weight * off**2)
        mean = self.mean + weight * off
        peak = max(seen, self.peak - PEAK_FADES * (self.peak - mean))
        return Ratio(reports, mean, math.sqrt(variance), peak, self.margin)

    @property
    def factor(self) -> float:
        """What a count is to be multiplied by."""
        if not self.reports:
            return self.mean * (1 + self.margin)
        margin = LEAST_MARGIN + max(0.0, self.margin - LEAST_MARGIN) / (self.reports + 1)
        assumed = ASSUMED_REPORTS * (min(ASSUMED_SPREAD, self.margin) * self.mean) ** 2
        spread = math.sqrt((self.reports * self.spread**2 + assumed) / (self.reports + ASSUMED_REPORTS))
        return max(self.mean * (1 + margin), self.mean + DEVIATIONS * spread, self.peak * (1 + LEAST_MARGIN / 3))


def stepped(in_use: float, factor: float) -> float:
    """The factor to use from now on, given the one in use: it moves rarely, as each move can reword a prompt's prefix.

    Upwards whenever it is too low; downwards when that makes room.
    """
    if factor > in_use or factor < in_use * STEP_DOWN:
        return factor * HEADROOM
    return in_use
