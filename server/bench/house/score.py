"""Whether a reply is right, by plain rules that a reader can check."""

from __future__ import annotations

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from server.bench.house.cases import Case
from server.prompt.rules import RULES

AIMS: Mapping[str, float] = {
    "name": 0.99, "role": 0.99, "fact": 0.95, "memory": 0.90, "player": 0.95, "present": 0.95, "unknown": 0.90,
    "manner": 0.95, "ended": 0.999, "clean": 1.0,
}  # fmt: skip
LESS_ON_NEW = 0.10
"""On `new` cases an aim is this much lower, but for `clean`: that no reply holds what is not its own."""

_REFUSAL = re.compile(
    r"\b(do not|don't|does not|doesn't|did not|didn't|not|never|no|nothing|nobody|none|cannot|can't|couldn't|unknown|"
    r"wish i knew|only heaven|beats me|got me|silent|negative|how should i|look like i know|should i know|"
    r"ask (somebody|someone|me about)|who can say|slips away|look that up|nonsense|odd|funny|trick|scaring|"
    r"temptation|hypothesis|fever|riddles|curious|i am who i am|what i am|i serve|play myself|being me|"
    r"i am just me|only me|talk sense|less than me|only one of me|but a leaf|mock|another)\b"
)  # fmt: skip
_LABEL = re.compile(r"(?:^|\n)\s*([A-Z][\w' -]{1,40}):")
_RUN = 6
_TEXTS_A_MANNER = 60


def is_right(case: Case, reply: str) -> bool:
    """Whether the reply holds what it should (for kinds other than `manner`)."""
    folded = reply.casefold()
    if case.kind == "unknown":
        return bool(_REFUSAL.search(folded)) and not _tells_own(case, folded)
    held = all(_plain(want) in folded for want in case.want)
    return held and (not case.any_of or any(_plain(one) in folded for one in case.any_of))


def _plain(want: str) -> str:
    return re.sub(r"^(the|an?) ", "", want.casefold()).rstrip(".!")


def _tells_own(case: Case, folded: str) -> bool:
    """Whether a reply that should refuse tells something else that the persona knows."""
    return any(run in folded for line in case.persona.knowledge for run in _runs(line, _RUN))


def is_clean(case: Case, reply: str) -> bool:
    """Nothing of the system turn's rules, no line under another's name, no control token's spelling."""
    folded = reply.casefold()
    if any(run in folded for run in _runs(RULES, _RUN)) or "<|" in reply or "im_end" in reply or "im_start" in reply:
        return False
    people = {case.player, *(name for line in case.lines for scene in line.scene for name in _names(scene))}
    return not any(match[1].strip() in people for match in _LABEL.finditer(reply))


def _names(scene: str) -> list[str]:
    return scene.removeprefix("Here with you: ").rstrip(".").split(", ") if scene.startswith("Here") else []


def _runs(text: str, length: int) -> Iterable[str]:
    words = text.casefold().split()
    return (" ".join(words[at : at + length]) for at in range(len(words) - length + 1))


def share_told_apart(said: Sequence[tuple[str, str]], lines: Mapping[str, Sequence[str]], seed: int = 0) -> float:
    """The share of (manner, words) whose manner a naive Bayes classifier finds that has read `lines` of each manner.

    It reads them three at a time, as many as a talk of `manner` has turns. One word is one feature, each counted once a
    text, with add-one smoothing (Manning, Raghavan and Schütze 2008, chapter 13).
    """
    rng = random.Random(seed)
    read = [
        (manner, " ".join(rng.sample(spoken, 3))) for manner, spoken in lines.items() for _ in range(_TEXTS_A_MANNER)
    ]
    classifier = _Classifier(read)
    right = sum(classifier.manner_of(words) == manner for manner, words in said)
    return right / len(said) if said else math.nan


class _Classifier:
    def __init__(self, said: Sequence[tuple[str, str]]) -> None:
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._texts = Counter(manner for manner, _ in said)
        for manner, text in said:
            self._counts[manner].update(_words(text))

    def manner_of(self, text: str) -> str:
        return max(self._texts, key=lambda manner: self._score(manner, _words(text)), default="")

    def _score(self, manner: str, words: set[str]) -> float:
        texts = self._texts[manner]
        return math.log(texts) + sum(math.log((self._counts[manner][word] + 1) / (texts + 2)) for word in sorted(words))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z']+", text.casefold()))
