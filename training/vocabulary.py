"""The vocabulary: byte-level BPE learnt from the corpus, with LFM2's control tokens at LFM2's ids.

The pre-tokenizer is the one llama.cpp uses for `lfm2` (the expression of Llama 3); a word that is a token as a whole is
that token, whatever the merges say, as llama.cpp does there.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from server.bench.model.tokens import SPECIAL_TOKENS, byte_token
from server.text.segments import Text
from training.corpus import document
from training.lexicon import VALLEY, load_yaml
from training.manners import MANNERS

PATTERN = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SIZE = 4_096
_DOCUMENTS = 3_000


@dataclass(frozen=True, slots=True)
class Bpe:
    """Tokens by id, and the merges that make them, best first."""

    tokens: list[str]
    merges: list[tuple[str, str]]

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps({"tokens": self.tokens, "merges": self.merges}), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Bpe:
        """Read what `save` wrote."""
        data = json.loads(path.read_text(encoding="utf-8"))
        return cls(data["tokens"], [(left, right) for left, right in data["merges"]])


def learn(seed: int, size: int = SIZE, setting: Path = VALLEY) -> Bpe:
    """The vocabulary of the corpus of this seed; the same every time."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = [byte_token(byte) for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False, max_token_length=16
    )
    tokenizer.train_from_iterator(_texts(seed, setting), trainer)
    learnt = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(pair) for pair in learnt["merges"]]
    made = [*alphabet, *dict.fromkeys(left + right for left, right in merges)]
    return Bpe([*SPECIAL_TOKENS, *made], merges)


def _texts(seed: int, setting: Path) -> Iterable[str]:
    """Talks without their rules, and every word of the lists alone, so that each is known in all its forms."""
    for number in range(_DOCUMENTS):
        for piece in document(seed, number, setting=setting)[2:]:
            if isinstance(piece.segment, Text):
                yield piece.segment.text
    words = itertools.chain.from_iterable(load_yaml(setting).values())
    for word in words:
        yield from (f"a {word}, the {word}.\n", f"{word.capitalize()}\n") * 30
    for manner in MANNERS.values():
        for lines in manner.values():
            yield from lines
