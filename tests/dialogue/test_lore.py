from __future__ import annotations

import pytest

from server.dialogue.lore import brought_up, source_for
from server.personas.persona import Persona
from server.plugins.hooks import Lore

HILDA = Persona(id="hilda", name="Hilda", knows=("guild", "place:the harbour", "class:scholar"))


@pytest.mark.parametrize(
    ("who", "source"),
    [
        ((), ""),
        (("everyone",), ""),
        (("hilda",), ""),
        (("npc:hilda",), ""),
        (("npc:guild",), None),
        (("npc:ansel",), None),
        (("guild",), ""),
        (("faction:guild",), "common knowledge of the guild"),
        (("place:the harbour",), "common knowledge in the harbour"),
        (("the harbour",), ""),
        (("faction:the harbour",), None),
        (("class:scholar",), "known to every scholar"),
        (("faction:scholar",), None),
        (("court",), None),
        (("court", "faction:guild"), "common knowledge of the guild"),
    ],
)
def test_tags_decide_who_knows_and_how(who: tuple[str, ...], source: str | None) -> None:
    assert source_for(Lore("id", "text", ("key",), who), HILDA) == source


def test_the_source_stands_behind_the_fact() -> None:
    lore = [Lore("gate", "The gate is rotten.", ("gate",), ("faction:guild",))]
    [item] = brought_up(lore, "What of the gate?", HILDA, frozenset())
    assert item.text == "The gate is rotten. (common knowledge of the guild)"


@pytest.mark.parametrize(("time", "told"), [(None, False), (35_999.0, False), (36_000.0, True)])
def test_a_fact_is_known_from_its_hour_on(time: float | None, told: bool) -> None:
    lore = [Lore("war", "The war is over.", ("war",), since_hours=10.0)]
    assert bool(brought_up(lore, "What of the war?", HILDA, frozenset(), time)) == told
