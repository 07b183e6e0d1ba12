"""Patterns with slots: filled once, so that a fact and the question about it speak of the same things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from training.lexicon import Lexicon

_SLOT = re.compile(r"\{([A-Za-z_]+\d?)\}")
_SIDES = re.compile(r"\[([^|\]]*)\|([^\]]*)\]")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIOU])")
_PLURALS = {"penny": "pennies", "gold piece": "gold pieces", "groat": "groats", "copper": "coppers", "silver": "silver"}


class Slots:
    """What the slots of one fact stand for."""

    def __init__(self, lexicon: Lexicon, **known: str) -> None:
        self.lexicon = lexicon
        self.values: dict[str, str] = dict(known)

    def fill(self, pattern: str) -> str:
        """The pattern with words in its slots; `an` where a vowel follows."""
        return _ARTICLE.sub(r"\1n ", _SLOT.sub(self._value, pattern))

    def keys(self, pattern: str) -> list[str]:
        """What stands in the slots of a pattern that was filled."""
        return [self.values[found.lower()] for found in _SLOT.findall(pattern) if found.lower() in self.values]

    def _value(self, found: re.Match[str]) -> str:
        slot = found[1]
        name = slot if slot in ("N",) else slot.lower()
        if name == "N":
            return self._get("n").capitalize()
        value = self._get(name)
        return value[:1].upper() + value[1:] if slot[0].isupper() else value

    def _get(self, name: str) -> str:
        if name not in self.values:
            self.values[name] = self._draw(name)
        return self.values[name]

    def _draw(self, slot: str) -> str:
        lexicon, kind = self.lexicon, slot.rstrip("0123456789")
        match kind:
            case "name":
                return lexicon.name()
            case "place":
                return lexicon.place()
            case "inn":
                return lexicon.inn()
            case "n" | "m":
                return lexicon.number(60)
            case "number":
                return lexicon.number()
            case "few":
                return lexicon.rng.choice(("two", "three", "four", "five"))
            case "coin" | "coins":
                coin = lexicon.word("coins")
                return coin if slot == "coins2" else _PLURALS.get(coin, f"{coin}s")
            case "deed_past":
                return past(lexicon.word("deeds"))
            case "a_trade":
                return f"a {lexicon.word('trades')}"
            case _:
                return lexicon.word(kind)


_PASTS = {
    "find": "found", "buy": "bought", "win": "won", "build": "built", "learn": "learned", "sell": "sold", "see": "saw",
    "catch": "caught", "write": "wrote", "bring": "brought", "feed": "fed", "ring": "rang", "light": "lit",
    "dig": "dug", "plant": "planted", "pay": "paid", "hide": "hid", "stop": "stopped", "rebuild": "rebuilt",
    "marry": "married", "carry": "carried",
}  # fmt: skip


def past(deed: str) -> str:
    """`mend the roof` as it is told afterwards."""
    verb, _, rest = deed.partition(" ")
    told = _PASTS.get(verb, f"{verb}d" if verb.endswith("e") else f"{verb}ed")
    return f"{told} {rest}".replace("learned to read", "learned reading")


def sides(text: str) -> tuple[str, str]:
    """How a text stands in the persona, and how the persona says it."""
    return tuple(_ARTICLE.sub(r"\1n ", _SIDES.sub(rf"\{side}", text)) for side in (1, 2))  # type: ignore[return-value]  # two


def mentions(text: str, words: Iterable[str]) -> bool:
    """Whether any of the words stands in the text, also as the beginning of a longer word."""
    folded = text.casefold()
    return any(re.search(rf"\b{re.escape(word.casefold())}", folded) for word in words)


def capital(text: str) -> str:
    """With a capital first."""
    return text[:1].upper() + text[1:]


def named(pattern: str, **values: str) -> str:
    """A pattern with these values, nothing else drawn."""
    found: Mapping[str, str] = values
    return _ARTICLE.sub(r"\1n ", _SLOT.sub(lambda match: found[match[1]], pattern))
