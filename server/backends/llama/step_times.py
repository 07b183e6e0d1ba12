"""How long evaluations take on this machine: two curves, kept fresh by what real steps took."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

SHARE = 0.2
"""How much a new measurement counts against what was known."""

_GUESS_PREFILL = {1: 39.0, 4: 103.0, 8: 166.0, 16: 203.0, 32: 370.0, 64: 690.0, 128: 1358.0}
_GUESS_DECODE = {1: 39.0, 2: 63.0, 4: 105.0, 8: 178.0}
"""A model of 2.6B at four bits on two cores, in ms; the first real step scales it to the machine."""


class Curve:
    """Milliseconds against a count, linear between the points measured and beyond the last of them.

    More never takes less, and a multiple of the least count never longer than so many steps of it.
    """

    def __init__(self, points: Mapping[int, float], *, guessed: bool = False) -> None:
        self._points = dict(sorted(points.items()))
        self.guessed = guessed

    @property
    def points(self) -> list[tuple[int, float]]:
        """Counts and milliseconds, both rising: more never takes less, and never longer than one after another would.

        So what was measured in a bad moment, and keeps larger steps from being tried, is forgotten with the first good
        small one.
        """
        rising, most = [], 0.0
        least, least_ms = next(iter(self._points.items()))
        for count, ms in self._points.items():
            most = max(most, min(ms, least_ms * count / least))
            rising.append((count, most))
        return rising

    def ms(self, count: int) -> float:
        """How long `count` takes."""
        points = self.points
        if len(points) == 1:
            return points[0][1] * count / points[0][0]
        at = min(max(bisect_left(points, (count, 0.0)), 1), len(points) - 1)
        (left, low), (right, high) = points[at - 1], points[at]
        least, least_ms = points[0]
        in_one = low + (high - low) * (count - left) / (right - left)
        # Beyond the points measured a steep end does not go on for ever: the least batch, again and again, takes less.
        return max(min(in_one, least_ms * count / least), least_ms * min(1, count))

    def within(self, ms: float, most: int) -> int:
        """The largest count up to `most` that takes at most `ms`; 1 at least."""
        low, high = 1, max(1, most)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.ms(middle) <= ms else (low, middle - 1)
        return low

    def seen(self, count: int, taken_ms: float) -> None:
        """Learn from a step of `count` that took `taken_ms`."""
        ratio = taken_ms / max(self.ms(count), 1e-6)
        if self.guessed:
            self._points = {each: known * ratio for each, known in self._points.items()}
            self.guessed = False
            return
        # One slow step, for whatever reason, must not make the next ones tiny.
        ratio = min(max(ratio, 0.25), 4.0)
        change = 1 + SHARE * (ratio - 1)
        nearest = min(self._points, key=lambda each: abs(each - count))
        # A machine that slows down or has time again does so for all sizes; those not seen move half as far.
        self._points = {
            each: ms * (change if each == nearest else (1 + change) / 2) for each, ms in self._points.items()
        }


class StepTimes:
    """The curves of one model on this machine: `prefill` by tokens in a batch, `decode` by sequences in a step."""

    def __init__(self) -> None:
        self.prefill = Curve(_GUESS_PREFILL, guessed=True)
        self.decode = Curve(_GUESS_DECODE, guessed=True)
        self.measured = False
        """True once both were measured on purpose."""

    def measure(self, prefill: Mapping[int, float], decode: Mapping[int, float]) -> None:
        """Take up what was measured on purpose; neither may be empty."""
        self.prefill, self.decode, self.measured = Curve(prefill), Curve(decode), True

    def seen(self, read: int, spoken: int, ms: float) -> None:
        """Learn from a step that read `read` tokens and spoke for `spoken` sequences; mixed ones teach nothing."""
        if read and not spoken:
            self.prefill.seen(read, ms)
        elif spoken and not read:
            self.decode.seen(spoken, ms)

    def reading_ms(self, tokens: int) -> float:
        """How long a prompt of `tokens` takes, in batches of the largest size measured; 0 for none."""
        largest = self.prefill.points[-1][0]
        batches, rest = divmod(max(0, tokens), largest)
        return batches * self.prefill.ms(largest) + (self.prefill.ms(rest) if rest else 0.0)

    def chunk(self, pending: int, ms: float, most: int, least: int = 1) -> int:
        """How many of `pending` tokens, at most `most`, to read in a step of at most about `ms`, or of `least` tokens.

        Small batches are dear, so the fewest steps are taken, and all of them alike: no short one is left at the end.
        """
        largest = max(self.prefill.within(ms, most), min(least, most))
        steps = -(-pending // largest)
        return -(-pending // steps)

    def to_dict(self) -> dict[str, Any]:
        """The curves as a `speed` frame has them: `decode_ms` is one step of one reply, `decode` of several."""
        prefill, decode = (
            [[count, round(ms, 2)] for count, ms in curve.points] for curve in (self.prefill, self.decode)
        )
        return {"prefill": prefill, "decode": decode, "decode_ms": round(self.decode.ms(1), 2)}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> StepTimes:
        """The curves that `to_dict` gave.

        Raises:
            ValueError: it is something else.
        """
        times = cls()
        try:
            prefill = {int(count): float(ms) for count, ms in known["prefill"]}
            decode = {int(count): float(ms) for count, ms in known["decode"]}
        except (KeyError, TypeError) as error:
            raise ValueError("no step times") from error
        if not prefill or not decode or min(*prefill.values(), *decode.values(), *prefill, *decode) <= 0:
            raise ValueError("no step times")
        times.measure(prefill, decode)
        return times
