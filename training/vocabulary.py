"""The vocabulary: byte-level BPE learnt from the corpus, with LFM2's control tokens at LFM2's ids.

The pre-tokenizer is the one llama.cpp uses for `lfm2` (the expression of Llama 3); a word that is a token as a whole is
that token, whatever the merges say, as llama.cpp does there.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from server.bench.model.tokens import SPECIAL_TOKENS, byte_token
from server.prompt.rules import RULES
from server.text.segments import Text
from training.corpus import document
from training.lexicon import VALLEY, load_yaml
from training.manners import MANNERS

PATTERN = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SIZE = 4_096
WHOLE_WORDS, BEGINNINGS = 1_500, 600
"""Of the vocabulary: words with the space before them, and first pieces of other words with it, the most frequent."""
_SPACE = byte_token(ord(" "))
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
    """The vocabulary of the corpus of this seed; the same every time.

    Frequent words are tokens with the space before them. All others are cut as if there were no space, which then joins
    the first piece: a name has the same cuts at the beginning of a line, after a bracket and in a sentence. What is cut
    alike can be copied.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    texts = list(_texts(seed, setting))
    split = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    words = Counter(word for text in texts for word, _ in split.pre_tokenize_str(text) if word[:1] == " ")
    whole = [_spelt(word) for word, _ in words.most_common(WHOLE_WORDS) if word[1:].isalpha()]
    tokenizer = Tokenizer(models.BPE())
    cut = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.Split(" ", "isolated"), cut])
    alphabet = [byte_token(byte) for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(SPECIAL_TOKENS) - len(whole) - BEGINNINGS, initial_alphabet=alphabet,
        show_progress=False, max_token_length=16,
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    inner = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    known = set(whole)
    rare = {word: count for word, count in words.items() if _spelt(word) not in known}
    firsts: Counter[str] = Counter()
    for word, count in rare.items():
        pieces = tokenizer.encode(word[1:]).tokens
        firsts.update({pieces[0]: count} if pieces else {})
    taken = {*alphabet, *whole, *(left + right for left, right in inner)}
    begun = [first for first, _ in firsts.most_common() if _SPACE + first not in taken][:BEGINNINGS]
    merges = [*inner, *((_SPACE, first) for first in begun)]
    made = dict.fromkeys([*alphabet, *(left + right for left, right in merges), *whole])
    return Bpe([*SPECIAL_TOKENS, *made], merges)


def _spelt(word: str) -> str:
    return "".join(map(byte_token, word.encode()))


def _texts(seed: int, setting: Path) -> Iterable[str]:
    """Talks without their rules, and every word of the lists alone, so that each is known in all its forms."""
    for number in range(_DOCUMENTS):
        for piece in document(seed, number, setting=setting):
            if isinstance(piece.segment, Text) and RULES not in piece.segment.text:
                yield piece.segment.text
    words = itertools.chain.from_iterable(load_yaml(setting).values())
    for word in words:
        yield from (f"a {word}, the {word}.\n", f"{word.capitalize()}\n") * 30
    for manner in MANNERS.values():
        for lines in manner.values():
            yield from lines


def ends_line(text: str) -> bool:
    """Whether a token's text ends a line or a sentence: a full stop, a colon, a line's end or a dash of a list."""
    return text == "-" or (bool(set(text) & set(".!?:\n")) and not any(map(str.isalnum, text)))
