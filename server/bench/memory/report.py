"""What was found, as tables for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from server.bench.memory.run import Found

AIM_TOKENS = 450


def as_json(found: Found) -> str:
    """`budgets`: a row for each method and budget, shares of all questions; `speed`: a row for each NPC and world."""
    return json.dumps(
        {
            "dialogues": found.dialogues,
            "questions": found.questions,
            "budgets": [asdict(row) for row in found.rows],
            "speed": [asdict(row) for row in found.speeds],
        },
        indent=2,
    )


def as_table(found: Found) -> str:
    """Everything, a table under another."""
    return "\n".join(_lines(found))


def _lines(found: Found) -> Iterator[str]:
    yield f"{found.questions} questions about {found.dialogues} dialogues; evidence recalled, in % of all questions"
    yield f"{'method':<24}{'tokens':>7}{'any':>7}{'all':>7}{'used':>7}{'leaks':>7}{'p50 ms':>9}{'p99 ms':>9}"
    for row in found.rows:
        yield (
            f"{row.method:<24}{row.budget_tokens:>7}{100 * row.any_evidence:>7.1f}{100 * row.all_evidence:>7.1f}"
            f"{row.tokens_mean:>7.0f}{row.leaks:>7}{row.ms_p50:>9.2f}{row.ms_p99:>9.2f}"
        )
    kinds = sorted({kind for row in found.rows for kind in row.by_kind})
    if len(kinds) > 1:
        yield ""
        yield f"any evidence at {AIM_TOKENS} tokens, by kind, in %"
        yield f"{'method':<24}" + "".join(f"{kind:>13}" for kind in kinds)
        for row in found.rows:
            if row.budget_tokens == AIM_TOKENS:
                yield f"{row.method:<24}" + "".join(f"{100 * row.by_kind.get(kind, 0.0):>13.1f}" for kind in kinds)
    if found.speeds:
        yield ""
        yield "a world's events, how many the NPC witnessed, and milliseconds"
        heads = ("recall p50", "p99", "prompt p50", "p99", "bytes/event")
        yield f"{'events':>9}{'witnessed':>11}" + "".join(f"{head:>12}" for head in heads)
        for one in found.speeds:
            yield (
                f"{one.events:>9}{one.witnessed:>11}{one.recall_ms_p50:>12.2f}{one.recall_ms_p99:>12.2f}"
                f"{one.prompt_ms_p50:>12.2f}{one.prompt_ms_p99:>12.2f}{one.bytes_per_event:>12.0f}"
            )
