"""What leaves an impression on an NPC: the rules, and which of them something that happened fits.

The common rules are in `impressions.yaml`; a mod may bring others, and a persona has its own effects for some.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from server import yamlfile
from server.memory.feelings import Effect

KEPT = "promise_kept"
BROKEN = "promise_broken"

_FILE: Final = Path(__file__).with_name("impressions.yaml")
_QUESTION: Final = re.compile(r"[^.!?]*\?")

Amount = Annotated[float, Field(ge=-1, le=1)]


@dataclass(frozen=True, slots=True)
class Impression:
    """A rule: events of these kinds, and these words (by language), have this effect.

    `witnessed` is the share of it for those whom it was not meant for.
    """

    name: str
    effect: Effect
    events: tuple[str, ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    witnessed: float = 0.0


class Impressions:
    """The rules that hold for one NPC."""

    def __init__(self, rules: Iterable[Impression], language: str = "en") -> None:
        self._rules = {rule.name: rule for rule in rules}
        base = language.partition("-")[0].lower()
        self._said = [
            (rule, pattern) for rule in self._rules.values() if (pattern := _pattern(rule.words.get(base, ())))
        ]

    def of_event(self, kind: str) -> Impression | None:
        """The rule of an event of this kind."""
        return next((rule for rule in self._rules.values() if kind == rule.name or kind in rule.events), None)

    def of_words(self, text: str) -> Iterator[Impression]:
        """The rules that what is said fits, each once. Questions count for nothing."""
        told = _QUESTION.sub(" ", text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
        for rule, pattern in self._said:
            if pattern.search(told):
                yield rule

    def named(self, name: str) -> Impression | None:
        """The rule of this name."""
        return self._rules.get(name)


def impressions_of(
    language: str, own: Mapping[str, Mapping[Any, float]] | None = None, brought: Iterable[Impression] = ()
) -> Impressions:
    """The common rules under those that mods have `brought`, with an NPC's `own` effects by name of the rule."""
    rules = {rule.name: rule for rule in (*common(), *brought)}
    for name, amounts in (own or {}).items():
        known = rules.get(name, Impression(name, Effect(), events=(name,)))
        rules[name] = replace(known, effect=replace(known.effect, **dict(amounts)))
    return Impressions(rules.values(), language)


@functools.cache
def common() -> tuple[Impression, ...]:
    """The rules that come with the program."""
    read = TypeAdapter(dict[str, _Rule]).validate_python(yamlfile.load(_FILE).data)
    return tuple(
        Impression(name, Effect(**rule.effect.model_dump()), rule.events, rule.words, rule.witnessed)
        for name, rule in read.items()
    )


class _Effect(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    trust: Amount = 0.0
    warmth: Amount = 0.0
    respect: Amount = 0.0
    fear: Amount = 0.0
    valence: Amount = 0.0
    arousal: Amount = 0.0
    mood: str = ""


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    events: tuple[str, ...]
    words: dict[str, tuple[str, ...]]
    effect: _Effect
    witnessed: Annotated[float, Field(ge=0, le=1)]


def _pattern(words: Iterable[str]) -> re.Pattern[str] | None:
    phrases = "|".join(re.escape(word.casefold()) for word in words)
    if not phrases:
        return None
    # "Not stupid" and "no idiot" are no insults.
    before = "".join(rf"(?<!\b{refusal} )" for refusal in ("not", "no", "never", "nicht", "kein", "isn't", "aren't"))
    return re.compile(rf"(?<!\w){before}(?:{phrases})(?!\w)")
