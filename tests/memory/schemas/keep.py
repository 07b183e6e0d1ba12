"""Writes the schema that the migrations make now, with a little life in it, as a file to be kept:

    python -m tests.memory.schemas.keep

Run it before a migration is added; afterwards the file shows that databases of this version still come through.
"""

from __future__ import annotations

import asyncio
import gzip
import tempfile
from pathlib import Path

from server.memory.migrations import MIGRATIONS
from server.memory.store import DATABASE_NAME, Memory
from tests.memory.builders import WORLD, talk, tell

HERE = Path(__file__).parent


async def live(folder: Path) -> None:
    """What every kept file holds: a save, an undone future, and a present."""
    memory = await Memory.open(folder)
    await tell(memory, "The bell rang.", "hilda", "ansel")
    await talk(memory, "My name is Ana.", "hilda", "Well met, Ana.")
    await memory.set_persona(WORLD, "hilda", {"mood": "cross"})
    await memory.save(WORLD, "quick")
    await talk(memory, "Goodbye.", "hilda", "Undone.")
    await memory.load(WORLD, "quick")
    await talk(memory, "Is there a room?", "hilda", "There is.")
    await memory.close()


def kept(version: int) -> Path:
    """The packed database of a version's schema."""
    return HERE / f"v{version}.db.gz"


def main() -> None:
    """Write the file of the newest version."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder)))
        content = (Path(folder) / DATABASE_NAME).read_bytes()
    kept(len(MIGRATIONS)).write_bytes(gzip.compress(content, mtime=0))


if __name__ == "__main__":
    main()
