"""What an archive holds: which tables, and what their columns are besides their SQL types.

An archive is one JSON file with the memory of a world or of an NPC::

    {"format": "barkeep memory", "version": 1, "schema": 6, "world": "default", "npc": null, "head": 2,
     "personas": {"hilda": {...}}, "tables": {"branches": [{"branch": 1, ...}], "events": [...], ...}}

`schema` is the database's; a row is a map of its table's columns, JSON columns as what they hold. Branches, turns and
seqs are numbered from 1, so that the same memory makes the same file wherever it lay. `npc` names the one whose memory
it is: then there is one branch, that which is visible from the world's head. What can be made again from the rest is
left out, as are requests and sessions, which belong to one server.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from server.memory.database import Connection

FORMAT = "barkeep memory"
VERSION = 1


class Role(Enum):
    """What the values of a column mean. A list of seqs is JSON too, and so is a trace, which names its turn."""

    PLAIN = "plain"
    BRANCH = "branch"
    SEQ = "seq"
    TURN = "turn"
    JSON = "json"
    SEQ_LIST = "seqs"
    TRACE = "trace"


ROLES = {
    "branch": Role.BRANCH,
    "parent": Role.BRANCH,
    "parent_seq": Role.SEQ,
    "seq": Role.SEQ,
    "from_seq": Role.SEQ,
    "asked_by": Role.SEQ,
    "read_to": Role.SEQ,
    "made": Role.SEQ,
    "turn": Role.TURN,
    "written": Role.JSON,
    "token_ids": Role.JSON,
    "memory_ids": Role.SEQ_LIST,
    "lore_ids": Role.JSON,
    "trace": Role.TRACE,
    "patch": Role.JSON,
}
PLAIN_NUMBERS = frozenset({"epoch", "claim", "nth"})
"""Whole numbers that mean what they say. A column that is in neither must be put into one of the two."""

LEFT_OUT = frozenset({"facts"})
"""Tables with a branch that are made again from the others."""
FIRST = ("branches", "marks")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `type` is INTEGER, REAL or TEXT."""

    name: str
    type: str
    required: bool
    has_default: bool
    key: int
    """Its place in the primary key, from 1; 0 where it is not in it."""

    @property
    def role(self) -> Role:
        """What its values mean."""
        return ROLES.get(self.name, Role.PLAIN)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of an archive. `references` are columns whose values stand in a column of another one."""

    name: str
    columns: tuple[Column, ...]
    references: tuple[tuple[str, str, str], ...]
    """As (column, table, column of that table)."""

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key, in its order."""
        return tuple(column.name for column in sorted(self.columns, key=lambda each: each.key) if column.key)

    def has(self, name: str) -> bool:
        """Whether it has this column."""
        return any(column.name == name for column in self.columns)


def tables(connection: Connection) -> dict[str, Table]:
    """The tables of an archive by name, branches and marks first. The column `world` is the archive's own."""
    rows = connection.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    found = {name: _table(connection, name) for (name,) in rows.fetchall()}
    kept = {name: table for name, table in found.items() if table.has("branch") and name not in LEFT_OUT}
    return {name: kept[name] for name in (*FIRST, *sorted(kept.keys() - set(FIRST)))}


def _table(connection: Connection, name: str) -> Table:
    columns = connection.execute('SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)', (name,))
    keys = connection.execute('SELECT "from", "table", "to" FROM pragma_foreign_key_list(?)', (name,)).fetchall()
    return Table(
        name,
        tuple(
            Column(column, kind, bool(required) or bool(pk), default is not None, pk)
            for column, kind, required, default, pk in columns
            if column != "world"
        ),
        tuple((column, table, to or _id_of(table)) for column, table, to in keys if table in ("events", "turns")),
    )


def _id_of(table: str) -> str:
    return "seq" if table == "events" else "turn"
