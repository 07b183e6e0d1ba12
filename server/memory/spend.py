"""What was paid for: one row for each call of a paid route, and what was learnt of each model's token counts.

Money is spent for good: these rows belong to no world and no branch, and loading a save does not take them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Literal

from server.memory.database import Connection, look

Grouping = Literal["day", "npc", "route"]

_INSERT = """
    INSERT INTO spend (wall_s, day, turn, npc, route, model, prompt, cached, reply, cost_usd, estimated)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SUMS = """count(*), ifnull(sum(prompt), 0), ifnull(sum(cached), 0), ifnull(sum(reply), 0), ifnull(sum(cost_usd), 0.0),
    count(*) - count(cost_usd), ifnull(sum(estimated), 0)"""
_COLUMNS: dict[Grouping, str] = {"day": "day", "npc": "npc", "route": "route || ' ' || model"}
_ORDER: dict[Grouping, str] = {"day": "1", "npc": "6 DESC, 3 DESC, 1", "route": "6 DESC, 3 DESC, 1"}


@dataclass(frozen=True, slots=True)
class PaidCall:
    """One call. `turn` is empty for work that belongs to none; `day` is the local date, `2026-05-01`.

    `estimated` is True where the provider reported no tokens, as when a call is cut, and they were counted here.
    `cost_usd` is None where no price is known.
    """

    wall_s: float
    day: str
    turn: str
    npc: str
    route: str
    model: str
    prompt_tokens: int
    cached_tokens: int
    reply_tokens: int
    cost_usd: float | None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls added up under `key`: a day, an NPC, or a route and its model.

    `cost_usd` is what is known; `unpriced` calls are not in it. The tokens of `estimated` calls were counted here.
    """

    key: str
    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    reply_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    estimated: int = 0


@dataclass(frozen=True, slots=True)
class KnownRatio:
    """What was learnt of one model's counts: see `server.prompt.calibration`."""

    model: str
    reports: int
    mean: float
    spread: float
    peak: float


def add(connection: Connection, calls: Iterable[PaidCall], learnt: Iterable[KnownRatio] = ()) -> None:
    """Write calls, and put what was learnt of a model in the place of what was known of it."""
    connection.executemany(_INSERT, [(*astuple(call)[:-1], int(call.estimated)) for call in calls])
    connection.executemany("INSERT OR REPLACE INTO ratios VALUES (?, ?, ?, ?, ?)", [astuple(known) for known in learnt])


def spent_on(connection: Connection, day: str) -> Spent:
    """All calls of one day."""
    [row] = connection.execute(f"SELECT ?1, {_SUMS} FROM spend WHERE day = ?1", (day,))
    return Spent(*row)


def spent_by(connection: Connection, by: Grouping, since: str) -> list[Spent]:
    """Sums from the day `since` on: days in their order, NPCs and routes with the dearest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS[by]}, {_SUMS} FROM spend WHERE day >= ? GROUP BY 1 ORDER BY {_ORDER[by]}", (since,)
    )
    return [Spent(*row) for row in rows]


def ratios(connection: Connection) -> list[KnownRatio]:
    """What was learnt of every model."""
    return [KnownRatio(*row) for row in connection.execute("SELECT model, reports, mean, spread, peak FROM ratios")]


def report(path: Path, by: Grouping, since: str) -> Sequence[Spent]:
    """`spent_by` from the database file at `path`, which another process may be writing; nothing where it has no rows.

    Raises:
        StoreError: the file cannot be read.
    """

    def sums(connection: Connection) -> Sequence[Spent]:
        has_table: Any = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'spend'").fetchone()
        return spent_by(connection, by, since) if has_table else ()

    return look(path, sums) if path.exists() else ()
