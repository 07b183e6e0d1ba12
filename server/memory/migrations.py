"""The schema, as numbered migrations. A migration that was released is never changed; a new one is added at the end.

Every row that can be undone by loading a save names its branch and its `seq`: its place in the one order of everything
that was ever written. A branch belongs to one world, so rows with a branch do not name the world again.
"""

from __future__ import annotations

from server.memory.database import Connection, Migration

_FIRST = (
    # The last seq given out. Events, ends of turns, marks and changes share it, so all is before or after a mark.
    "CREATE TABLE counter (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), seq INTEGER NOT NULL) STRICT",
    "INSERT INTO counter VALUES (1, 0)",
    """CREATE TABLE worlds (
        world TEXT PRIMARY KEY,
        head INTEGER NOT NULL REFERENCES branches DEFERRABLE INITIALLY DEFERRED
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE branches (
        branch INTEGER PRIMARY KEY AUTOINCREMENT,
        world TEXT NOT NULL REFERENCES worlds DEFERRABLE INITIALLY DEFERRED,
        parent INTEGER REFERENCES branches,
        parent_seq INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        wall_s REAL NOT NULL,
        UNIQUE (world, epoch)
    ) STRICT""",
    """CREATE TABLE marks (
        world TEXT NOT NULL REFERENCES worlds,
        save TEXT NOT NULL,
        branch INTEGER NOT NULL REFERENCES branches,
        seq INTEGER NOT NULL,
        wall_s REAL NOT NULL,
        PRIMARY KEY (world, save)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE players (
        world TEXT NOT NULL REFERENCES worlds,
        player TEXT NOT NULL,
        PRIMARY KEY (world, player)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE sessions (
        session TEXT PRIMARY KEY,
        lineage TEXT NOT NULL,
        world TEXT NOT NULL,
        player TEXT NOT NULL,
        FOREIGN KEY (world, player) REFERENCES players
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        branch INTEGER NOT NULL REFERENCES branches,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        speaker TEXT NOT NULL,
        speaker_name TEXT NOT NULL,
        player TEXT NOT NULL,
        scene TEXT NOT NULL,
        place TEXT NOT NULL,
        time REAL,
        wall_s REAL NOT NULL,
        importance REAL NOT NULL,
        turn INTEGER REFERENCES turns
    ) STRICT""",
    """CREATE TABLE witnesses (
        npc TEXT NOT NULL,
        branch INTEGER NOT NULL,
        seq INTEGER NOT NULL REFERENCES events,
        how TEXT NOT NULL,
        PRIMARY KEY (npc, branch, seq)
    ) STRICT, WITHOUT ROWID""",
    # `seq` is null while the turn is open; the columns below it are filled when it ends.
    """CREATE TABLE turns (
        turn INTEGER PRIMARY KEY AUTOINCREMENT,
        branch INTEGER NOT NULL REFERENCES branches,
        npc TEXT NOT NULL,
        session TEXT NOT NULL,
        asked_by INTEGER REFERENCES events,
        state TEXT NOT NULL DEFAULT 'open',
        seq INTEGER,
        player TEXT NOT NULL DEFAULT '',
        text TEXT NOT NULL DEFAULT '',
        heard TEXT NOT NULL DEFAULT '',
        written TEXT NOT NULL DEFAULT '[]',
        fingerprint TEXT NOT NULL DEFAULT '',
        token_ids TEXT NOT NULL DEFAULT '[]',
        memory_ids TEXT NOT NULL DEFAULT '[]',
        lore_ids TEXT NOT NULL DEFAULT '[]',
        read_to INTEGER NOT NULL DEFAULT 0,
        trace TEXT NOT NULL DEFAULT '{}',
        CHECK ((state = 'open') = (seq IS NULL))
    ) STRICT""",
    "CREATE INDEX turns_open ON turns (turn) WHERE state = 'open'",
    "CREATE INDEX turns_written ON turns (npc, branch, seq) WHERE written <> '[]'",
    """CREATE TABLE requests (
        lineage TEXT NOT NULL,
        client_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        event INTEGER REFERENCES events,
        answer TEXT NOT NULL,
        PRIMARY KEY (lineage, client_id)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX requests_newest ON requests (lineage, seq)",
    """CREATE TABLE personas (
        branch INTEGER NOT NULL REFERENCES branches,
        seq INTEGER NOT NULL,
        npc TEXT NOT NULL,
        patch TEXT NOT NULL,
        PRIMARY KEY (branch, seq)
    ) STRICT, WITHOUT ROWID""",
    # In these three `seq` is that of the newest event they follow from: they hold wherever that event does.
    """CREATE TABLE standings (
        npc TEXT NOT NULL,
        branch INTEGER NOT NULL REFERENCES branches,
        seq INTEGER NOT NULL,
        other TEXT NOT NULL,
        note TEXT NOT NULL,
        trust REAL NOT NULL,
        warmth REAL NOT NULL,
        respect REAL NOT NULL,
        fear REAL NOT NULL,
        PRIMARY KEY (npc, branch, seq, other)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE moods (
        npc TEXT NOT NULL,
        branch INTEGER NOT NULL REFERENCES branches,
        seq INTEGER NOT NULL,
        label TEXT NOT NULL,
        valence REAL NOT NULL,
        arousal REAL NOT NULL,
        PRIMARY KEY (npc, branch, seq)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE summaries (
        npc TEXT NOT NULL,
        branch INTEGER NOT NULL REFERENCES branches,
        seq INTEGER NOT NULL,
        from_seq INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (npc, branch, seq)
    ) STRICT, WITHOUT ROWID""",
)


def _first(connection: Connection) -> None:
    for statement in _FIRST:
        connection.execute(statement)


_SPEND = (
    # What paid routes cost. No branch: a load does not give money back. `turn` is empty where a call belongs to none.
    """CREATE TABLE spend (
        call INTEGER PRIMARY KEY,
        wall_s REAL NOT NULL,
        day TEXT NOT NULL,
        turn TEXT NOT NULL,
        npc TEXT NOT NULL,
        route TEXT NOT NULL,
        model TEXT NOT NULL,
        prompt INTEGER NOT NULL,
        cached INTEGER NOT NULL,
        reply INTEGER NOT NULL,
        cost_usd REAL,
        estimated INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX spend_day ON spend (day)",
    """CREATE TABLE ratios (
        model TEXT PRIMARY KEY,
        reports INTEGER NOT NULL,
        mean REAL NOT NULL,
        spread REAL NOT NULL,
        peak REAL NOT NULL
    ) STRICT, WITHOUT ROWID""",
)


def _spend(connection: Connection) -> None:
    for statement in _SPEND:
        connection.execute(statement)


_CLAIMS_AND_TIMES = (
    "ALTER TABLE events ADD COLUMN claim INTEGER NOT NULL DEFAULT 0",
    # The game's time when the mark was made, and whose game it was where the game has no names for its saves.
    "ALTER TABLE marks ADD COLUMN time REAL",
    "ALTER TABLE marks ADD COLUMN character TEXT NOT NULL DEFAULT ''",
)


def _claims_and_times(connection: Connection) -> None:
    for statement in _CLAIMS_AND_TIMES:
        connection.execute(statement)


_FACTS = (
    # What the rules read out of events. A row holds, and is known, wherever its event is: branch and witnesses are
    # the event's. `read_to` is the newest event that was read, by the rules of `extractor`.
    """CREATE TABLE facts (
        seq INTEGER NOT NULL REFERENCES events,
        nth INTEGER NOT NULL CHECK (nth BETWEEN 1 AND 63),
        branch INTEGER NOT NULL REFERENCES branches,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        relation TEXT NOT NULL,
        object TEXT NOT NULL,
        text TEXT NOT NULL,
        teller TEXT NOT NULL,
        importance REAL NOT NULL,
        when_s REAL,
        due_h REAL,
        PRIMARY KEY (seq, nth)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX facts_about ON facts (subject COLLATE NOCASE, relation, seq)",
    "CREATE INDEX facts_due ON facts (branch, due_h) WHERE due_h IS NOT NULL",
    """CREATE TABLE facts_progress (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        extractor INTEGER NOT NULL,
        read_to INTEGER NOT NULL
    ) STRICT""",
    "INSERT INTO facts_progress VALUES (1, 0, 0)",
)


def _facts(connection: Connection) -> None:
    for statement in _FACTS:
        connection.execute(statement)


_DERIVED = (
    # The game's time of a change, as standings and moods fade; and what the two call each other.
    "ALTER TABLE standings ADD COLUMN time REAL",
    "ALTER TABLE standings ADD COLUMN calls TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE standings ADD COLUMN called TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX standings_of ON standings (npc, branch, other, seq)",
    "ALTER TABLE moods ADD COLUMN time REAL",
    # `rules` or the name of the model that wrote it.
    "ALTER TABLE summaries ADD COLUMN author TEXT NOT NULL DEFAULT 'rules'",
    "CREATE INDEX turns_asked ON turns (asked_by) WHERE asked_by IS NOT NULL",
    # `made` and `nth` name the fact; the rest repeats it, as facts may be made again. `seq` as in the three above.
    """CREATE TABLE commitments (
        npc TEXT NOT NULL,
        branch INTEGER NOT NULL REFERENCES branches,
        seq INTEGER NOT NULL,
        made INTEGER NOT NULL,
        nth INTEGER NOT NULL,
        kind TEXT NOT NULL,
        teller TEXT NOT NULL,
        text TEXT NOT NULL,
        about TEXT NOT NULL,
        due_h REAL,
        weight REAL NOT NULL,
        state TEXT NOT NULL,
        since_h REAL,
        PRIMARY KEY (npc, branch, seq, made, nth)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE diaries (
        npc TEXT NOT NULL,
        branch INTEGER NOT NULL REFERENCES branches,
        seq INTEGER NOT NULL,
        from_seq INTEGER NOT NULL,
        time REAL,
        text TEXT NOT NULL,
        PRIMARY KEY (npc, branch, seq)
    ) STRICT, WITHOUT ROWID""",
    # How far an NPC's events in a branch went into standings, moods and commitments.
    """CREATE TABLE digested (
        npc TEXT NOT NULL,
        branch INTEGER NOT NULL REFERENCES branches,
        seq INTEGER NOT NULL,
        PRIMARY KEY (npc, branch)
    ) STRICT, WITHOUT ROWID""",
)


def _derived(connection: Connection) -> None:
    for statement in _DERIVED:
        connection.execute(statement)


_RECALL = (
    # Who witnessed an event; and whoever deletes one needs it to find what refers to it.
    "CREATE INDEX witnesses_of ON witnesses (seq)",
    # Made of ready words by memory/recall_index.py: no text is kept in it, nor places within a row.
    """CREATE VIRTUAL TABLE recall_words USING fts5 (
        words, content = '', columnsize = 0, detail = none, tokenize = 'ascii'
    )""",
    "CREATE TABLE recall_version (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), version INTEGER NOT NULL) STRICT",
    "INSERT INTO recall_version VALUES (1, 0)",
)


def _recall(connection: Connection) -> None:
    for statement in _RECALL:
        connection.execute(statement)


MIGRATIONS: tuple[Migration, ...] = (_first, _spend, _claims_and_times, _facts, _derived, _recall)
