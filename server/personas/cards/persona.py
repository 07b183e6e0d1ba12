"""The persona that a card becomes, within what a prompt always has room for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from server.config import BlockSettings
from server.personas.cards.card import Card
from server.personas.cards.macros import USER, Values, addressed, expand
from server.personas.cards.shorten import beginning, phrases
from server.personas.persona import Authored, Example, Persona

CORE_BYTES: Final = 1_100
"""UTF-8 bytes of `core`. With `VOICE_BYTES` and the rules it fits half of the smallest hosted prompt by default."""
VOICE_BYTES: Final = 450
PHRASE_CHARACTERS: Final = 480
MAX_KNOWLEDGE: Final = 128
MAX_EXAMPLES: Final = 16
MAX_GREETINGS: Final = 32
LORE_TOKENS: Final = 60
"""Kept for lore where a card has a book: memories would take all otherwise."""
_WITH_NAMES: Final = {"core": 4_000, "voice": 4_000, "knowledge": 512, "examples": 512, "authored": 512}
"""What may hold the player's name, and how many characters of a text a persona takes."""
_START: Final = re.compile(r"<start>", re.IGNORECASE)
_ANYTHING: Final = "…"


def values_of(card: Card) -> Values:
    """What the macros of a card's texts stand for."""
    data = card.data
    fields = {
        "description": data.description,
        "personality": data.personality,
        "scenario": data.scenario,
        "mesexamples": data.mes_example,
        "charprompt": data.system_prompt,
        "charjailbreak": data.post_history_instructions,
    }
    return Values(card.spoken_name, fields)


def to_persona(card: Card, persona_id: str, standing: Iterable[str] = ()) -> Persona:
    """The persona of this id; `standing` are entries of its book that are always in.

    What `core` and `voice` have no room for goes into `knowledge`, whose last entries give way first.
    """
    data, values = card.data, values_of(card)
    core, more = beginning(_joined(values, data.description, data.scenario), _within(CORE_BYTES))
    voice, unsaid = beginning(_joined(values, data.personality, *_instructions(card, values)), _within(VOICE_BYTES))
    always = (piece for text in standing for piece in phrases(text, PHRASE_CHARACTERS))
    rest = (piece for text in (more, unsaid) for piece in phrases(text, PHRASE_CHARACTERS))
    return Persona(
        id=persona_id,
        name=card.spoken_name[:64].strip(),
        core=core,
        voice=voice,
        knowledge=tuple(islice((*always, *rest), MAX_KNOWLEDGE)),
        examples=tuple(islice(_examples(card, expand(data.mes_example, values)), MAX_EXAMPLES)),
        authored=_authored(card, values),
        budget={"lore": BlockSettings(min_tokens=LORE_TOKENS)} if data.character_book else {},
    )


def _authored(card: Card, values: Values) -> Authored:
    """Its greetings; a card's character speaks first, and with `first_mes` (Character Card V1)."""
    greetings = tuple(islice(_lines(card.greetings, values), MAX_GREETINGS))
    in_groups = tuple(islice(_lines(card.group_greetings, values), MAX_GREETINGS))
    return Authored(greetings=greetings, group_greetings=in_groups, greets_first=bool(card.data.first_mes.strip()))


def for_player(persona: Persona, player: str) -> Persona:
    """The persona with the player's name where its texts say `{{user}}`; a text that gets too long loses its end."""
    if USER not in persona.model_dump_json():
        return persona

    def put_in(value: object, most: int) -> object:
        if isinstance(value, str):
            return beginning(addressed(value, player), lambda text: len(text) <= most)[0]
        if isinstance(value, list):
            return [put_in(each, most) for each in value]
        return {key: put_in(each, most) for key, each in value.items()} if isinstance(value, dict) else value

    data = persona.model_dump(exclude_defaults=True, mode="json")
    texts = {key: put_in(data[key], most) for key, most in _WITH_NAMES.items() if key in data}
    return Persona.model_validate({**data, **texts})


def _instructions(card: Card, values: Values) -> Iterator[str]:
    """What the card's creator tells the model: `{{original}}` is what Barkeep says anyway."""
    note = card.data.extensions.get("depth_prompt")
    prompt = note.get("prompt") if isinstance(note, dict) else None
    for text in (card.data.system_prompt, card.data.post_history_instructions, prompt):
        if isinstance(text, str) and text.strip():
            values.original = ""
            yield expand(text, values)
            values.original = None


def _joined(values: Values, *texts: str) -> str:
    return "\n".join(text for each in texts if (text := expand(each, values).strip()))


def _within(limit: int) -> Callable[[str], bool]:
    return lambda text: len(text.encode("utf-8", "replace")) <= limit


def _lines(texts: Iterable[str], values: Values) -> Iterator[str]:
    for text in texts:
        line, _ = beginning(expand(text, values), lambda said: len(said) <= PHRASE_CHARACTERS)
        if line:
            yield line


def _examples(card: Card, text: str) -> Iterator[Example]:
    """Pairs of what the player says and the character answers; a line without one is an answer to anything."""
    for block in _START.split(text):
        said = _ANYTHING
        for is_player, words in _spoken(block, card):
            line, _ = beginning(words, lambda some: len(some) <= PHRASE_CHARACTERS)
            if is_player:
                said = line or _ANYTHING
            elif line:
                yield Example(player=said, npc=line)
                said = _ANYTHING


def _spoken(block: str, card: Card) -> Iterator[tuple[bool, str]]:
    """Who says what in a block of examples; a line without a name goes on with the one before."""
    names = {re.escape(name) for name in (card.data.name.strip(), card.spoken_name) if name}
    opening = re.compile(rf"^\s*(?:({re.escape(USER)}|user|you)|{'|'.join(sorted(names))})\s*:", re.I | re.M)
    found = list(opening.finditer(block))
    ends = (*(match.start() for match in found[1:]), len(block))
    for match, end in zip(found, ends, strict=False):  # an empty block has an end all the same
        words = block[match.end() : end].strip()
        yield match[1] is not None, words
