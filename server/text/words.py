"""The words of a text as a search looks for them: content words without their endings, in the text's order.

English decides what is no content word and how endings come off (the Porter2 stemmer,
https://snowballstem.org/algorithms/english/stemmer.html); words of other languages pass as they are, or lose an ending
alike wherever they stand. Scripts that put no spaces between words give overlapping pairs of characters.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from threading import Lock

import snowballstemmer  # type: ignore[import-untyped]  # it ships no types

from server.text.characters import HAN, HANGUL, KANA

MAX_CHARACTERS = 4_000
MAX_WORD = 48
_CACHED_WORDS = 65_536
_CACHED_TEXTS = 8_192

_PAIRED = f"[{HAN.pattern[1:-1]}{KANA.pattern[1:-1]}{HANGUL.pattern[1:-1]}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
_TOKEN = re.compile(rf"(?P<pairs>{_PAIRED}+)|[^\W_]+(?:'[^\W_]+)*")
_APOSTROPHES = str.maketrans({"\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{MODIFIER LETTER APOSTROPHE}": "'"})

STOP_WORDS = frozenset(
    word
    for line in (
        "a about above after again against all already also although am an and another any anybody anyone",
        "anything are as at away back be because been before being below between both but by can cannot could did",
        "do does doing done down during each either else ever every everything few for from further get gets",
        "getting go goes going got gotten had has have having he hello her here hers herself hey hi him himself",
        "his how however i if in into is it its itself just let like lot lots made make makes many may maybe me",
        "might mine more most much must my myself neither no nor not now of off oh ok okay on once only or other",
        "others ought our ours ourselves out over own per perhaps please quite rather really said same say says",
        "shall she should since so some somebody someone something still such tell tells than thank thanks that",
        "the their theirs them themselves then there these they thing things this those though through to told",
        "too under until up upon us very was we well were what whatever when whenever where wherever which while",
        "who whoever whom whose why will with within without would wow yeah yes yet you your yours yourself",
        "yourselves don doesn didn isn aren wasn weren won wouldn couldn shouldn haven hasn hadn ll ve re",
    )
    for word in line.split()
)
"""English words that say how, not what. A question made of nothing else brings nothing back."""

_IRREGULAR = {
    form: base
    for line in (
        "ate eat|eaten eat|became become|began begin|begun begin|bit bite|bitten bite|blew blow|blown blow",
        "bled bleed|born birth|borne bear|bought buy|bound bind|bred breed|broke break|broken break|brought bring",
        "built build|burnt burn|came come|caught catch|children child|chose choose|chosen choose|clung cling",
        "crept creep|dealt deal|died die|dying die|drank drink|drawn draw|dreamt dream|drew draw|driven drive",
        "drove drive|drunk drink|dug dig|fallen fall|fed feed|feet foot|fell fall|felt feel|fled flee|flew fly",
        "flown fly|forgave forgive|forgot forget|forgotten forget|fought fight|found find|froze freeze",
        "frozen freeze|gave give|geese goose|given give|gone go|grew grow|grown grow|held hold|hid hide",
        "hidden hide|hung hang|kept keep|knew know|knives knife|known know|laid lay|lain lie|learnt learn",
        "leaves leaf|led lead|left leave|lent lend|lit light|lives live|lost lose|lying lie|meant mean|men man",
        "met meet|mice mouse|paid pay|ran run|rang ring|rode ride|ridden ride|risen rise|rose rise|sang sing",
        "sank sink|sat sit|saw see|seen see|sent send|shaken shake|shook shake|shot shoot|slept sleep|slew slay",
        "slain slay|sold sell|sought seek|spent spend|spoke speak|spoken speak|sprang spring|stole steal",
        "stolen steal|stood stand|struck strike|stuck stick|sung sing|sunk sink|swam swim|swept sweep|swore swear",
        "sworn swear|swum swim|taken take|taught teach|teeth tooth|thieves thief|thought think|threw throw",
        "thrown throw|took take|tore tear|torn tear|understood understand|went go|wept weep|wives wife|woke wake",
        "woken wake|wolves wolf|women woman|won win|wore wear|worn wear|wove weave|woven weave|written write",
        "wrote write|one 1|two 2|three 3|four 4|five 5|six 6|seven 7|eight 8|nine 9|ten 10|eleven 11|twelve 12",
        "twenty 20|first 1st|second 2nd|third 3rd|mum mother|mom mother|mommy mother|dad father|daddy father",
        "grandma grandmother|grandpa grandfather|kid child|kids child|favorite favourite|color colour",
        "neighbor neighbour",
    )
    for form, base in (pair.split() for pair in line.split("|"))
}
"""Forms that no rule about endings finds, and spellings of one word."""


@lru_cache(maxsize=_CACHED_TEXTS)
def words(text: str) -> tuple[str, ...]:
    """The content words of `text`, each as often as it stands there. Each holds only letters and digits."""
    return tuple(word for word in all_words(text) if word)


def all_words(text: str) -> list[str]:
    """As `words`, with an empty one wherever a word of no content stands."""
    found: list[str] = []
    for token in _TOKEN.finditer(_folded(text[:MAX_CHARACTERS])):
        run = token["pairs"]
        if run is None:
            found.append(_base(token[0][:MAX_WORD]))
        else:
            found += [run[at : at + 2] for at in range(max(1, len(run) - 1))]
    return found


def _folded(text: str) -> str:
    """Small letters without accents."""
    folded = text.casefold().translate(_APOSTROPHES)
    if folded.isascii():
        return folded
    apart = unicodedata.normalize("NFKD", folded).casefold()  # a fancy capital is a plain one only now
    bare = "".join(character for character in apart if not _is_accent(character))
    return unicodedata.normalize("NFC", bare)


def _is_accent(character: str) -> bool:
    return "\u0300" <= character <= "\u036f"


@lru_cache(maxsize=_CACHED_WORDS)
def _base(token: str) -> str:
    word = token.partition("'")[0]
    if word in STOP_WORDS or (len(word) == 1 and word.isascii() and not word.isdigit()):
        return ""
    word = _IRREGULAR.get(word, word)
    if word in STOP_WORDS:
        return ""
    if not word.isascii() or word.isdigit():
        return word
    with _STEMMING:
        return str(_STEMMER.stemWord(word))


_STEMMER = snowballstemmer.stemmer("english")
_STEMMING = Lock()
"""A stemmer works on one word at a time; threads that read and that write share it."""
