"""A persona, a context and tokenizers that the prompt's tests share."""

from __future__ import annotations

from collections import Counter

from server.personas.persona import Example, Persona
from server.prompt.context import HistoryEntry, PromptLimits, TurnContext
from server.prompt.rules import RULES
from server.prompt.tokens import Tokenizer
from server.text.segments import Close, Open, Prompt, Text

LIMITS = PromptLimits(prompt_tokens=4_096, new_tokens=192, recall_tokens=120)


class ByteTokenizer:
    """One token a byte: exact sums that a test can write down."""

    fingerprint = "bytes"
    exact = True

    def count(self, text: str) -> int:
        return len(text.encode("utf-8", "replace"))


class StartingTokenizer:
    """Adds tokens to every text, the empty one too, as a vocabulary with a forced prefix would."""

    fingerprint = "starting"
    exact = True

    def count(self, text: str) -> int:
        return 3 + len(text.split())


class TalliedTokenizer:
    """Remembers how often each text was counted."""

    fingerprint = "tallied"
    exact = True

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def count(self, text: str) -> int:
        self.counted[text] += 1
        return len(text)


BYTES: Tokenizer = ByteTokenizer()


def persona(**changes: object) -> Persona:
    fields: dict[str, object] = {
        "id": "hilda",
        "name": "Hilda",
        "role": "keeper of the Salt Lantern",
        "core": "You count every coin twice.",
        "voice": "Dry and brief.",
        "knowledge": ("The mill burned down in spring.", "A bed costs four coppers."),
        "goals": ("Mend the roof.",),
        "relations": {"old_ansel": "your cousin, who owes you"},
        "examples": (Example(player="Any rooms?", npc="Two. One leaks."),),
    }
    return Persona.model_validate({**fields, **changes})


def context(**changes: object) -> TurnContext:
    fields: dict[str, object] = {"rules": RULES, "persona": persona(), "player_name": "Aria", "line": "Aria: Rooms?"}
    return TurnContext(**{**fields, **changes})  # type: ignore[arg-type]  # each test names the fields it changes


def entry(number: int, *, length: int = 0) -> HistoryEntry:
    """A past turn; its one piece has `length` bytes where that is given."""
    words = f"Aria: line {number}"
    return HistoryEntry((words.ljust(length - 1, ".") + "\n",), Text(f"Reply {number}."))


def texts(prompt: Prompt, part: str | None = None) -> list[str]:
    """The texts of one part, or of all."""
    chosen = (found for found in prompt.parts if part in (None, found.name))
    return [segment.text for found in chosen for segment in found.segments if isinstance(segment, Text)]


def shape(prompt: Prompt) -> str:
    """Opens and closes as letters: `s`, `u`, `a` open a turn of that role, `.` closes one."""
    letters = []
    for segment in prompt.segments:
        match segment:
            case Open(role=role):
                letters.append(role[0])
            case Close():
                letters.append(".")
    return "".join(letters)
