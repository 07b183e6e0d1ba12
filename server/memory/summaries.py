"""What an NPC keeps of older times in a few words, and its diary. The rule that makes a summary, and the rows.

Without a model a summary is the facts that matter most, in their order, each with who told it; it is made from the log
anew each time, so nothing drifts from one summary to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from server.memory.database import Connection
from server.memory.facts import Fact, current, known
from server.memory.timeline import Reach, VisiblePath

MAX_CHARACTERS = 600
BY_RULE = "rules"
_CONSIDERED = 512
_HALF_LIFE_H = 720.0
_LEAST_IMPORTANCE = 0.5


@dataclass(frozen=True, slots=True)
class Summary:
    """`text` holds up to the event `seq`; `author` is `rules` or a model."""

    seq: int = 0
    text: str = ""
    author: str = BY_RULE


@dataclass(frozen=True, slots=True)
class DiaryEntry:
    """What an NPC wrote about the events after `from_seq` up to `seq`, at game second `time`."""

    seq: int
    from_seq: int
    time: float | None
    text: str


def newest(connection: Connection, path: VisiblePath, npc: str) -> Summary:
    """The newest summary; an empty one where there is none."""
    for reach in path:
        row = connection.execute(
            """SELECT seq, text, author FROM summaries
               WHERE npc = ? AND branch = ? AND seq <= ? ORDER BY seq DESC LIMIT 1""",
            (npc, reach.branch, reach.up_to),
        ).fetchone()
        if row:
            return Summary(*row)
    return Summary()


def write(connection: Connection, path: VisiblePath, npc: str, from_seq: int, summary: Summary) -> None:
    """Keep a summary at the place of the event it goes up to; a model's is not replaced by the rules'."""
    branch = _branch_of(path, summary.seq)
    known_now = newest(connection, path, npc)
    if known_now.seq > summary.seq or (known_now.seq == summary.seq and summary.author == BY_RULE):
        return
    connection.execute(
        "INSERT OR REPLACE INTO summaries (npc, branch, seq, from_seq, text, author) VALUES (?, ?, ?, ?, ?, ?)",
        (npc, branch, summary.seq, from_seq, summary.text, summary.author),
    )


def by_rule(connection: Connection, path: VisiblePath, npc: str, up_to: int, after: int = 0) -> str:
    """What matters most of what `npc` came to know in events after `after` up to `up_to`; empty where nothing does."""
    clipped = tuple(Reach(reach.branch, min(reach.up_to, up_to)) for reach in path)
    facts = current(known(connection, clipped, npc, after=after, limit=_CONSIDERED))
    chosen = _chosen([fact for fact in facts if fact.importance >= _LEAST_IMPORTANCE])
    tellers = _tellers(connection, chosen)
    return " ".join(_told(fact, *tellers[fact.seq], npc) for fact in chosen)


def _chosen(facts: Sequence[Fact]) -> list[Fact]:
    """The most important that fit, oldest first. Importance fades in game time."""
    times = [fact.when_s for fact in facts if fact.when_s is not None]
    now_s = max(times, default=0.0)

    def weight(fact: Fact) -> tuple[float, int]:
        age_h = 0.0 if fact.when_s is None else max(0.0, now_s - fact.when_s) / 3_600
        return fact.importance * (0.25 + 0.75 * 0.5 ** (age_h / _HALF_LIFE_H)), fact.seq

    kept: list[Fact] = []
    room = MAX_CHARACTERS
    for fact in sorted(facts, key=weight, reverse=True):
        cost = len(fact.text) + 16
        if cost <= room:
            kept.append(fact)
            room -= cost
    return sorted(kept, key=lambda fact: (fact.seq, fact.nth))


def _told(fact: Fact, teller_name: str, is_claim: bool, npc: str) -> str:
    """The fact, with who said it, unless that one speaks of nothing but itself and claims nothing."""
    if fact.teller == npc:
        return f"You said: {fact.text}"
    if not fact.teller or not teller_name or (fact.subject == teller_name and not is_claim):
        return fact.text
    return f"{teller_name} {'claimed' if is_claim else 'said'}: {fact.text}"


def _tellers(connection: Connection, facts: Iterable[Fact]) -> dict[int, tuple[str, bool]]:
    """By event: the name of who told it, and whether as a claim."""
    found: dict[int, tuple[str, bool]] = {}
    for seq in {fact.seq for fact in facts}:
        [(name, claim)] = connection.execute("SELECT speaker_name, claim FROM events WHERE seq = ?", (seq,))
        found[seq] = name, bool(claim)
    return found


def diary(connection: Connection, path: VisiblePath, npc: str, limit: int) -> list[DiaryEntry]:
    """The newest `limit` entries, newest first."""
    found: list[DiaryEntry] = []
    for reach in path:
        rows = connection.execute(
            """SELECT seq, from_seq, time, text FROM diaries
               WHERE npc = ? AND branch = ? AND seq <= ? ORDER BY seq DESC LIMIT ?""",
            (npc, reach.branch, reach.up_to, limit - len(found)),
        )
        found += [DiaryEntry(*row) for row in rows]
    return found


def write_diary(connection: Connection, path: VisiblePath, npc: str, entry: DiaryEntry) -> None:
    """Keep an entry at the place of the newest event in it."""
    connection.execute(
        "INSERT OR REPLACE INTO diaries (npc, branch, seq, from_seq, time, text) VALUES (?, ?, ?, ?, ?, ?)",
        (npc, _branch_of(path, entry.seq), entry.seq, entry.from_seq, entry.time, entry.text),
    )


def _branch_of(path: VisiblePath, seq: int) -> int:
    """The branch that holds `seq`: what is in a branch is newer than all that is seen of its ancestors."""
    for reach, older in zip(path, (*path[1:], None), strict=True):
        if older is None or seq > older.up_to:
            return reach.branch
    raise ValueError("a path has at least one stretch")
