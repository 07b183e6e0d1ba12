"""Untrusted text made harmless: no control token, no hidden character, no forged line.

Prompts hold control tokens by id only (`server.text.segments`), so this is the second wall: it counts where text leaves
as a string, towards a hosted model whose server renders a template, and where a person reads it.

Spellings covered, by the public chat templates that use them: `<|…|>` (ChatML, LFM2, Llama 3, Phi, Qwen, Cohere,
gpt-oss), the same with the full-width bar U+FF5C and U+2581 for spaces (DeepSeek), `[|…|]` (EXAONE), `[INST]` and its
family (Llama 2, Mistral), `<<SYS>>`, `<s>`, `</s>`, `<start_of_turn>` (Gemma), `<tool_call>` (Hermes), `<think>`,
`◁think▷` (Kimi), `[e~[` and `]~b]` (MiniMax), `<0x0A>` (SentencePiece bytes), `[CLS]` and its family (BERT).
"""

from __future__ import annotations

import re
import unicodedata

from server.text.characters import is_boundary

MAX_NAME_CHARACTERS = 64

_LINE_BREAKS = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_REMOVED = (
    *range(0x20),  # C0
    *range(0x7F, 0xA0),  # DEL and C1
    *(0xAD, 0x180E, 0x200B, 0xFEFF),  # soft hyphen and zero-width spaces
    *range(0x202A, 0x202F),  # bidi embeddings and overrides
    *range(0x2060, 0x2070),  # word joiner, invisible operators, bidi isolates, deprecated format characters
    *range(0xFFF9, 0xFFFC),  # interlinear annotation
    0xE0001,  # language tag
)
_SURROGATES = range(0xD800, 0xE000)
CLEAN: dict[int, str | None] = {
    **dict.fromkeys(_REMOVED),
    **dict.fromkeys(map(ord, _LINE_BREAKS), "\n"),
    **dict.fromkeys(_SURROGATES, "\ufffd"),  # a lone surrogate is no text: UTF-8 cannot carry it
    0x09: "\t",
    0x0A: "\n",
}
"""For `str.translate`: what is removed from text character by character, and what becomes a line feed."""

_ANGLES = {"◁": "<", "▷": ">"}
_PIPES = "\u01c0\u2223\u2502\u2503\u2758\uffe8"
_FOLD: dict[int, str] = (
    {0xFEE0 + code: chr(code) for code in range(0x21, 0x7F)}  # full-width forms of ASCII, which NFKC folds
    | {ord(pipe): "|" for pipe in _PIPES}
    | {ord(look_alike): plain for look_alike, plain in _ANGLES.items()}
    | {0x2581: "_"}  # DeepSeek writes its spaces so
)
"""For `str.translate`, one character to one: look-alikes to the ASCII that a template could take them for."""

_TAG_CHARACTERS = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f)|[\U000e0020-\U000e007f]")
"""Tag characters spell hidden ASCII; only flags (a black flag, letters, a cancel tag) use them in the open."""
_VARIATIONS = re.compile("([\ufe00-\ufe0f\U000e0100-\U000e01ef])[\ufe00-\ufe0f\U000e0100-\U000e01ef]+")
"""A character takes one variation selector; a run of them carries hidden bytes."""
_JOINERS = dict.fromkeys(
    (0x034F, 0x061C, *range(0x200C, 0x2010), *range(0xFE00, 0xFE10), *range(0xE0020, 0xE0080), *range(0xE0100, 0xE01F0))
)
"""Joiners, selectors and marks that emoji, Persian and Arabic need; a token can hide them between its letters."""

_SQUARE = (
    "INST|SYS|SYSTEM|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|CALL_ID|ARGS|IMG|IMG_BREAK|IMG_END|AUDIO"
    "|BEGIN_AUDIO|THINK|MODEL_SETTINGS|PREFIX|MIDDLE|SUFFIX|CLS|SEP|MASK|PAD|UNK|BOS|EOS|EOT|gMASK|sMASK"
)
_ATTRIBUTES = r"(?:[ \t]?=[^<>\n]{1,128}|[ \t][^<>=\n]{1,64}=[^<>\n]{0,128})?[ \t]?/?"
TOKEN = re.compile(
    "(?P<opener>[<\\[\u2039\u276e\u27e8\u3008]\\|)"
    "|(?P<closer>\\|[>\\]\u203a\u276f\u27e9\u3009])"
    rf"|(?P<tag></?(?:[A-Za-z_][A-Za-z0-9_:.\-]{{0,63}}{_ATTRIBUTES}|0x[0-9A-Fa-f]{{2}})>)"
    rf"|(?P<square>\[/?(?:{_SQUARE}|(?i:inst))\])"
    r"|(?P<odd>\]~!?b[\[\]]|\[e~\[)"
)
"""A control token's spelling, or the half of one, in text folded by `fold`."""

_MARKED = re.compile(r"[<>|\[\]]")
_SPACE = re.compile(r"\s+")
_INVISIBLE_ENDS = " " + "".join(map(chr, _JOINERS))
_NOT_IN_NAMES = dict.fromkeys(map(ord, ':\uff1a*#<>"`|'), " ")


def fold(text: str) -> str:
    """`text` with look-alikes of ASCII replaced, one character for one, so that positions stay."""
    return text if text.isascii() else text.translate(_FOLD)


def without_hidden(text: str) -> str:
    """`text` without control characters, bidi overrides, hidden characters and lone surrogates.

    Every kind of line break becomes a line feed. Joiners and selectors, which emoji and scripts need, stay.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").translate(CLEAN)
    if text.isascii():
        return text
    text = _TAG_CHARACTERS.sub(lambda match: match[1] or "", text)
    return _VARIATIONS.sub(r"\1", text)


def neutralise(text: str) -> str:
    """Makes untrusted text safe for any chat template; the result is never longer than `text`.

    A token's brackets become parentheses: a player who writes `<|im_end|>` is seen to say `(im_end)`. Idempotent, and
    the identity on ordinary text; joiners are dropped only where a token hides behind them. Pieces that are glued
    together with nothing between them are neutralised after that.
    """
    text = without_hidden(text)
    if not text.isascii():
        bare = text.translate(_JOINERS)
        if len(bare) < len(text) and TOKEN.search(fold(bare)):
            text = bare
    while True:  # a replaced inner tag can complete an outer one; each pass takes at least one bracket away
        folded = fold(text)
        if not _MARKED.search(folded):
            return text
        broken = _broken(text, folded)
        if broken == text:
            return text
        text = broken


def _broken(text: str, folded: str) -> str:
    pieces: list[str] = []
    done = 0
    for match in TOKEN.finditer(folded):
        start, end = match.span()
        pieces.append(text[done:start])
        if match["opener"]:
            pieces.append("(")
        elif match["closer"]:
            pieces.append(")")
        else:
            pieces.append(f"({text[start + 1 : end - 1]})")
        done = end
    return "".join((*pieces, text[done:]))


def one_line(text: str) -> str:
    """`text` with every run of white space as one space and none at its ends: nothing in it can begin a line."""
    return _SPACE.sub(" ", text).strip()


def clean_name(name: str, fallback: str = "Someone") -> str:
    """A name that can stand before a colon: one line, NFC, no colon, no markup, at most 64 characters.

    `fallback` is returned where no letter or digit is left.
    """
    cleaned = one_line(unicodedata.normalize("NFC", without_hidden(name)).translate(_NOT_IN_NAMES))
    end = next((at for at in range(MAX_NAME_CHARACTERS, 0, -1) if is_boundary(cleaned, at)), MAX_NAME_CHARACTERS)
    cleaned = one_line(neutralise(f"{cleaned[:end].strip(_INVISIBLE_ENDS)}:")[:-1])
    return cleaned if any(character.isalnum() for character in cleaned) else fallback
