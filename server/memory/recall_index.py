"""The index of what each NPC can remember: which words lead it to which events and facts.

Every NPC has words of its own in one FTS5 table (https://www.sqlite.org/fts5.html): an event's words are entered once
for each of its witnesses, behind a mark of world and NPC. So a search never meets what somebody else witnessed, costs
what the NPC has lived through, whatever the size of its world, and finds a word rare or common as it is in that life.
The table holds no text, only where words stand, so a row can be made again from the log but not read back.

An event is found by the name of who said it too, and so a name that half of all talk is signed with weighs little.

A row's number is the event's seq times 64, plus 0 for the event itself or the number of one of its facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from server.memory.database import Connection
from server.memory.timeline import VisiblePath
from server.text.words import words

ROWS_OF_AN_EVENT = 64
MAX_WORDS = 256
VERSION = 2
"""Goes up when `words` changes what it gives: the index is made anew at the next start."""
_BATCH = 2_000

_INSERT = "INSERT INTO recall_words (rowid, words) VALUES (?, ?)"
_NEWEST = """
    SELECT rowid FROM recall_words WHERE recall_words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?
"""
_WITNESSES = "SELECT npc FROM witnesses WHERE branch = ? AND seq = ?"


def mark_of(world: str, npc: str) -> str:
    """What stands before the words of an NPC: 10 hexadecimal digits."""
    return blake2b(f"{world}\0{npc}".encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()


def world_of(connection: Connection, branch: int) -> str:
    """The world that a branch belongs to."""
    [(world,)] = connection.execute("SELECT world FROM branches WHERE branch = ?", (branch,))
    return str(world)


def add(connection: Connection, row: int, text: str, marks: Iterable[str]) -> None:
    """Enter the words of `text` under `row` for the NPCs with these marks."""
    distinct = list(dict.fromkeys(words(text)))[:MAX_WORDS]
    entered = " ".join(f"{mark}{word}" for mark in marks for word in distinct)
    if entered:
        connection.execute(_INSERT, (row, entered))


def signed(speaker_name: str, text: str) -> str:
    """What an event is found by: who said it, and what."""
    return f"{speaker_name}: {text}" if speaker_name else text


def add_event(connection: Connection, branch: int, seq: int, found_by: str, npcs: Iterable[str]) -> None:
    """Enter an event for its witnesses; `found_by` is what `signed` makes of it."""
    world = world_of(connection, branch)
    add(connection, seq * ROWS_OF_AN_EVENT, found_by, [mark_of(world, npc) for npc in npcs])


def add_facts(connection: Connection, branch: int, seq: int, texts: Sequence[str]) -> None:
    """Enter an event's facts, in their order, for the event's witnesses."""
    if not texts:
        return
    world = world_of(connection, branch)
    npcs = connection.execute("SELECT DISTINCT npc FROM witnesses WHERE seq = ?", (seq,))
    marks = [mark_of(world, npc) for (npc,) in npcs]
    for nth, text in enumerate(texts, 1):
        add(connection, seq * ROWS_OF_AN_EVENT + nth, text, marks)


def rows_with(connection: Connection, mark: str, held: Sequence[str], *, before: int, limit: int) -> list[int]:
    """The newest `limit` rows of an NPC that hold all these words, newest first, of events with seq < `before`."""
    # Quoted, so that no word is ever an operator; and a word has no quotation mark, nor anything else to end it with.
    match = " AND ".join(f'"{mark}{word}"' for word in held)
    found = connection.execute(_NEWEST, (match, before * ROWS_OF_AN_EVENT, limit))
    return [row for (row,) in found]


def seen(rows: list[int], path: VisiblePath) -> list[int]:
    """Those of `rows`, newest first, that can be visible along `path`: none from between a mark and the load of it.

    What was written late into a branch that the head had left passes here; whoever reads the event looks at its branch.
    """
    if len(path) <= 1:
        return rows
    kept: list[int] = []
    at = 0
    # Newest stretch first: each reaches from where it ends down to where its parent's visible part ends.
    for newer, older in zip(path, (*path[1:], None), strict=True):
        top = newer.up_to * ROWS_OF_AN_EVENT + ROWS_OF_AN_EVENT - 1
        bottom = older.up_to * ROWS_OF_AN_EVENT + ROWS_OF_AN_EVENT - 1 if older is not None else -1
        at = _first_at_most(rows, top, at)
        end = _first_at_most(rows, bottom, at)
        kept += rows[at:end]
        at = end
    return kept


def _first_at_most(rows: Sequence[int], value: int, low: int) -> int:
    """Where in `rows`, which fall, those begin that are no greater than `value`."""
    high = len(rows)
    while low < high:
        middle = (low + high) // 2
        if rows[middle] > value:
            low = middle + 1
        else:
            high = middle
    return low


def catch_up(connection: Connection) -> None:
    """Bring the index up to the log: all of it where it is new or another version's, else nothing.

    Facts are entered as they are made, so their making begins anew along with the index.
    """
    [(version,)] = connection.execute("SELECT version FROM recall_version")
    if version == VERSION:
        return
    connection.execute("INSERT INTO recall_words (recall_words) VALUES ('delete-all')")
    connection.execute("UPDATE facts_progress SET extractor = 0, read_to = 0")
    connection.execute("UPDATE recall_version SET version = ?", (VERSION,))
    after = 0
    while rows := connection.execute(
        "SELECT seq, branch, speaker_name, text FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, _BATCH)
    ).fetchall():
        for seq, branch, name, text in rows:
            npcs = [npc for (npc,) in connection.execute("SELECT npc FROM witnesses WHERE seq = ?", (seq,))]
            add_event(connection, branch, seq, signed(name, text), npcs)
        after = rows[-1][0]
