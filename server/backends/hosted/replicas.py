"""Which of several servers is asked: the least busy one, and for an NPC the one that knows its prompt already."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from yarl import URL

COOL_S: Final = 15.0
"""How long a server that failed is passed over; it is asked all the same where no other is left."""
MAX_COOL_S: Final = 300.0
MAX_STICKY: Final = 4_096
"""Prompts whose server is remembered; far more than a server keeps in its cache."""


@dataclass(slots=True, eq=False)
class Replica:
    """One server. `outstanding` requests are open, `stuck` prompts return to it; until `cool_until_s` it is avoided."""

    url: URL = field(repr=False)
    outstanding: int = 0
    stuck: int = 0
    cool_until_s: float = 0.0


class Replicas:
    """The servers of one route. The clock is the caller's: `now_s` in seconds that never go back."""

    def __init__(self, urls: Sequence[URL]) -> None:
        """`urls` are not empty; the first is preferred where nothing tells them apart."""
        self.all = tuple(Replica(url) for url in urls)
        self._stuck: OrderedDict[str, Replica] = OrderedDict()

    def pick(self, sticky: str, now_s: float, tried: Collection[Replica] = ()) -> Replica | None:
        """The server for a request of the prompt `sticky`; None where all were `tried`.

        The one that this prompt stuck to while it is well, else of those that are well the one with the fewest open
        requests, else the one that is well again first.
        """
        left = [replica for replica in self.all if replica not in tried]
        if not left:
            return None
        stuck = self._stuck.get(sticky) if sticky else None
        well = [replica for replica in left if replica.cool_until_s <= now_s]
        if stuck is not None and stuck in well:
            chosen = stuck
        elif well:  # idle servers share new NPCs evenly
            chosen = min(well, key=lambda replica: (replica.outstanding, replica.stuck))
        else:
            chosen = min(left, key=lambda replica: replica.cool_until_s)
        if sticky:
            self._stick(sticky, chosen)
        return chosen

    def any_well(self, now_s: float, tried: Collection[Replica]) -> bool:
        """Whether a server that was not `tried` may be asked with a good conscience."""
        return any(replica not in tried and replica.cool_until_s <= now_s for replica in self.all)

    def failed(self, replica: Replica, now_s: float, cool_s: float | None = None) -> None:
        """Pass the server over for `cool_s`, which it may have asked for itself."""
        replica.cool_until_s = now_s + min(COOL_S if cool_s is None else cool_s, MAX_COOL_S)

    def recovered(self, replica: Replica) -> None:
        """The server answered."""
        replica.cool_until_s = 0.0

    def _stick(self, sticky: str, replica: Replica) -> None:
        if (before := self._stuck.pop(sticky, None)) is not None:
            before.stuck -= 1
        self._stuck[sticky] = replica
        replica.stuck += 1
        if len(self._stuck) > MAX_STICKY:
            self._stuck.popitem(last=False)[1].stuck -= 1
