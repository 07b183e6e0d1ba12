"""Words without end: any word in any place, and words that nobody has heard before.

A model that meets a slot with the same thirty words learns the thirty. Here a thing may be called as an animal, a fear
be made of two halves, and a family name be a kettle: what stands in the prompt is the only way to know.
"""

from __future__ import annotations

import re
from functools import cache

from training.lexicon import HERE, VALLEY, Lexicon, is_kept_out

_NOUNS = (
    "things", "foods", "drinks", "animals", "trades", "sites", "materials", "plants", "ills", "events", "features",
    "kin", "body",
)  # fmt: skip
_QUALITIES = ("adjectives", "qualities", "moods")
_ENDINGS = ("y", "ish", "ful", "less", "ed", "some")
_COINED = {"coins": "{made}", "days": "{Made}day", "hours": "the {made} bell", "fears": "{made}s"}
_STEM = 3
"""Letters that each half of a made word has at least."""


class WideLexicon(Lexicon):
    """A lexicon whose lists are only the beginning."""

    def word(self, kind: str) -> str:
        """A word of the list, of another list, or of no list."""
        rng = self.rng
        own = super().word(kind)
        if kind in _NOUNS:
            return own if rng.random() < 0.35 else self._noun()
        if kind in _QUALITIES:
            return own if rng.random() < 0.55 else self._quality()
        if kind == "deeds":
            return own if rng.random() < 0.5 or own.count(" ") < 2 else f"{own.rpartition(' ')[0]} {self._noun()}"
        if kind == "hobbies":
            return own if rng.random() < 0.5 else f"{self._spliced()}ing"
        if kind in _COINED and rng.random() < 0.4:
            made = self._noun()
            return _COINED[kind].format(made=made, Made=made.capitalize())
        return own

    def name(self) -> str:
        """A name of syllables, of halves of words, or a word with a capital."""
        roll = self.rng.random()
        if roll < 0.5:
            return super().name()
        return (self._spliced() if roll < 0.8 else self._listed()).capitalize()

    def _noun(self) -> str:
        """Something that may stand after `a`."""
        roll = self.rng.random()
        if roll < 0.3:
            return self._listed()
        if roll < 0.55:
            return self._spliced()
        if roll < 0.7:
            return self._compound()
        if roll < 0.85:
            return f"{super().word('adjectives')} {self._listed()}"
        return self._invented(self.rng.choice((1, 2, 2, 3))).lower()

    def _listed(self) -> str:
        """A noun of one word, of any list."""
        return super().word(self.rng.choice(_NOUNS)).rpartition(" ")[2]

    def _quality(self) -> str:
        if self.rng.random() < 0.5:
            return super().word(self.rng.choice(_QUALITIES))
        return self._spliced() + self.rng.choice(_ENDINGS)

    def _compound(self) -> str:
        """Two short words in one."""
        while True:
            made = self._listed() + self._listed()
            if len(made) <= 12 and self._fits(made):
                return made

    def _spliced(self) -> str:
        """The first half of one word and the second half of another."""
        while True:
            first, second = self._whole(), self._whole()
            begin = self.rng.randint(min(_STEM, len(first)), len(first))
            made = first[:begin] + second[self.rng.randint(0, max(0, len(second) - _STEM)) :]
            if made.isalpha() and 4 <= len(made) <= 12 and self._fits(made):
                return made

    def _whole(self) -> str:
        """A word to make others of."""
        return self._listed()


class WiderLexicon(WideLexicon):
    """One that makes words of all words there are: a name may begin as `that` does, or `head`, or `which`."""

    def _whole(self) -> str:
        return self.rng.choice(_all_words())

    def _noun(self) -> str:
        roll = self.rng.random()
        if roll < 0.45:
            return self._spliced()
        return f"{self._spliced()}-{self._listed()}" if roll < 0.5 else super()._noun()


@cache
def _all_words() -> tuple[str, ...]:
    """The words of everything that is said in the corpus, those of the evaluation left out."""
    files = (VALLEY, *(HERE / f"{name}.yaml" for name in ("facts", "phrases", "manners")))
    words = {word for file in files for word in re.findall(r"[a-z]{3,10}", file.read_text(encoding="utf-8").lower())}
    return tuple(sorted(word for word in words if not is_kept_out(word)))
