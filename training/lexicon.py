"""Words of one setting, and names without end. Every tenth word is kept out of the corpus, for the evaluation alone."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
VALLEY = HERE / "settings" / "valley.yaml"

_KEPT_OUT = 10
_ONSETS = (
    "b", "br", "c", "ch", "d", "dr", "f", "fl", "g", "gl", "gr", "h", "j", "k", "kl", "l", "m", "n", "p", "pr", "qu",
    "r", "s", "sh", "st", "t", "th", "tr", "v", "w", "wh", "y", "z",
)  # fmt: skip
_VOWELS = ["a", "a", "a", "e", "e", "e", "i", "i", "o", "o", "o", "u", "u", "ai", "ea", "ee", "ia", "ou"]
_CODAS = ["", "", "", "l", "n", "r", "s", "m", "th", "ck", "rd", "nd", "lf", "st", "rn", "x", "ld", "t", "g", "v"]
_JOINTS = ["", "", "", "", "l", "n", "r", "m", "s"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ONES = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
WORDS = [*_ONES, *(f"{ten}{one}" for ten in _TENS for one in ("", *(f"-{each}" for each in _ONES[:9])))]
"""Numbers in words, from one."""


def is_kept_out(word: str) -> bool:
    """Whether a word belongs to the evaluation; the same everywhere and always."""
    return zlib.crc32(word.casefold().encode()) % _KEPT_OUT == 0


def load_yaml(path: Path) -> Any:
    """The content of one of this package's own files."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


class Lexicon:
    """Draws words. With `held_out` it draws only what the corpus never has."""

    def __init__(self, rng: random.Random, setting: Path = VALLEY, *, held_out: bool = False) -> None:
        self.rng = rng
        self.held_out = held_out
        self._lists = _split(setting, held_out)

    def __contains__(self, kind: str) -> bool:
        return kind in self._lists

    def word(self, kind: str) -> str:
        """A word of a list; now and then one that nobody has heard before, where the list is of things."""
        if kind in _OPEN and self.rng.random() < 0.12:
            return self._invented(self.rng.choice((1, 2, 2))).lower()
        return self.rng.choice(self._lists[kind])

    def name(self) -> str:
        """A given name."""
        return self._invented(self.rng.choice((1, 2, 2, 2, 3)))

    def full_name(self) -> str:
        """A name with or without a family's."""
        return self.name() if self.rng.random() < 0.45 else f"{self.name()} {self.name()}"

    def place(self) -> str:
        """A town."""
        return self.rng.choice(self._lists["place_forms"]).replace("{N}", self.name())

    def inn(self) -> str:
        """What an inn is called."""
        return f"{self.word('inn_adjectives')} {self.rng.choice(self._lists['inn_names'])}"

    def number(self, most: int = 99) -> str:
        """A number in words or digits."""
        for _ in range(50):
            value = self.rng.randint(1, min(most, self.rng.choice((9, 30, most))))
            said = WORDS[value - 1] if value <= len(WORDS) and self.rng.random() < 0.75 else str(value)
            if self._fits(said) or value < 10:
                break
        return said

    def _invented(self, syllables: int) -> str:
        while True:
            choose = self.rng.choice
            inner = "".join(choose(_ONSETS) + choose(_VOWELS) + choose(_JOINTS) for _ in range(syllables - 1))
            made = inner + choose(_ONSETS) + choose(_VOWELS) + choose(_CODAS)
            if self.rng.random() < 0.2:
                made = self.rng.choice("aeiou") + made
            if 3 <= len(made) <= 11 and self._fits(made):
                return made.capitalize()

    def _fits(self, word: str) -> bool:
        return is_kept_out(word) == self.held_out


_OPEN = {"things", "foods", "animals", "sites", "plants", "drinks", "trades", "materials"}
_NEVER_SPLIT = {"place_forms", "seasons", "days", "coins", "directions", "inn_names"}
_loaded: dict[tuple[Path, bool], dict[str, Sequence[str]]] = {}


def _split(setting: Path, held_out: bool) -> dict[str, Sequence[str]]:
    key = (setting, held_out)
    if key not in _loaded:
        _loaded[key] = {
            kind: words
            if kind in _NEVER_SPLIT
            else ([word for word in words if is_kept_out(word) == held_out] or words)
            for kind, words in load_yaml(setting).items()
        }
    return _loaded[key]
