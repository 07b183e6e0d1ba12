"""What the house model's bench found, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict

from server import __version__
from server.bench.house.run import DISTINCT_AIM, FIRST_AIM_MS, WHOLE_AIM_MS, Found
from server.bench.report import machine, machine_line

_TITLES = {
    "name": "own name", "role": "own role", "fact": "a fact asked for and given", "memory": "a recalled memory used",
    "player": "the player's name from earlier turns", "present": "those present greeted by name",
    "unknown": "an unknown thing refused in character", "manner": "manners told apart",
    "ended": "ended by the model itself",
    "clean": "nothing of the system turn, no other's label",
}  # fmt: skip
_PARTS = {
    "known": "in the corpus's forms, with words it never had",
    "new": "in phrasings and layouts of no corpus form",
}


def as_table(found: Found) -> str:
    """The figures for people; `!` marks an aim that is missed."""
    lines = [machine_line()]
    for part, title in _PARTS.items():
        scores = [score for score in found.scores if score.part == part]
        total = sum(score.cases for score in scores if score.kind not in ("ended", "clean"))
        lines += ["", f"{total} prompts {title}:"]
        lines += [
            f"  {' ' if score.holds else '!'} {_TITLES[score.kind]:<46}{score.cases:>6}{score.share:>9.1%}"
            f"   aim {score.aim:.1%}"
            for score in scores
        ]
    if found.greetings:
        lines += [
            "",
            f"{found.distinct_greetings} different replies to {found.greetings} greetings   aim {DISTINCT_AIM}",
            f"{found.repeated_in_a_row} replies repeated in a row in a talk of {found.talk_turns} turns   aim 0",
            f"first words: {found.first_ms_p50:.1f} ms, p95 {found.first_ms_p95:.1f} ms   aim {FIRST_AIM_MS:g}",
            f"whole reply: {found.whole_ms_p50:.1f} ms, p95 {found.whole_ms_p95:.1f} ms   aim {WHOLE_AIM_MS:g}",
        ]
    return "\n".join(lines)


def as_json(found: Found) -> str:
    """The figures for programs, and every reply that was wrong."""
    values = {name: value for name, value in asdict(found).items() if name not in ("wrong", "scores")}
    scores = [{**asdict(score), "holds": score.holds} for score in found.scores]
    wrong = [
        {
            "part": one.case.part, "kind": one.case.kind, "asked": one.case.lines[-1].line or one.case.lines[-1].cue,
            "want": one.case.want, "any": one.case.any_of, "reply": one.last.text,
        }
        for one in found.wrong
    ]  # fmt: skip
    data = {"barkeep": __version__, "machine": machine(), "scores": scores, **values, "wrong": wrong}
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
