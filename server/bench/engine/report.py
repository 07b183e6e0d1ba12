"""What the bench of the engine found, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from server import __version__
from server.backends.llama.machine import memory_bytes
from server.backends.llama.native import library
from server.bench.engine.results import Finding, Results, RowResult, Summary
from server.bench.engine.setup import Setup

FLOOR_AIM = 1.15
FLOOR_ROWS = ("appended", "warmed", "scene")
"""Rows whose turns may take so many times the floor."""
RESTART_AIM = 0.1
"""The first token after a restart, in parts of a first contact."""

_CPU_INFO = Path("/proc/cpuinfo")
_TITLE, _NARROW = 42, 8


def as_table(setup: Setup, results: Results) -> str:
    """The figures for people."""
    names = list(dict.fromkeys(name for row in results.rows for name in row.samples))
    return "\n".join([*_heading(setup), "", *_rows(results.rows, names), "", *_findings(results)])


def as_json(setup: Setup, results: Results) -> str:
    """Every figure for programs: all samples, their summaries, the findings, the machine and the set-up."""
    values = {
        "barkeep": __version__,
        "machine": machine(),
        "setup": {**asdict(setup), "model": str(setup.model), "model_bytes": setup.model.stat().st_size},
        "rows": [
            {
                "key": row.key,
                "title": row.title,
                "summaries": {name: asdict(summary) for name, summary in row.summaries.items()},
                "samples": {name: [asdict(sample) for sample in taken] for name, taken in row.samples.items()},
            }
            for row in results.rows
        ],
        "findings": [asdict(finding) for finding in [*_judged(results.rows), *results.findings]],
    }
    return json.dumps(values, indent=2, default=str) + "\n"


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cpus": os.cpu_count() or 0,
        "memory_bytes": memory_bytes(),
        "python": platform.python_version(),
        "llama_cpp": library().llama_print_system_info().decode("utf-8", "replace").strip(),
    }


def _heading(setup: Setup) -> Iterator[str]:
    about, size_mb = machine(), setup.model.stat().st_size / 1e6
    yield f"Barkeep {__version__}, Python {about['python']}, {about['system']}"
    yield f"{about['processor']}, {about['cpus']} CPUs, {setup.threads} threads"
    yield f"{setup.model.name}, {size_mb:,.0f} MB, context {setup.context}"
    yield (
        f"personas of {setup.persona_tokens} tokens, replies of {setup.reply_tokens}"
        + ("; a quick run, too small to judge by" if setup.quick else "")
    )
    yield "first: median and 90th percentile of the time to the first token; read: prompt tokens evaluated, median;"
    yield "x: median over the floor, which is one bare llama_decode of the new tokens and one decode step."


def _rows(rows: Sequence[RowResult], names: Sequence[str]) -> Iterator[str]:
    group = 4 * _NARROW
    yield f"{'':<{_TITLE}}{'':>{2 * _NARROW}}" + "".join(f"  | {name:<{group}}" for name in names)
    yield (
        f"{'milliseconds, tokens':<{_TITLE}}{'new':>{_NARROW}}{'floor':>{_NARROW}}"
        + f"  | {'first':>{_NARROW}}{'p90':>{_NARROW}}{'read':>{_NARROW}}{'x':>{_NARROW}}" * len(names)
    )
    for row in rows:
        summaries = row.summaries
        first = next(iter(summaries.values()))
        line = f"{row.title:<{_TITLE}}{first.new:>{_NARROW}}{first.floor_ms:>{_NARROW}.0f}"
        yield line + "".join(f"  | {_cells(summaries.get(name))}" for name in names)


def _cells(summary: Summary | None) -> str:
    if summary is None:
        return f"{'-':>{_NARROW}}" * 4
    read = "?" if summary.evaluated is None else summary.evaluated
    times = f"{summary.times_floor:.2f}" if summary.times_floor else "-"
    return f"{summary.median_ms:>{_NARROW}.0f}{summary.p90_ms:>{_NARROW}.0f}{read:>{_NARROW}}{times:>{_NARROW}}"


def _findings(results: Results) -> Iterator[str]:
    for finding in [*_judged(results.rows), *results.findings]:
        value = "-" if finding.value is None else f"{finding.value:,.10g}"
        aim = f"aim {finding.aim}: {'met' if finding.met else 'missed'}" if finding.aim else ""
        yield f"{finding.title:<58}{value:>10} {finding.unit:<12}{aim:<26}{finding.detail}".rstrip()


def _judged(rows: Sequence[RowResult]) -> Iterator[Finding]:
    """The rows of our own engine that have an aim."""
    ours = {row.key: row.summaries["barkeep"] for row in rows if "barkeep" in row.summaries}
    titles = {row.key: row.title for row in rows}
    for key in FLOOR_ROWS:
        if key in ours and ours[key].times_floor:
            times = ours[key].times_floor
            yield Finding(key, titles[key], times, "x floor", "", f"<= {FLOOR_AIM:g}", times <= FLOOR_AIM)
    taken = [sample for row in rows for sample in row.samples.get("barkeep", ())]
    skipped = sum(sample.evaluated is not None and sample.evaluated < sample.new for sample in taken)
    yield Finding("skipped", "turns answered without reading all that was new", skipped, "turns", "", "0", skipped == 0)
    for key, summary in ours.items():
        if key.startswith("switching"):
            extra = max(0, (summary.evaluated or 0) - summary.new)
            yield Finding(key, f"{titles[key]}: known tokens read again", extra, "tokens", "", "0", extra == 0)
    if "restart" in ours and "first_contact" in ours:
        share = ours["restart"].median_ms / ours["first_contact"].median_ms
        aim, met = f"<= {RESTART_AIM:g}", share <= RESTART_AIM
        yield Finding("restart", "first contact after a restart", round(share, 3), "x cold", "", aim, met)


def _processor() -> str:
    try:
        lines = _CPU_INFO.read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )
