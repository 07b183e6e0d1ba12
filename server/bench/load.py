"""How hard the clients work: their number, their turns, their pace. Read by the bench and by its client process."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_SAYS_PER_SECOND = 20
LONGEST_PERIOD_S = 1.0
WARM_UP_TURNS = 50
LEAST_WARM_UP_TURNS = 2


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement. Every client says a line, waits for the end of the turn, and for its next moment.

    Attributes:
        clients: Clients at once.
        turns: Turns of each client that are measured, at most.
        warm_up: Turns of each client before them, which are not.
        seconds: A client begins no measured turn later than this after its first one.
        period_s: The mean time between two lines of a client, in seconds; each wait varies by half of it either way.
    """

    clients: int
    turns: int
    warm_up: int
    seconds: float
    period_s: float

    @property
    def who(self) -> str:
        """The clients in words."""
        return "1 client" if self.clients == 1 else f"{self.clients} clients"

    @property
    def says_per_second(self) -> float:
        """The pace of all clients together where no turn takes longer than a period."""
        return self.clients / self.period_s


def load_of(clients: int, turns: int, seconds: float) -> Load:
    """The load of so many clients: a line a second each, and not under 20 a second together."""
    return Load(
        clients=clients,
        turns=turns,
        warm_up=min(turns, max(LEAST_WARM_UP_TURNS, WARM_UP_TURNS // clients)),
        seconds=seconds,
        period_s=min(LONGEST_PERIOD_S, clients / LEAST_SAYS_PER_SECOND),
    )
