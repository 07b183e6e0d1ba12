"""Where text may be cut without breaking a character apart, and how scripts differ."""

from __future__ import annotations

import re
import unicodedata

_ZERO_WIDTH_JOINER = "\u200d"

_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA = "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_HANGUL = "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
_CJK_PUNCTUATION = "\u3001-\u3003\u3008-\u3011\u3014-\u301b\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"

HAN = re.compile(f"[{_HAN}]")
KANA = re.compile(f"[{_KANA}]")
HANGUL = re.compile(f"[{_HANGUL}]")
SPACELESS = re.compile(f"[{_HAN}{_KANA}{_SPACELESS}{_CJK_PUNCTUATION}]")
"""A character of a script that puts no spaces between words, so that each character counts as one."""
WIDE = re.compile(f"[{_HAN}{_KANA}{_HANGUL}{_CJK_PUNCTUATION}]")
"""A character that says about as much as three Latin letters."""


def is_boundary(text: str, at: int) -> bool:
    """True where `text` may be cut before `text[at]`: between two user-perceived characters.

    Covers what dialogue holds of the grapheme clusters in Unicode Standard Annex 29: combining marks, variation
    selectors, joiners, emoji modifiers, tags of flags, regional indicators, conjoining Hangul, surrogate pairs, CR LF.
    """
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if before.isascii() and after.isascii():
        return not (before == "\r" and after == "\n")
    if _ZERO_WIDTH_JOINER in (before, after) or _extends(after):
        return False
    if _is_regional(before) and _is_regional(after):
        return _regionals_before(text, at) % 2 == 0
    return not ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")


def _extends(character: str) -> bool:
    return (
        unicodedata.category(character).startswith("M")  # includes variation selectors
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
        or "\u1160" <= character <= "\u11ff"  # conjoining vowels and finals
        or character in "\u200c\uff9e\uff9f"
    )


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _regionals_before(text: str, at: int) -> int:
    start = at
    while start and _is_regional(text[start - 1]):
        start -= 1
    return at - start
