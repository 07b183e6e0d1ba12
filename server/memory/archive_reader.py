"""Reading an archive into the database. A file is anybody's: nothing of it is believed before it was looked at."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.errors import ArchiveError
from server.memory import recall_index
from server.memory.archive_layout import FORMAT, VERSION, Column, Role, Table, tables
from server.memory.archive_writer import trace_of
from server.memory.branches import ensure_head, find_head, seen_from
from server.memory.database import Connection

Row = dict[str, Any]

MAX_NUMBER = 2**48
"""Ids in an archive: more than a life of events, and far from where SQLite's integers end."""
MAX_DEPTH = 32
_ID = re.compile(r"[a-z0-9_-]{1,64}")
_KIND = re.compile(r"[a-z0-9_.-]{1,64}")
_WORLD = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_WORDS = {
    "how": frozenset({"present", "spoke", "whispered", "named", "heard", "told"}),
    ("turns", "state"): frozenset({"done", "stopped", "superseded", "failed"}),
}
_SPAN = {
    **dict.fromkeys(("trust", "warmth", "respect", "fear", "valence", "arousal"), (-1.0, 1.0)),
    "importance": (0.0, 1.0),
    "claim": (0, 1),
}
_ITEMS: dict[str, type] = {"written": str, "token_ids": int, "memory_ids": int, "lore_ids": str}


@dataclass(frozen=True, slots=True)
class Archive:
    """What a file says about itself, and its rows, parsed and nothing more."""

    world: str
    npc: str | None
    head: int
    schema: int
    personas: Mapping[str, Any]
    tables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import."""

    world: str
    npc: str | None
    events: int
    branches: int
    saves: int


def parse(text: str) -> Archive:
    """The archive in `text`.

    Raises:
        ArchiveError: it is no archive, or one of a newer version.
    """
    try:
        data = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"The file is not JSON: {error}.", "It may be cut off, or another file.") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ArchiveError("The file holds no memory of Barkeep's.", "`barkeep export` writes one that does.")
    if not _is_count(data.get("version")) or data["version"] > VERSION:
        raise ArchiveError(
            f"The file has version {data.get('version')!r}; this Barkeep reads up to {VERSION}.", "Update Barkeep."
        )
    world, npc = data.get("world"), data.get("npc")
    if not isinstance(world, str) or not _WORLD.fullmatch(world):
        raise ArchiveError("`world` is no name of a world.")
    if npc is not None and not (isinstance(npc, str) and _ID.fullmatch(npc)):
        raise ArchiveError("`npc` is no id of an NPC.")
    for name, kind in (("head", int), ("schema", int), ("personas", dict), ("tables", dict)):
        if not isinstance(data.get(name), kind) or isinstance(data[name], bool):
            raise ArchiveError(f"`{name}` is missing, or is not what it should be.")
    return Archive(world, npc, data["head"], data["schema"], data["personas"], data["tables"])


def read(connection: Connection, archive: Archive, world: str) -> Imported:
    """Write an archive's rows: a whole world under the name `world`, or an NPC's memory behind the present there.

    Raises:
        ArchiveError: the rows do not fit together, the world is there already, or the NPC remembers something there.
    """
    if not _WORLD.fullmatch(world):
        raise ArchiveError(f"{world!r} is no name for a world.", "1 to 64 characters, without line breaks.")
    [(schema,)] = connection.execute("PRAGMA user_version")
    if archive.schema > schema:
        raise ArchiveError(
            f"The file has schema {archive.schema}; this Barkeep knows {schema}.", "Update Barkeep, then import it."
        )
    rows = _checked(archive, tables(connection))
    connection.execute("PRAGMA defer_foreign_keys = ON")
    if archive.npc is None:
        _read_world(connection, archive, rows, world)
    else:
        _read_npc(connection, archive.npc, rows, world)
    _make_index_again(connection)
    counts = {name: len(each) for name, each in rows.items()}
    branches = counts.get("branches", 0)
    return Imported(world, archive.npc, counts.get("events", 0), branches, counts.get("marks", 0))


def _read_world(connection: Connection, archive: Archive, rows: dict[str, list[Row]], world: str) -> None:
    if find_head(connection, world) is not None:
        raise ArchiveError(f"There is a world {world!r} already.", "Name another with --world; nothing was changed.")
    shift = _shift(connection, rows)
    _check_tree(archive, rows)
    connection.execute("INSERT INTO worlds (world, head) VALUES (?, ?)", (world, archive.head + shift[Role.BRANCH]))
    known = tables(connection)
    for name, each in rows.items():
        extra = {"world": world} if name in ("branches", "marks") else {}
        _insert(connection, known[name], each, shift, extra)


def _read_npc(connection: Connection, npc: str, rows: dict[str, list[Row]], world: str) -> None:
    head = ensure_head(connection, world)
    for reach in seen_from(connection, head.branch):
        here = (npc, reach.branch, reach.up_to)
        if connection.execute("SELECT 1 FROM witnesses WHERE npc = ? AND branch = ? AND seq <= ?", here).fetchone():
            raise ArchiveError(
                f"{npc!r} remembers something in the world {world!r} already.",
                "Name another world with --world; nothing was changed.",
            )
    shift = _shift(connection, rows)
    shift[Role.BRANCH] = head.branch - 1
    known = tables(connection)
    for name, each in rows.items():
        if any(row.get("npc", npc) != npc or row["branch"] != 1 for row in each):
            raise ArchiveError(f"`{name}` holds rows of somebody else.")
        if name not in ("branches", "marks"):
            _insert(connection, known[name], each, shift, {})


def _shift(connection: Connection, rows: Mapping[str, list[Row]]) -> dict[Role, int]:
    """What is added to the archive's numbers: everything in it is newer than everything that is there."""
    [(seq,)] = connection.execute("SELECT seq FROM counter")
    used = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    newest = max((row[name] for each in rows.values() for row in each for name in row if _is_seq(name, row)), default=0)
    connection.execute("UPDATE counter SET seq = seq + ?", (newest,))
    return {Role.BRANCH: used.get("branches", 0), Role.SEQ: seq, Role.TURN: used.get("turns", 0)}


def _is_seq(name: str, row: Row) -> bool:
    return name in ("seq", "parent_seq", "read_to") and row[name] is not None


def _insert(
    connection: Connection, table: Table, rows: list[Row], shift: Mapping[Role, int], extra: Mapping[str, str]
) -> None:
    roles = {column.name: column.role for column in table.columns}
    for row in rows:
        values = {name: _stored(roles[name], value, shift) for name, value in row.items()} | dict(extra)
        marks = ", ".join("?" * len(values))
        names = ", ".join(values)  # of columns that the table has: `_checked` saw to that
        connection.execute(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", tuple(values.values()))


def _stored(role: Role, value: Any, shift: Mapping[Role, int]) -> Any:
    if value is None or role is Role.PLAIN:
        return value
    if role is Role.SEQ_LIST:
        value = [_stored(Role.SEQ, each, shift) for each in value]
    if role is Role.TRACE:
        value = trace_of(value, shift[Role.TURN])
    if role in (Role.JSON, Role.SEQ_LIST, Role.TRACE):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value + shift[role] if value else 0


def _make_index_again(connection: Connection) -> None:
    connection.execute("UPDATE recall_version SET version = 0")
    recall_index.catch_up(connection)


def _checked(archive: Archive, known: Mapping[str, Table]) -> dict[str, list[Row]]:
    """The rows, in the order of `known`, each with columns that its table has and values that these can hold."""
    strange = archive.tables.keys() - known.keys()
    if strange:
        raise ArchiveError(f"The file has a table {sorted(strange)[0]!r:.80} that this Barkeep does not know.")
    found: dict[str, list[Row]] = {}
    for name, table in known.items():
        rows = archive.tables.get(name, [])
        if not isinstance(rows, list):
            raise ArchiveError(f"`{name}` is no list.")
        columns = {column.name: column for column in table.columns}
        for number, row in enumerate(rows, 1):
            problem = _problem_of(table, columns, row)
            if problem:
                raise ArchiveError(f"`{name}`, row {number}: {problem}.", "Nothing was changed.")
        found[name] = rows
    _check_keys(found, known)
    return found


def _problem_of(table: Table, columns: Mapping[str, Column], row: Any) -> str:
    if not isinstance(row, dict):
        return "it is no map"
    for name, value in row.items():
        column = columns.get(name)
        if column is None:
            return f"there is no column {name!r:.80}"
        if value is None:
            if column.required:
                return f"`{name}` is null"
        elif not (_fits(column, value) and _means_something(table.name, column, value)):
            return f"`{name}` has a value that it cannot have"
    lacking = [each for each in columns.values() if each.required and not each.has_default and each.name not in row]
    return f"`{lacking[0].name}` is missing" if lacking else ""


def _fits(column: Column, value: Any) -> bool:
    """Whether it is of the column's type."""
    if column.role in (Role.BRANCH, Role.TURN, Role.SEQ):
        return _is_count(value) and value <= MAX_NUMBER
    if column.role in (Role.JSON, Role.SEQ_LIST, Role.TRACE):
        return _is_json_of(column.name, value)
    match column.type:
        case "INTEGER":
            return _is_count(value) and value <= MAX_NUMBER
        case "REAL":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case _:
            return isinstance(value, str) and _is_text(value)


def _is_json_of(name: str, value: Any) -> bool:
    item = _ITEMS.get(name)
    if item is None:
        return isinstance(value, dict) and _is_shallow(value) and _is_text(json.dumps(value, ensure_ascii=False))
    if not isinstance(value, list):
        return False
    return all(_is_text(each) if item is str and isinstance(each, str) else _is_count(each) for each in value)


def _is_shallow(value: Any) -> bool:
    """Whether it is nested no more than `MAX_DEPTH` deep."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return True
    return False


def _means_something(table: str, column: Column, value: Any) -> bool:
    """Whether it is one of the values that are used."""
    if column.name == "npc":
        return bool(_ID.fullmatch(value))
    if (table, column.name) == ("events", "kind"):
        return bool(_KIND.fullmatch(value))
    if column.name in _SPAN:
        least, most = _SPAN[column.name]
        return bool(least <= value <= most)
    words = _WORDS.get(column.name) or _WORDS.get((table, column.name))
    return words is None or value in words


def _check_keys(rows: Mapping[str, list[Row]], known: Mapping[str, Table]) -> None:
    """No key twice, and nothing that refers to what is not there."""
    seqs = {row["seq"] for row in rows["events"]}
    turns = {row["turn"] for row in rows["turns"]}
    for name, table in known.items():
        keys = {tuple(row.get(column) for column in table.key) for row in rows[name]}
        if len(keys) != len(rows[name]):
            raise ArchiveError(f"`{name}` has a row twice.", "Nothing was changed.")
        for column, other, _ in table.references:
            there = seqs if other == "events" else turns
            if any(row.get(column) is not None and row[column] not in there for row in rows[name]):
                raise ArchiveError(f"`{name}`: `{column}` refers to what is not in the file.", "Nothing was changed.")


def _check_tree(archive: Archive, rows: Mapping[str, list[Row]]) -> None:
    """Branches begin in older ones, so that none is its own ancestor; every row is in one of them."""
    branches = {row["branch"]: row for row in rows["branches"]}
    if archive.head not in branches or 0 in branches:
        raise ArchiveError("`head` is no branch of the file.")
    for number, row in branches.items():
        parent = row.get("parent")
        if parent is not None and (parent >= number or parent not in branches):
            raise ArchiveError(f"Branch {number} begins in branch {parent}, which is not older.")
    epochs = {row["epoch"] for row in branches.values()}
    if len(epochs) != len(branches) or branches[archive.head]["epoch"] != max(epochs):
        raise ArchiveError("Each branch has an epoch of its own, and the head has the last one.")
    for name, each in rows.items():
        if any(row["branch"] not in branches for row in each):
            raise ArchiveError(f"`{name}` has a row in a branch that is not in the file.")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: str) -> bool:
    """Whether it can be stored: half a surrogate pair cannot."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")
