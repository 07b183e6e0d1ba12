"""A persona as the model reads it: a core that is in every prompt, and details as far as there is room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from server.personas.persona import Persona
from server.prompt.pieces import Choice, Piece, cost, listed, pieces
from server.prompt.tokens import Tokenizer

_LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "zh": "Chinese",
}


def core(persona: Persona, tokenizer: Tokenizer) -> tuple[Piece, ...]:
    """Who the NPC is and how it speaks: never dropped."""
    role = persona.role.rstrip(" .")
    who = f"You are {persona.name}, {role}." if role else f"You are {persona.name}."
    voice = f"How you speak: {persona.voice}" if persona.voice else ""
    return pieces((who, persona.core, voice, _language(persona.language)), tokenizer)


def details(persona: Persona, tokenizer: Tokenizer) -> dict[str, tuple[Piece, ...]]:
    """The lists of a persona under their blocks' names, in the order they stand in the prompt."""
    relations = (f"{_spoken_name(other)}: {how}" for other, how in persona.relations.items())
    examples = (f'To "{example.player}" you might say "{example.npc}"' for example in persona.examples)
    return {
        "knowledge": listed("What you know:", persona.knowledge, tokenizer),
        "goals": listed("What you want:", persona.goals, tokenizer),
        "relations": listed("People you know:", relations, tokenizer),
        "examples": listed("How you answer, for example:", examples, tokenizer),
    }


def choose_details(offered: Mapping[str, Sequence[Piece]], room: int) -> dict[str, Choice]:
    """Fill `room` tokens; every list loses its last entries first, and examples get what the others leave.

    Knowledge, goals and relations take turns, so that a long list does not starve the others.
    """
    lasting = [name for name in offered if name != "examples"]
    counts, room = _take_turns([offered[name] for name in lasting], room)
    examples, _ = _take_turns([offered["examples"]], room)
    taken = {**dict(zip(lasting, counts, strict=True)), "examples": examples[0]}
    return {name: Choice(tuple(items[: taken[name]]), cost(items[taken[name] :])) for name, items in offered.items()}


def _take_turns(lists: Sequence[Sequence[Piece]], room: int) -> tuple[list[int], int]:
    """How many entries of each list fit when each gives one at a time, and the room left."""
    taken = [0] * len(lists)
    giving = list(range(len(lists)))
    while giving:
        for which in tuple(giving):
            entries, rank = lists[which], taken[which]
            if rank == len(entries) or entries[rank].tokens > room:
                giving.remove(which)
            else:
                room -= entries[rank].tokens
                taken[which] += 1
    return taken, room


def _spoken_name(persona_id: str) -> str:
    # Relations know others by id alone; ids are names in lower case.
    return persona_id.replace("_", " ").replace("-", " ").title()


def _language(code: str) -> str:
    base = code.partition("-")[0]
    if base == "en":
        return ""
    return f"You speak {_LANGUAGES.get(base, f'the language with the code {base}')}."
