"""Words that end in a full stop without ending a sentence."""

from __future__ import annotations

import re

_BY_LANGUAGE = {
    "en": "mr mrs ms dr prof st sr jr rev hon capt cpt cmdr lt sgt col gen maj gov pres ave vs etc approx dept vol cf "
    "viz e.g i.e a.m p.m",
    "de": "hr fr frl dipl nr str tel bzw ca evtl ggf usw usf vgl mio mrd bspw sog inkl exkl zzgl jh zb z.b d.h u.a o.ä "
    "i.d.r s.o s.u v.a z.t",
    "fr": "mme mmes mlle mlles mgr env av p.ex",
    "es": "sra srta d dña ud uds vd vds pág núm ej aprox avda izq dcha p.ej ee.uu",
}
ABBREVIATIONS = frozenset(word for words in _BY_LANGUAGE.values() for word in words.split())
"""Without the last full stop, lower case; none that is also a word which ends sentences, such as "no" or "fig"."""

ORDINAL_LANGUAGES = frozenset({"de", "da", "nb", "nn", "no", "fi", "cs", "hu"})
"""Languages that write ordinals as a number and a full stop: "am 3. Mai"."""

_LAST_WORD = re.compile(r"[^\W_]+(?:[.'\u2019][^\W_]+)*$")
_MAX_WORD_CHARACTERS = 24


def is_abbreviation(before: str, language: str = "") -> bool:
    """True where a full stop after `before` belongs to its last word: an abbreviation, an initial or an ordinal.

    `before` is the text up to the full stop; `language` the tag of the text's language, for ordinals.
    """
    match = _LAST_WORD.search(before[-_MAX_WORD_CHARACTERS:])
    if match is None:
        return False
    word = match[0]
    if word.isdecimal():
        starts_line = match.start() == 0 and len(before) <= _MAX_WORD_CHARACTERS
        return len(word) <= 2 and (starts_line or language.split("-")[0] in ORDINAL_LANGUAGES)
    if len(word) == 1 and word.isalpha():
        return word.isupper() and word != "I" and not _is_caseless(word)
    return word.lower() in ABBREVIATIONS


def _is_caseless(letter: str) -> bool:
    return letter.upper() == letter.lower()
