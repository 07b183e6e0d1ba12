"""Facts by rule: what one utterance says that is worth keeping, without a model. Pure logic.

A rule is a pattern over one sentence and what it means. Patterns read plain English; where none fits, nothing is
extracted, and the utterance itself stays in the log to be recalled. Words that are quoted keep who said them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from server.memory.extract_rules import RULES, Rule, is_name
from server.memory.when import HOUR_S, due_s, span_of

VERSION = 2
"""Goes up with every change of the rules: rows of an older one are made again."""
MAX_FACTS = 12
"""Of one utterance; its row in the index has room for 63."""
MAX_SENTENCES = 32
MAX_CHARACTERS = 400
"""A sentence that is longer says more than a rule can read."""

SPOKEN = frozenset({"say", "line"})
FUNCTIONAL = frozenset(
    {"name", "title", "home", "origin", "work", "age", "place", "price", "spouse", "wife", "husband", "mother",
     "father", "favourite", "state", "feeling", "owner", "destination", "partner"}
)  # fmt: skip
"""Relations of which one holds at a time: the newest takes the place of those before it."""

_SENTENCE = re.compile(r"[^.!?…\n]+(?:[.!?…]+(?!\w)|\n|$)|[^.!?…\n]*[.!?…]+(?=\w)")
_REMEMBER = re.compile(r"\b(?:remember (?:this|that|my|me|it)|don't (?:you )?forget|never forget|keep in mind)\b", re.I)
_SECRET = re.compile(
    r"\b(?:secret|between (?:us|you and me)|(?:tell|say|breathe) (?:no ?one|nobody|not a soul|nothing of this)"
    r"|don't tell|do not tell|mustn't know|must not know|must never know)\b",
    re.I,
)
_OF_MINE = re.compile(r"^(?:My|Our|Your) (?:\w+ )+(?=[A-Z])")
"""Before a name: "My sister Mara" is Mara."""
_MINE = re.compile(r"^(?:my|our) (?:own )?", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:the|an?|each|one) ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NewFact:
    """What an utterance says. `subject` and `relation` name what it is about, `object` what holds of it.

    `text` is the whole in words, told by nobody in particular. `kind` is that of its rule: promise, appointment, debt,
    secret, name, kin, like, place, price, trait, deed or event. Importance runs from 0 to 1. `when_s` is when it
    happened or held, in game seconds; `due_h` when it falls due, in game hours.
    """

    kind: str
    subject: str
    relation: str
    object: str
    text: str
    importance: float
    when_s: float | None = None
    due_h: float | None = None


def extract(
    text: str,
    *,
    speaker: str,
    kind: str = "say",
    time_s: float | None = None,
    weekdays: tuple[str, ...] = (),
) -> tuple[NewFact, ...]:
    """The facts in `text`, which `speaker` (a name) says, or which happens where `kind` is no speech; in its order.

    Args:
        text: One utterance, or the sentence of an event.
        speaker: Who "I" is.
        kind: The event's kind; `say` and `line` are speech.
        time_s: The game's time when it was said; without it there are no times in the facts.
        weekdays: The world's names of its days, the first that of day 0.
    """
    speech = kind in SPOKEN
    found: dict[tuple[str, str, str], NewFact] = {}
    lift = 0.2 if speech and _REMEMBER.search(text) else 0.0
    if speech and _SECRET.search(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")) and len(text) > 24:
        kept = text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
        secret = NewFact("secret", speaker, "secret", kept, f"{speaker} said in confidence: {kept}", 0.9, time_s)
        found[speaker, "secret", kept] = secret
    for sentence in sentences(text):
        for fact in _in_sentence(sentence, speaker if speech else ""):
            timed = _timed(fact, sentence, time_s, lift, weekdays)
            found.setdefault((timed.subject.casefold(), timed.relation, timed.object.casefold()), timed)
    return tuple(found.values())[:MAX_FACTS]


def sentences(text: str) -> Iterator[str]:
    """The sentences of `text` that are short enough for a rule, without the white space around them."""
    for number, found in enumerate(_SENTENCE.finditer(text)):
        if number >= MAX_SENTENCES:
            return
        sentence = found[0].strip()
        if 2 < len(sentence) <= MAX_CHARACTERS:
            yield sentence


def _in_sentence(sentence: str, speaker: str) -> Iterator[NewFact]:
    plain = sentence.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    if plain.endswith("?"):  # who asks does not say that it is so
        return
    for rule in RULES:
        if rule.first_person and not speaker:
            continue
        for match in rule.pattern.finditer(plain):
            if (fact := _fact(rule, match, speaker, plain)) is not None:
                yield fact


def _fact(rule: Rule, match: re.Match[str], speaker: str, sentence: str) -> NewFact | None:
    groups = {name: (value or "").strip(" .!,;:'\"") for name, value in match.groupdict().items()}
    if rule.takes_name and not is_name(groups.get("object", "")):
        return None
    if rule.kind == "name" and groups["object"].casefold() == speaker.casefold():
        return None
    if any(len(value) < 2 for name, value in groups.items() if name in {"subject", "object"} and name in rule.needs):
        return None
    subject = speaker if rule.first_person else _OF_MINE.sub("", groups.get("subject", ""))
    if speaker:
        subject = _MINE.sub(f"{speaker}'s ", subject)
    fields = {**groups, "speaker": speaker, "subject": subject, "sentence": sentence}
    own = _ARTICLE.sub("", subject)
    relation = rule.relation.format_map(fields).lower().strip()
    said = rule.text.format_map(fields).rstrip(" .,;")
    said = said[:1].upper() + said[1:]
    return NewFact(rule.kind, own, relation, groups.get("object", ""), f"{said}.", rule.importance)


def _timed(fact: NewFact, sentence: str, time_s: float | None, lift: float, weekdays: tuple[str, ...]) -> NewFact:
    """`fact` with what the sentence says of time, and with its importance."""
    when, due = time_s, None
    if fact.kind in {"promise", "appointment", "debt"}:
        due = due_s(sentence, time_s, weekdays)
    elif time_s is not None and (span := span_of(sentence, time_s, weekdays)) is not None:
        when = (span.start_s + span.end_s) / 2
    return NewFact(
        fact.kind, fact.subject, fact.relation, fact.object, fact.text, min(1.0, fact.importance + lift), when,
        None if due is None else due / HOUR_S,
    )  # fmt: skip
