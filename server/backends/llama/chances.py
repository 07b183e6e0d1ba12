"""How likely tokens were: the softmax of logits, before anything is done to them."""

from __future__ import annotations

import heapq
import math

Chances = tuple[float, list[tuple[int, float]]]
"""A token's natural logarithm of its probability, and those of the likeliest, with their ids."""


def chances(logits: bytes, token: int, count: int) -> Chances:
    """How likely `token` was, and the `count` likeliest. `logits` are native floats, one for each token."""
    values = memoryview(logits).cast("f").tolist()
    most = max(values)
    total = most + math.log(sum([math.exp(value - most) for value in values]))
    likeliest = heapq.nlargest(count, range(len(values)), key=values.__getitem__)
    return values[token] - total, [(each, values[each] - total) for each in likeliest]
