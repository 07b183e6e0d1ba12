"""Claims: what a speaker says of itself, or of what is owed to it, with nobody to vouch for it.

Rules for English alone. They decide between two words, "claimed" and "said": either way the words stay the speaker's.
"""

from __future__ import annotations

import re

_CLAIM = re.compile(
    r"""
    \b(?:
        (?:i\ am|i'm|i\ was|we\ are|we're)\ (?:not\ )?(?:now\ )?(?:your|the|a|an|his|her|their|king|queen|lord|lady)\b
        | (?:my|our)\ (?:name\ is|father|mother|brother|sister|family|master|lord|guild|order)\b
        | (?:call|name)\ me\b
        | (?:owes?|promised|swore|gave|sold|granted|told|sent|hired)\ (?:to\ )?(?:me|us)\b
        | i\ (?:own|rule|command|killed|slew|saved|won|inherited|paid\ for|was\ (?:born|sent|hired|promised|told))\b
        | (?:belongs?|belonged)\ to\ (?:me|us)\b
        | (?:is|are)\ (?:mine|ours)\b
    )
    """,
    re.VERBOSE,
)
_QUESTION = re.compile(r"\?[\"')\]]*\s*$")
_SENTENCE = re.compile(r"[^.!?;]+[.!?;]*[\"')\]]*")


def is_claim(text: str, name: str = "") -> bool:
    """Whether a sentence of `text`, one that is no question, claims something of the speaker, who is called `name`."""
    folded = text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    if name:  # "Aldo is the king", says Aldo
        folded = re.sub(rf"(?<!\w){re.escape(name.casefold())}(?:'s| is| was)(?= )", "i am", folded)
    sentences = (" ".join(sentence.split()) for sentence in _SENTENCE.findall(folded))
    return any(_CLAIM.search(sentence) and not _QUESTION.search(sentence) for sentence in sentences)
