"""Cards and lorebooks in a conversation: what the model reads, and what is kept of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from server.dialogue.lorebook import LoreLog
from server.personas.books.compiled import Books
from server.personas.books.read import of_card
from server.personas.persona import Persona
from server.personas.shelving import keep
from server.protocol import messages as m
from tests.support.stage import Recording, house, say


def card(*entries: dict[str, Any]) -> bytes:
    book = {"name": "Quay", "extensions": {}, "entries": list(entries)}
    data = {
        "name": "Tilda",
        "description": "{{char}} mends nets and knows {{user}}.",
        "first_mes": "Evening, {{user}}.",
        "character_book": book,
    }
    return json.dumps({"spec": "chara_card_v2", "spec_version": "2.0", "data": data}).encode()


def entry(content: str, *keys: str, **fields: Any) -> dict[str, Any]:
    return {"keys": list(keys), "content": content, "enabled": True, "insertion_order": 1, "extensions": {}, **fields}


async def _talk(folder: Path, home: Any, *lines: str) -> Any:
    home.stage.library.add_folder(folder)
    home.stage.library.load()
    client = await home.enter("tilda")
    for number, line in enumerate(lines):
        await client.ask(say(line, id=f"s{number}", to="tilda"))
        await client.next(m.TurnEnd)
    await home.stage.jobs.idle()
    return client


def _folder(tmp_path: Path, *entries: dict[str, Any]) -> Path:
    folder = tmp_path / "cards"
    folder.mkdir()
    keep(card(*entries), folder)
    return folder


async def test_an_entry_that_is_said_is_told_once_and_traced(tmp_path: Path) -> None:
    lines = (entry("The lantern burns eel oil, says {{user}}.", "lantern"), entry("Fog comes at noon.", constant=True))
    folder = _folder(tmp_path, *lines)
    route = Recording("local", "I know it.")
    async with house(tmp_path, route) as home:
        client = await _talk(folder, home, "What of the lantern?", "The lantern, I said?")
        ends = client.all(m.TurnEnd)
        turns = await home.stage.memory.last_turns("default", "tilda", 2)
    first, second = ("".join(map(str, turn.written)) for turn in turns)
    assert "[You know: The lantern burns eel oil, says player.]" in first
    assert "eel oil" not in second
    assert len(ends) == 2
    assert [one["outcome"] for one in turns[0].trace["lore"]] == ["standing", "told"]
    assert [one["outcome"] for one in turns[1].trace["lore"]] == ["standing", "standing"]
    assert turns[0].lore_ids == ("tilda/0",)


async def test_the_players_name_stands_in_the_persona(tmp_path: Path) -> None:
    folder = _folder(tmp_path, entry("Fog comes at noon.", constant=True))
    route = Recording("local", "Yes.")
    async with house(tmp_path, route) as home:
        await _talk(folder, home, "Hello?")
        persona = home.stage.library.get("tilda")
        assert persona is not None
        assert persona.knowledge == ("Fog comes at noon.",)
        assert "{{user}}" in persona.core
    [prompt] = route.prompts
    assert "Tilda mends nets and knows player." in "".join(prompt)
    assert "- Fog comes at noon." in "".join(prompt)


def test_the_log_follows_turns_and_keeps_the_first_of_what_stays() -> None:
    book = of_card({"entries": [{"id": 1, "keys": ["a"], "content": "A.", "extensions": {"sticky": 4}}]}, "b")
    books = Books([book], "Tilda", "Bram")
    assert LoreLog([("b/1",), (), ("b/1",)]).told(books) == {"b/1": 1}
    assert LoreLog([("b/1",), (), (), ("b/1",)]).told(books) == {"b/1": 7}
    assert LoreLog([("gone/1",)]).told(books) == {}


def test_a_persona_without_macros_stays_the_same_object() -> None:
    from server.personas.cards.persona import for_player

    persona = Persona(id="hilda", name="Hilda", core="Keeps an inn.")
    assert for_player(persona, "Bram") is persona
