"""Writing an archive: the memory of a world, or of one NPC, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from server.errors import ArchiveError
from server.memory.archive_layout import FORMAT, VERSION, Role, Table, tables
from server.memory.branches import find_head, seen_from
from server.memory.database import Connection
from server.memory.timeline import VisiblePath

Row = dict[str, Any]


def archive(
    connection: Connection, world: str, npc: str | None, personas: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """The text of an archive, piece by piece: of `world`, or of what `npc` knows there now.

    Raises:
        ArchiveError: there is no such world, or nobody of that id has lived through anything in it.
    """
    head = find_head(connection, world)
    if head is None:
        raise ArchiveError(f"There is no world {world!r}.", "`barkeep timeline` lists those that there are.")
    [(schema,)] = connection.execute("PRAGMA user_version")
    rows = (
        _world_rows(connection, world)
        if npc is None
        else _npc_rows(connection, seen_from(connection, head.branch), npc)
    )
    if npc is not None and not any(rows.values()):
        raise ArchiveError(f"{npc!r} has lived through nothing in the world {world!r}.")
    numbering = _Numbering(connection, rows)
    about = {
        "format": FORMAT,
        "version": VERSION,
        "schema": schema,
        "world": world,
        "npc": npc,
        "head": 1 if npc is not None else head.branch - numbering.before[Role.BRANCH],
        "personas": personas,
    }
    yield _json(about)[:-1] + ', "tables": {'
    for number, (name, each) in enumerate(rows.items()):
        yield (",\n" if number else "\n") + _json(name) + ": ["
        for index, row in enumerate(each):
            yield (",\n" if index else "\n") + _json(numbering.renumbered(row))
        yield "\n]"
    yield "\n}}\n"


class _Numbering:
    """Numbers from 1 in place of the database's own. What is older than all of them becomes 0: before everything."""

    def __init__(self, connection: Connection, rows: Mapping[str, list[Row]]) -> None:
        self._roles = {column.name: column.role for table in tables(connection).values() for column in table.columns}
        self.before = {
            Role.BRANCH: _least(rows, ("branch",)),
            Role.SEQ: _least(rows, ("seq",)),
            Role.TURN: _least(rows, ("turn",)),
        }

    def renumbered(self, row: Row) -> Row:
        """The row as it stands in the archive."""
        return {name: self._value(self._roles[name], value) for name, value in row.items()}

    def _value(self, role: Role, value: Any) -> Any:
        if value is None or role is Role.PLAIN:
            return value
        if role is Role.JSON:
            return json.loads(value)
        if role is Role.SEQ_LIST:
            return [self._value(Role.SEQ, each) for each in json.loads(value)]
        if role is Role.TRACE:
            return trace_of(json.loads(value), -self.before[Role.TURN])
        return max(0, value - self.before[role])


def trace_of(trace: dict[str, Any], shift: int) -> dict[str, Any]:
    """A turn's trace under the turn's other number."""
    turn = str(trace.get("turn", ""))
    if not (turn.startswith("t") and turn[1:].isascii() and turn[1:].isdigit()):
        return trace
    return {**trace, "turn": f"t{int(turn[1:18]) + shift}"}


def _least(rows: Mapping[str, list[Row]], columns: Iterable[str]) -> int:
    numbers = (row[name] for each in rows.values() for row in each for name in columns if row.get(name) is not None)
    return min(numbers, default=1) - 1


def _world_rows(connection: Connection, world: str) -> dict[str, list[Row]]:
    within = "branch IN (SELECT branch FROM branches WHERE world = ?)"
    ended = "seq IS NOT NULL"  # an open turn is the running server's
    return {
        name: _rows(connection, table, f"{within} AND {ended} ORDER BY {', '.join(table.key)}", (world,))
        if table.has("seq")
        else _rows(connection, table, f"{within} ORDER BY {', '.join(table.key)}", (world,))
        for name, table in tables(connection).items()
    }


def _npc_rows(connection: Connection, path: VisiblePath, npc: str) -> dict[str, list[Row]]:
    """What `npc` knows, as if it had been lived through in one branch."""
    found: dict[str, list[Row]] = {}
    for name, table in tables(connection).items():
        if name in ("branches", "marks") or not (table.has("npc") or name == "events"):
            continue
        whose = "seq IN (SELECT seq FROM witnesses WHERE npc = ?3 AND branch = ?1)" if name == "events" else "npc = ?3"
        where = f"branch = ?1 AND seq <= ?2 AND {whose} ORDER BY seq"
        rows = [
            row for reach in reversed(path) for row in _rows(connection, table, where, (reach.branch, reach.up_to, npc))
        ]
        # Of what is derived from one event in two branches the newer holds.
        newest = {tuple(row[column] for column in table.key if column != "branch"): row for row in rows}
        found[name] = [{**row, "branch": 1} for row in newest.values()]
    _forget_others(found)
    return found


def _forget_others(found: dict[str, list[Row]]) -> None:
    """Turns of others, and what was not noticed, are not in the archive, so nothing refers to them."""
    turns = {row["turn"] for row in found["turns"]}
    events = {row["seq"] for row in found["events"]}
    for row in found["events"]:
        row["turn"] = row["turn"] if row["turn"] in turns else None
    for row in found["turns"]:
        row["asked_by"] = row["asked_by"] if row["asked_by"] in events else None


def _rows(connection: Connection, table: Table, where: str, values: tuple[Any, ...]) -> list[Row]:
    names = [column.name for column in table.columns]
    found = connection.execute(f"SELECT {', '.join(names)} FROM {table.name} WHERE {where}", values)
    return [dict(zip(names, row, strict=True)) for row in found]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "), allow_nan=False)
