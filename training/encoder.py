"""A talk as ids, with marks of what is to be learnt, and where what is told stands in the prompt."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cache

from server.backends.llama.vocab import Vocabulary
from server.bench.model.tokens import BOS
from server.text.segments import Close, Open
from training.cast import FACTS
from training.corpus import Lookup, Piece
from training.manners import MANNERS
from training.vocabulary import ends_line

_KINDS = """
bye event example goal greet memory mood name news own place player present regard relation role scene stay thanks time
told unknown weather well
"""
TOPICS = (
    *(f"{kind} {number}" for kind in ("knowledge", "core") for number in range(len(FACTS[kind]))),
    *_KINDS.split(),
)
"""What a reply or a line can be about."""
NOWHERE = -1
LABELS = {label: number for number, label in enumerate((*TOPICS, *MANNERS))}
"""Topics, and the manners of speech."""
SOUGHT, SAID, HEARD, KEY = 3, 2, 1, 4
"""Marks of a token: the model should have said it (SOUGHT: and what the prompt tells begins to be told there), or
somebody else did. KEY is added for a word of a question that stands in the line which answers it."""


def encode(vocabulary: Vocabulary, pieces: list[Piece]) -> Encoder:
    """One talk."""
    encoder = Encoder(vocabulary)
    for piece in pieces:
        encoder.add(piece)
    return encoder


@dataclass(slots=True)
class Encoder:
    """A talk as ids, marks, lookups, copies and labels (see `training.tokens.Shard`).

    A turn's closing token is learnt with it, the line feed after it is not.
    """

    vocabulary: Vocabulary
    ids: list[int] = field(default_factory=lambda: [BOS])
    marks: list[int] = field(default_factory=lambda: [0])
    lookups: list[tuple[int, int, int, int]] = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)
    labels: list[tuple[int, int, int]] = field(default_factory=list)
    _ends: list[int] = field(default_factory=lambda: [0])
    _text: bytes = b""

    def add(self, piece: Piece) -> None:
        """The next piece."""
        part = self.vocabulary.encode_segments([piece.segment])
        mark = SAID if piece.learnt else HEARD if piece.heard else 0
        match piece.segment:
            case Open():
                self.marks += [0] * len(part)
            case Close():
                self.marks += [mark, *[0] * (len(part) - 1)]
            case _:
                self.marks += [mark] * len(part)
        said = len(self._text)
        for token in part:
            self.ids.append(token)
            self._text += self._spelt(token)
            self._ends.append(len(self._text))
        for text, label in piece.holds:
            at = self._text.rfind(text.encode())
            if at >= 0:
                self._label(self._at(at + len(text.encode()) - 1), label)
        before = len(self.ids) - len(part) - 1
        self._label(before, piece.manner)
        if piece.lookup is not None and not piece.lookup.source:
            self._look_away(piece.lookup, before)
        elif piece.lookup is None or not self._look_up(piece.lookup, said):
            for want in piece.wants:
                self._copy(want, said)
        self._label_reply(piece, before, said)

    def _label_reply(self, piece: Piece, before: int, said: int) -> None:
        """What a reply is about, where it begins and where it begins to tell what is asked, and at the question."""
        told = [row for row, _ in self.copies if row >= before]
        told += [at for row, *_ in self.lookups for at in (row, row + 1) if row >= before]
        places = sorted({before, *told})
        asked = self._text.rfind(piece.asked.encode(), 0, said) if piece.asked else -1
        if asked >= 0:
            question = self._at(asked + len(piece.asked.encode()) - 1)
            self._label(question, piece.topic)
            for place in places:
                self._label(place, piece.topic, question)

    def _label(self, at: int, label: str, told_by: int = NOWHERE) -> None:
        if label in LABELS:
            self.labels.append((at, LABELS[label], told_by))

    def _spelt(self, token: int) -> bytes:
        return _spelling(self.vocabulary, token)

    def _look_up(self, lookup: Lookup, said: int) -> bool:
        """Note where a reply that begins at byte `said` tells its source, if both begin alike; whether they do."""
        told = self._text.lower().find(lookup.told.lower().encode(), said)
        source = self._text.rfind(lookup.source.encode(), 0, said)
        asked = self._text.rfind(lookup.asked.encode(), 0, said)
        if min(told, source, asked) < 0:
            return False
        first, begin, question = map(self._at, (told, source, asked))
        if not self._begins_line(begin):
            return False
        if self._word(begin) != self._word(first) and self._word(begin) not in ("you", "your"):
            return False
        end = begin + 1
        while end < len(self.ids) and not ends_line(self._text_of(end)):
            end += 1
        words = {self._word(at) for at in range(begin, end)} - _COMMON
        for at in range(question, self._at(asked + len(lookup.asked.encode()) - 1) + 1):
            if self._word(at) in words:
                self.marks[at] |= KEY
        for at in (first, first + 1):
            self._seek(at)
        self.lookups.append((first - 1, begin, end + 1, question))
        return True

    def _look_away(self, lookup: Lookup, before: int) -> None:
        """Note that nothing tells what is asked: in its place stands the beginning of the text."""
        asked = self._text.rfind(lookup.asked.encode())
        if asked >= 0:
            self.lookups.append((before, -1, 1, self._at(asked)))

    def _copy(self, want: str, said: int) -> None:
        """Note from where the first two tokens of `want` are copied by a reply that begins at byte `said`."""
        text, sought = self._text.lower(), want.lower().encode()
        told = text.find(sought, said)
        if told < 0:
            return
        first = self._at(told)
        rows = range(first, min(first + 2, self._at(told + len(sought) - 1) + 1))
        source = text.find(sought)
        while 0 <= source < said:
            begin = self._at(source)
            for row in rows:
                if self._word(begin + row - first) != self._word(row):
                    break
                self.copies.append((row - 1, begin + row - first))
                self._seek(row)
            source = text.find(sought, source + 1)

    def _seek(self, at: int) -> None:
        if self.marks[at] == SAID:
            self.marks[at] = SOUGHT

    def _begins_line(self, at: int) -> bool:
        return ends_line(self._text_of(at - 1))

    def _at(self, byte: int) -> int:
        """The token that this byte is of."""
        return bisect_right(self._ends, byte)

    def _word(self, at: int) -> str:
        return self._text_of(at).strip().casefold()

    def _text_of(self, at: int) -> str:
        return self._spelt(self.ids[at]).decode("utf-8", "replace")


@cache
def _spelling(vocabulary: Vocabulary, token: int) -> bytes:
    return vocabulary.bytes_of(token)


_WORDS = """
a an and are as at be by can do does did for from had has have how i in is it me my no not of on or our s so than that
the their them there they this to was we were what when where which who will with you your
"""
_COMMON = frozenset(_WORDS.split()) | set(",.?!:;-'") | {""}
"""What says nothing about which line is asked for."""
