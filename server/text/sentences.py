"""A stream of speech cut into lines that can be shown and spoken one by one."""

from __future__ import annotations

import re

from server.text.abbreviations import is_abbreviation
from server.text.characters import HAN, HANGUL, KANA, SPACELESS, WIDE, is_boundary

_CJK_ENDERS = "\u3002\uff01\uff1f\uff61"
_ENDERS = ".!?\u2026\u203c\u2047-\u2049\u061f\u06d4\u0964\u0965\u0589\u1362" + _CJK_ENDERS
_CLOSERS = "\"')\\]}\u2019\u201c\u201d\u00bb\u00ab\u300d\u300f\u3011\uff09\u3009\u300b\uff02\uff07"
_CJK_CLAUSES = "\u3001\uff0c\uff1b\uff1a"
_CLAUSES = ",;:\u2013\u2014\u060c\u061b" + _CJK_CLAUSES

_STOP = re.compile(f"[{_ENDERS}][{_ENDERS}{_CLOSERS}]*|\n")
_STOP_OR_CLAUSE = re.compile(f"{_STOP.pattern}|[{_CLAUSES}][{_CLOSERS}]*")
_CUT = re.compile(f"[!?\u2026{_CLAUSES}{_CJK_ENDERS}][{_CLOSERS}]*(?=\\s)|[{_CJK_CLAUSES}{_CJK_ENDERS}][{_CLOSERS}]*")
_NOT_SPACE = re.compile(r"\S")
_SPACE = re.compile(r"\s")
_LAST_SPACE = re.compile(r"\s(?=\S*$)")
_WHOLE_END = re.compile(f"(?:\\s|[{_ENDERS}{_CLAUSES}{_CLOSERS}]|{SPACELESS.pattern})$")


class SentenceSplitter:
    """Cuts text into lines at the ends of sentences.

    A line keeps the white space around it, so the lines joined with `""` are exactly the text that was fed (text of
    white space alone gives no line); what goes on the wire is the line stripped. Without `flush` the lines do not
    depend on how the text was cut into pieces.

    An end counts once the next character that is not white space is known: "3.5", "Mr. Ox" and "Well... maybe" go on.
    A line feed always ends a line. Lengths are in characters; one of Chinese, Japanese or Korean counts as three
    towards a minimum.

    Args:
        first_min: A sentence of this length may be the first line, so that the NPC begins to speak early; failing that,
            a clause of `min` characters.
        min: Shorter sentences stay together with the next.
        cap: No line, stripped, is longer: it is cut behind a clause, else between words, else between characters.
        language: The text's language tag, for its abbreviations.
    """

    def __init__(self, first_min: int = 8, min: int = 20, cap: int = 200, language: str = "") -> None:
        self._first_min = first_min
        self._min = min
        self._cap = cap
        self._language = language
        self._text = ""
        self._scan = 0
        self._is_first = True

    def feed(self, text: str) -> list[str]:
        """More text; returns the lines that are complete."""
        self._text += text
        lines = []
        while line := self._next():
            lines.append(line)
        return lines

    def close(self) -> list[str]:
        """The text is over; returns its last line, if there is one."""
        return self._take(len(self._text))

    def flush(self) -> list[str]:
        """Whatever whole words are there become a line: for a watchdog, when a sentence takes too long to end."""
        if _WHOLE_END.search(self._text):
            return self._take(len(self._text))
        space = _LAST_SPACE.search(self._text)
        return self._take(space.end()) if space else []

    def _take(self, end: int) -> list[str]:
        line = self._text[:end]
        if not line.strip():
            return []
        self._text = self._text[end:]
        self._scan = 0
        self._is_first = False
        return [line]

    def _next(self) -> str:
        start = _NOT_SPACE.search(self._text)
        if start is None:
            return ""
        limit = start.start() + self._cap
        end = self._sentence_end(start.start(), limit)
        if end < 0 and _NOT_SPACE.search(self._text, limit):
            end = self._cut(start.start(), limit)
        if end < 0:
            return ""
        following = _NOT_SPACE.search(self._text, end)
        return self._take(following.start() if following else len(self._text))[0]

    def _sentence_end(self, start: int, limit: int) -> int:
        """Where the first complete sentence ends, white space excluded; -1 where none does before `limit`."""
        pattern = _STOP_OR_CLAUSE if self._is_first else _STOP
        while stop := pattern.search(self._text, self._scan):
            if len(self._text[: stop.end()].rstrip()) > limit:
                return -1
            following = _NOT_SPACE.search(self._text, stop.end())
            if following is None:
                self._scan = stop.start()
                return -1
            if self._is_end(stop, start, following):
                return stop.end()
            self._scan = stop.end()
        self._scan = len(self._text)
        return -1

    def _is_end(self, stop: re.Match[str], start: int, following: re.Match[str]) -> bool:
        mark = stop[0]
        if mark == "\n":
            return stop.start() > start
        is_clause = mark[0] in _CLAUSES
        if mark.isascii() or not SPACELESS.match(mark):  # a full-width mark needs no space behind it
            if following.start() == stop.end():
                return False
            if not is_clause and self._goes_on(mark, self._text[start : stop.start()], following[0]):
                return False
        least = self._first_min if self._is_first and not is_clause else self._min
        line = self._text[start : stop.end()]
        return len(line) >= least or len(line) + 2 * len(WIDE.findall(line)) >= least

    def _goes_on(self, mark: str, before: str, following: str) -> bool:
        """True where the sentence continues behind `mark`."""
        if mark == ".":
            return is_abbreviation(before, self._language)
        if not following.islower():
            return False
        is_ellipsis = mark[0] == "\u2026" or mark.startswith("..")
        return mark[-1] in _CLOSERS or (is_ellipsis and "!" not in mark and "?" not in mark)

    def _cut(self, start: int, limit: int) -> int:
        """Where to cut a line that is longer than it may be."""
        ends = [cut.end() for cut in _CUT.finditer(self._text, start, limit + 1) if cut.end() <= limit]
        if ends and ends[-1] - start >= self._min:
            return ends[-1]
        spaces = [space.start() for space in _SPACE.finditer(self._text, start, limit + 1)]
        if spaces:
            return spaces[-1]
        return next((at for at in range(limit, start, -1) if is_boundary(self._text, at)), limit)


_LETTERS_PER_SECOND = 15.0
_HAN_PER_SECOND = 5.2
_HAN_PER_SECOND_JA = 3.9
_KANA_PER_SECOND = 7.8
_HANGUL_PER_SECOND = 7.0
_LEAST_MS = 600


def speech_ms(text: str, language: str = "") -> int:
    """An estimate of how long speaking `text` takes, in milliseconds, never below 600.

    Rates follow the syllables per second of read speech in Pellegrino, Coupé and Marsico, "A cross-language perspective
    on speech information rate", Language 87(3), 2011: Mandarin 5.2 (a character is a syllable), Japanese 7.8 (about one
    for a kana, two for a kanji), English 6.2, which at about 2.4 letters and spaces a syllable makes 15 characters a
    second, taken for every other script too. Korean, which that study leaves out, is taken as 7, each one character.

    Args:
        text: What is said; white space at its ends does not count.
        language: A language tag; only `ja` changes the result, as its Chinese characters take longer.
    """
    text = text.strip()
    if text.isascii():
        return max(_LEAST_MS, round(len(text) / _LETTERS_PER_SECOND * 1_000))
    han, kana, hangul = (len(script.findall(text)) for script in (HAN, KANA, HANGUL))
    han_per_second = _HAN_PER_SECOND_JA if language.split("-")[0] == "ja" else _HAN_PER_SECOND
    seconds = han / han_per_second + kana / _KANA_PER_SECOND + hangul / _HANGUL_PER_SECOND
    seconds += (len(text) - han - kana - hangul) / _LETTERS_PER_SECOND
    return max(_LEAST_MS, round(seconds * 1_000))
