"""Which keys are said in a message: thousands of plain ones in one pass, patterns with a time limit.

Plain keys are found with an Aho-Corasick automaton, so that the time depends on the message and not on the book.
Patterns are JavaScript's `/…/flags`; cards come from strangers, so each search ends after `PATTERN_S`.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import ahocorasick  # type: ignore[import-not-found]  # an extension module without types
import regex

MAX_MESSAGE_CHARACTERS: Final = 4_000
MAX_FINDS: Final = 20_000
"""Finds in one message; more are those of keys made to be found everywhere, and are left out."""
MAX_PATTERNS: Final = 1_000
PATTERN_S: Final = 0.002
MESSAGE_S: Final = 0.01
"""All patterns of a book on one message."""
MAX_LATE: Final = 3
"""So often a pattern may pass its limit, then it is not looked for again."""
_REMEMBERED: Final = 128
_SLASHED: Final = re.compile(r"/(.+)/([gimsuy]*)", re.DOTALL)
_REPEAT: Final = re.compile(r"\{(\d*)(?:,(\d*))?\}")
_MAX_REPEATS: Final = 10_000
"""Repeats that are nested are multiplied out when a pattern is compiled, which takes time and memory."""
_FLAGS: Final = {"i": regex.IGNORECASE, "m": regex.MULTILINE, "s": regex.DOTALL}
_SPACELESS: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Scripts without spaces between words: Thai, Lao, Burmese, Khmer, kana and Han."""


@dataclass(frozen=True, slots=True)
class Key:
    """What is looked for, and how. `is_pattern` is as `/…/flags`."""

    text: str
    case_sensitive: bool = False
    whole_words: bool = False
    is_pattern: bool = False


def key_of(text: str, *, case_sensitive: bool, whole_words: bool, strict: bool) -> Key | None:
    """The key that a text means; None where it can never be found.

    What looks like a pattern is one. A broken one is plain text, but in a book of `strict` patterns (V3's `use_regex`)
    it is never found.
    """
    if is_like_a_pattern(text):
        if compiled(text) is not None:
            return Key(text, is_pattern=True)
        if strict:
            return None
    if not case_sensitive:
        text = text.casefold()
    # A key of several words is looked for as it is, as in SillyTavern.
    return Key(text, case_sensitive, whole_words and not any(char.isspace() for char in text)) if text else None


def compiled(text: str) -> regex.Pattern[str] | None:
    """A `/…/flags` pattern; None where it is broken, or would take long even to compile."""
    parts = _SLASHED.fullmatch(text)
    if parts is None or _repeats(parts[1]) > _MAX_REPEATS:
        return None
    flags = regex.VERSION0
    for flag in parts[2]:
        flags |= _FLAGS.get(flag, regex.VERSION0)
    try:
        return regex.compile(parts[1], flags)
    except (regex.error, RecursionError, OverflowError, MemoryError, ValueError, KeyError, IndexError):
        return None


def is_like_a_pattern(text: str) -> bool:
    """Whether a key is written as `/…/flags`."""
    return _SLASHED.fullmatch(text) is not None


def _repeats(pattern: str) -> int:
    """How many characters the counts in a pattern could stand for together, if each stood within the next."""
    product = 1
    for counts in _REPEAT.finditer(pattern):
        product *= max([int(count[:6]) for count in counts.groups() if count], default=1) or 1
        if product > _MAX_REPEATS:
            break
    return product


class KeyFinder:
    """Finds keys in messages. Answers are kept for the last messages: most of a conversation is looked at again."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self.numbers: dict[Key, int] = {key: at for at, key in enumerate(dict.fromkeys(keys))}
        self._folded = _automaton(self.numbers, case_sensitive=False)
        self._exact = _automaton(self.numbers, case_sensitive=True)
        patterns = [key for key in self.numbers if key.is_pattern][:MAX_PATTERNS]
        self._patterns = {self.numbers[key]: found for key in patterns if (found := compiled(key.text))}
        self._late: dict[int, int] = {}
        self._known: OrderedDict[str, frozenset[int]] = OrderedDict()

    def found(self, message: str) -> frozenset[int]:
        """The numbers of all keys that `message` holds."""
        if (known := self._known.get(message)) is not None:
            self._known.move_to_end(message)
            return known
        text = message[:MAX_MESSAGE_CHARACTERS]
        found = {*_said(self._folded, text.casefold()), *_said(self._exact, text), *self._matched(text)}
        self._known[message] = frozenset(found)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return self._known[message]

    @property
    def given_up(self) -> tuple[int, ...]:
        """The numbers of patterns that took too long too often."""
        return tuple(number for number, times in self._late.items() if times >= MAX_LATE)

    def _matched(self, text: str) -> Iterator[int]:
        if not self._patterns:
            return
        until_s = time.perf_counter() + MESSAGE_S
        for number, pattern in self._patterns.items():
            if self._late.get(number, 0) >= MAX_LATE:
                continue
            left_s = until_s - time.perf_counter()
            if left_s <= 0:
                return
            try:
                if pattern.search(text, timeout=min(PATTERN_S, left_s)):
                    yield number
            except (TimeoutError, MemoryError):
                self._late[number] = self._late.get(number, 0) + 1


def _automaton(numbers: dict[Key, int], *, case_sensitive: bool) -> Any:
    """The automaton of plain keys; None where there are none. A word's value is its length, and who wants it how."""
    words: dict[str, list[tuple[int, bool]]] = {}
    for key, number in numbers.items():
        if not key.is_pattern and key.case_sensitive == case_sensitive:
            words.setdefault(key.text, []).append((number, key.whole_words))
    if not words:
        return None
    automaton = ahocorasick.Automaton()
    for word, wanted in words.items():
        automaton.add_word(word, (len(word), wanted))
    automaton.make_automaton()
    return automaton


def _said(automaton: Any, text: str) -> set[int]:
    found: set[int] = set()
    if automaton is None:
        return found
    for finds, (last, (length, wanted)) in enumerate(automaton.iter(text)):
        if finds >= MAX_FINDS:
            break
        for number, whole in wanted:
            if number not in found and (not whole or _stands_alone(text, last - length + 1, last + 1)):
                found.add(number)
    return found


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    return not (_joins(before, text[start]) or _joins(text[end - 1], after))


def _joins(left: str, right: str) -> bool:
    """Whether two neighbours belong to one word, in any script that has words."""
    return _is_letter(left) and _is_letter(right)


def _is_letter(char: str) -> bool:
    return bool(char) and (char.isalnum() or char == "_") and _SPACELESS.match(char) is None
