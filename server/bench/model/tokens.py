"""A vocabulary of any size in LFM2's format: its special tokens at their ids, the 256 bytes, then merged words.

The words are plain English first and made of syllables after that, enough to fill the size. Almost every token is a
whole word with the space before it, so text tokenises at about one token a word, as with a trained vocabulary, and a
made model's replies, which are made of such words, tokenise again to the very tokens they were drawn as.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from server.bench.words import ALL

SPECIAL_NAMES = (
    "pad",
    "startoftext",
    "endoftext",
    "fim_pre",
    "fim_mid",
    "fim_suf",
    "im_start",
    "im_end",
    "tool_list_start",
    "tool_list_end",
    "tool_call_start",
    "tool_call_end",
    "tool_response_start",
    "tool_response_end",
)
SPECIAL_TOKENS = tuple(f"<|{name}|>" for name in SPECIAL_NAMES)
PAD, BOS, EOS = 0, 1, 7

CHATML = (
    "{{- bos_token -}}{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)

SPACE = "Ġ"
"""How a byte-level vocabulary writes the space (GPT-2's table)."""

_CONSONANTS = "bdfghklmnprstvw"
_VOWELS = "aeiou"
_CODAS = ("", "n", "r", "s", "l", "m")


@dataclass
class Vocabulary:
    """Tokens by id, and the merges that make them, best first."""

    tokens: list[str]
    merges: list[tuple[str, str]] = field(default_factory=list)
    _ranks: dict[tuple[str, str], int] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)

    @classmethod
    def of_size(cls, size: int, seed: int = 0) -> Vocabulary:
        """A vocabulary of exactly `size` tokens; the same for the same size and seed.

        Raises:
            ValueError: `size` has no room for special tokens and bytes.
        """
        made = cls([*SPECIAL_TOKENS, *map(byte_token, range(256))])
        if size < len(made.tokens):
            raise ValueError(f"a vocabulary of {size} tokens; the least is {len(made.tokens)}")
        made._known.update(made.tokens)
        for word in _words(random.Random(seed)):
            if len(made.tokens) >= size:
                break
            made._learn(word, size)
        return made

    @property
    def words(self) -> list[bool]:
        """For each token whether it is a whole word with the space before it."""
        return [len(token) > 1 and token.startswith(SPACE) for token in self.tokens]

    def pieces(self, word: str) -> list[str]:
        """What the merges make of `word`: the pair that ranks best is joined first, wherever it is."""
        pieces = list(word)
        while len(pieces) > 1:
            pairs = list(itertools.pairwise(pieces))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            at = pairs.index(best)
            pieces[at : at + 2] = ["".join(best)]
        return pieces

    def _learn(self, word: str, size: int) -> None:
        """Add merges, left to right, until `word` is one token or the vocabulary is full."""
        pieces = self.pieces(word)
        while len(pieces) > 1 and len(self.tokens) < size:
            pair, token = (pieces[0], pieces[1]), pieces[0] + pieces[1]
            self._ranks[pair] = len(self.merges)
            self.merges.append(pair)
            if token not in self._known:
                self._known.add(token)
                self.tokens.append(token)
            pieces[:2] = [token]


def byte_token(byte: int) -> str:
    """The character that stands for `byte` in a byte-level vocabulary (GPT-2's table)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    if byte in printable:
        return chr(byte)
    return chr(0x100 + [other for other in range(256) if other not in printable].index(byte))


def _words(source: random.Random) -> Iterator[str]:
    """English first; then syllables, which the words that follow without end are made of."""
    for word in ALL:
        yield SPACE + word
    for word in ALL:
        yield from (word, word.capitalize(), SPACE + word.capitalize())
    syllables = [c + v + coda for c in _CONSONANTS for v in _VOWELS for coda in _CODAS]
    source.shuffle(syllables)
    starts = syllables[: len(syllables) // 2]
    yield from syllables
    while True:
        count = source.choice((2, 2, 2, 3))
        yield SPACE + source.choice(starts) + "".join(source.choices(syllables, k=count - 1))
