"""The persona's own lines: what an NPC says when no model can."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import AsyncGenerator, Iterable, Sequence

from server.backends.base import Delta, Finish, Progress, Request, RouteState, TextDelta, Usage
from server.errors import RouteEmpty
from server.personas import deflections
from server.personas.persona import Topic

MODEL = "authored"
_WORD = re.compile(r"\w+")
_Words = tuple[str, ...]


class AuthoredBackend:
    """Picks a line that fits what was said and was not said just now."""

    kind = "authored"
    hosted = False
    paid = False
    generating = False

    def __init__(self, name: str, *, rng: random.Random) -> None:
        """`rng` decides between lines that fit equally well."""
        self.name = name
        self._rng = rng

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to end."""

    def state(self) -> RouteState:
        """Always ready: the language's common lines stand in for a persona without its own."""
        return RouteState(self.name, self.kind, "ready", model=MODEL)

    async def probe(self) -> None:
        """Always there."""

    def tokens_within(self, ms: float) -> int | None:
        """Not known."""
        return None

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        """One line, at once.

        Raises:
            RouteEmpty: there is no line but the one said last.
        """
        line = pick(_pools(request), request.recent, self._rng)
        if line is None:
            raise RouteEmpty(f"{request.npc} has no other line than the last one", "give the persona authored lines")
        yield TextDelta(line)
        yield Finish("stop", Usage(), MODEL)

    async def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        """Yield nothing: lines need no reading."""
        return
        yield  # makes this an async generator


def pick(pools: Iterable[Sequence[str]], recent: Sequence[str], rng: random.Random) -> str | None:
    """A line of the first pool that has one not said lately, or at least not last; None where no pool has.

    What was heard may be a part of a line: the player cut in, or it was spoken sentence by sentence.
    """
    said = [words for line in recent if (words := _words(line))]
    for pool in pools:
        for told in (said, said[-1:]):
            if fresh := [line for line in pool if not any(_same(_words(line), words) for words in told)]:
                return rng.choice(fresh)
    return None


def best_topic(topics: Iterable[Topic], heard: str) -> Topic | None:
    """The topic of which most keywords were said; of equals, the one with the longer keywords, then the first.

    Keywords are whole words, in any case, with or without accents; one of several words must be said in its order.
    """
    words = _words(heard)
    scored = [(_score(topic.keywords, words), topic) for topic in topics]
    best = max(scored, key=lambda entry: entry[0], default=None)
    return best[1] if best and best[0] > (0, 0) else None


def _pools(request: Request) -> Iterable[Sequence[str]]:
    """Lines that fit, the best fit first."""
    own, common = request.persona.authored, deflections.common(request.persona.language)
    if deflections.is_goodbye(request.heard, request.persona.language):
        yield own.farewells
        yield common.farewells
    elif topic := best_topic(own.topics, request.heard):
        yield topic.lines
    elif request.opening:
        if request.in_company and own.group_greetings:
            yield (*own.group_greetings, *own.greetings)
        elif own.greets_first and not request.heard:
            yield own.greetings[:1]
        yield own.greetings
        yield common.greetings
    yield own.deflections
    yield common.deflections


def _score(keywords: Iterable[str], heard: _Words) -> tuple[int, int]:
    """How many keywords were said, and how long they are together."""
    hits = {words for keyword in keywords if _says(heard, words := _words(keyword))}
    return len(hits), sum(len(word) for words in hits for word in words)


def _says(heard: _Words, phrase: _Words) -> bool:
    size = len(phrase)
    return bool(phrase) and any(heard[at : at + size] == phrase for at in range(len(heard) - size + 1))


def _same(line: _Words, said: _Words) -> bool:
    return _says(line, said) or _says(said, line)


def _words(text: str) -> _Words:
    """Words without case and accents."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return tuple(_WORD.findall(plain.casefold()))
