"""Writes the evaluation's first part: the corpus's forms, with words that the corpus never has.

The second part, `heldout.yaml` beside it, is no business of this package: nothing here reads it.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

from server.prompt.pieces import as_line
from server.text.labels import labelled
from training.corpus import make_talk
from training.manners import MANNERS
from training.talk import Talk, Turn
from training.talk_social import farewell, greet, wellbeing

SEED = 777
WANTED = {
    "name": 150,
    "role": 150,
    "fact": 450,
    "memory": 200,
    "player": 150,
    "present": 150,
    "unknown": 250,
    "manner": 168,
}
PAST_TURNS = 3
_DESCRIBED = ("words", "voices")
"""Of a manner's lists, those that speak of it."""


def cases() -> dict[str, Any]:
    """Personas and cases as JSON; the same every time."""
    personas: list[Any] = []
    found: list[dict[str, Any]] = []
    left = Counter(WANTED)
    number = 0
    while sum(left.values()):
        talk = make_talk(SEED, number, held_out=True)
        number += 1
        made = [*_of(talk, left), *_manner(talk, left)]
        if made:
            personas.append(talk.npc.persona.model_dump(mode="json", exclude_defaults=True))
            found += [{**one, "persona": len(personas) - 1} for one in made]
    return {"personas": personas, "cases": found, "manners": _manners()}


def _manners() -> dict[str, list[str]]:
    """What is said in each manner, for the classifier that tells them apart."""
    return {
        manner: [line.replace("{p}", "") for kind, lines in kinds.items() if kind not in _DESCRIBED for line in lines]
        for manner, kinds in MANNERS.items()
    }


def _of(talk: Talk, left: Counter[str]) -> list[dict[str, Any]]:
    made = []
    taken: Counter[str] = Counter()
    for at, turn in enumerate(talk.turns):
        kind = {"stay": "unknown"}.get(str(turn.check.get("kind")), str(turn.check.get("kind")))
        if kind not in left or left[kind] <= 0 or taken[kind] >= 2:
            continue
        # What a turn relies on may have been told long before: the player's name, for one.
        first = 0 if kind == "player" else max(0, at - PAST_TURNS)
        if any(past.scene for past in talk.turns[:first]) or any(past.cut for past in talk.turns[first:at]):
            continue
        left[kind] -= 1
        taken[kind] += 1
        lines = [_line(talk, past, reply=past.reply) for past in talk.turns[first:at]]
        want = turn.check.get("want", [])
        made.append(
            {
                "kind": kind,
                "player": talk.called or talk.label,
                "lines": [*lines, _line(talk, turn)],
                "want": [] if kind == "unknown" else [want] if isinstance(want, str) else want,
            }
        )
    return made


def _line(talk: Talk, turn: Turn, reply: str | None = None) -> dict[str, Any]:
    line = {
        "line": as_line(labelled(turn.label or talk.label, turn.line)).rstrip("\n") if turn.line else "",
        "scene": turn.scene, "events": turn.events, "memories": turn.memories, "lore": turn.lore,
        "others": turn.others, "cue": turn.cue, "reply": reply,
    }  # fmt: skip
    return {key: value for key, value in line.items() if value}


def _manner(talk: Talk, left: Counter[str]) -> list[dict[str, Any]]:
    if left["manner"] <= 0 or talk.npc.voice.catch or not talk.npc.persona.voice:
        return []
    left["manner"] -= 1
    turns = [turn for intent in (greet, wellbeing, farewell) if (turn := intent(talk)) is not None]
    lines = [_line(talk, turn) for turn in turns]
    return [{"kind": "manner", "player": talk.called or talk.label, "lines": lines, "manner": talk.npc.voice.manner}]


def main() -> None:
    """`python -m training.heldout`."""
    parser = argparse.ArgumentParser(description="Write the evaluation's cases in the corpus's forms.")
    parser.add_argument("--out", type=Path, default=Path("server/bench/house/known.json.gz"))
    given = parser.parse_args()
    data = json.dumps(cases(), separators=(",", ":")).encode()
    given.out.write_bytes(gzip.compress(data, mtime=0))
    print(f"{given.out}: {len(given.out.read_bytes())} bytes")


if __name__ == "__main__":
    main()
