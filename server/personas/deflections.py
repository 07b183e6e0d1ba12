"""What anyone can say, for NPCs without lines of their own, and how to tell that somebody takes leave."""

from __future__ import annotations

import functools
import re
import unicodedata
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from server import yamlfile
from server.personas.persona import Phrase

FALLBACK_LANGUAGE: Final = "en"
_FILE: Final = Path(__file__).with_name("common.yaml")
_GOODBYE_WORDS: Final = 8
_JOINING: Final = re.compile("['\u2019-]")
_WORD: Final = re.compile(r"[^\W_]+")

Phrases = Annotated[tuple[Phrase, ...], Field(min_length=1)]


class Common(BaseModel):
    """One language's lines. `goodbyes` are what a player says on leaving; the others are what an NPC says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    greetings: Phrases
    deflections: Phrases
    farewells: Phrases
    goodbyes: Phrases


def common(language: str) -> Common:
    """The lines of a BCP 47 language (`de-AT` has those of `de`); English where the language has none."""
    languages = _languages()
    return languages.get(language.partition("-")[0].lower()) or languages[FALLBACK_LANGUAGE]


def languages() -> tuple[str, ...]:
    """The languages that have lines."""
    return tuple(_languages())


def is_goodbye(text: str, language: str) -> bool:
    """True where a short utterance takes leave: one of the language's goodbyes as whole words, and no question."""
    words = _words(text)
    if not words or len(words) > _GOODBYE_WORDS or text.rstrip().endswith("?"):
        return False
    spoken = f" {' '.join(words)} "
    return any(f" {' '.join(_words(goodbye))} " in spoken for goodbye in common(language).goodbyes)


def _words(text: str) -> list[str]:
    """Words without case and accents; apostrophes and hyphens join (`I'm` is `im`, `good-bye` is `goodbye`)."""
    plain = _JOINING.sub("", unicodedata.normalize("NFKD", text).casefold())
    return _WORD.findall("".join(char for char in plain if not unicodedata.combining(char)))


@functools.cache
def _languages() -> dict[str, Common]:
    return TypeAdapter(dict[str, Common]).validate_python(yamlfile.load(_FILE).data)
