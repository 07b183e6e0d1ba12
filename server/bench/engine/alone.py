"""What our engine alone can do: keep a player's turn ahead of background work, and let several NPCs speak at once."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from server.bench.engine.barkeep import Barkeep
from server.bench.engine.conversation import Conversation
from server.bench.engine.player import Player
from server.bench.engine.results import Finding
from server.bench.progress import Progress
from server.errors import BarkeepError
from server.text.segments import Prompt

MEDIAN_AIM, WORST_AIM = 1.25, 1.5
TOGETHER_AIM = 1.4
TOGETHER = 8
REPEATS = 3
BACKGROUND_TOKENS = 200
SPOKEN_TOKENS = 48
SHORT_TOKENS = 200
"""The length of prompts where it is their replies that are measured: others take minutes to read on a slow machine."""
TOGETHER_FROM = 1_000
_STRANGERS = 10_000
"""Characters from this number on are met by nobody else."""


async def findings(barkeep: Barkeep, player: Player, progress: Progress) -> list[Finding]:
    """Measure both."""
    found: list[Finding] = []
    if player.setup.wants("beside"):
        progress.show("a player's turn beside a background job")
        found += await _beside_background(barkeep, player)
    if player.setup.wants("together"):
        progress.show(f"{TOGETHER} NPCs speak at once")
        found.append(await _together(barkeep, player))
    return found


@dataclass(frozen=True, slots=True)
class _Background:
    """A background reply, and what it is to be doing when the player speaks."""

    key: str
    title: str
    decoding: bool


async def _beside_background(barkeep: Barkeep, player: Player) -> list[Finding]:
    kinds = (
        _Background("background_reading", "while a background prompt is read", decoding=False),
        _Background("background_decoding", "while a background reply is decoded", decoding=True),
    )
    await player.turn(0)
    found: list[Finding] = []
    for kind in kinds:
        idle: list[float] = []
        busy: list[float] = []
        for turn in range(player.setup.turns):
            idle.append((await player.turn(0)).first_ms)
            tokens = SHORT_TOKENS if kind.decoding else player.setup.persona_tokens
            stranger = _stranger(player, turn + (player.setup.turns if kind.decoding else 0), tokens)
            busy += await _one_beside(barkeep, player, stranger, kind)
        found += _ratios(kind, idle, busy)
    return found


async def _one_beside(barkeep: Barkeep, player: Player, prompt: Prompt, kind: _Background) -> list[float]:
    """The first token of a turn that begins once the job is where it should be; nothing where it had ended."""
    async with aclosing(barkeep.occupy(prompt, BACKGROUND_TOKENS)) as signs:
        async for is_token in signs:
            if is_token == kind.decoding:
                return [(await player.turn(0)).first_ms]
    return []


def _ratios(kind: _Background, idle: Sequence[float], busy: Sequence[float]) -> list[Finding]:
    if not busy:
        return [Finding(kind.key, f"first token {kind.title}", None, "x idle", "the job had always ended")]
    normal = statistics.median(idle)
    median, worst = statistics.median(busy) / normal, max(busy) / normal
    detail = f"{statistics.median(busy):.1f} ms, idle {normal:.1f} ms"
    title = f"first token {kind.title}"
    return [
        Finding(
            f"{kind.key}_median", f"{title}, median", round(median, 3), "x idle", detail, *_most(median, MEDIAN_AIM)
        ),
        Finding(
            f"{kind.key}_worst",
            f"{title}, worst",
            round(worst, 3),
            "x idle",
            f"{max(busy):.1f} ms of {len(busy)} turns, worst idle {max(idle):.1f} ms",
            *_most(worst, WORST_AIM),
        ),
    ]


def _most(value: float, aim: float) -> tuple[str, bool]:
    return f"<= {aim:g}", value <= aim


async def _together(barkeep: Barkeep, player: Player) -> Finding:
    """Tokens a second of several replies at once, beside one alone; in turn, on prompts that were read ahead."""
    count = min(TOGETHER, max(player.setup.npcs))
    talks = [_talk(player, TOGETHER_FROM + number, SHORT_TOKENS) for number in range(count)]
    one, all_of_them = [], []
    for repeat in range(REPEATS):
        prompts = [_next(player, talk, repeat) for talk in talks]
        for prompt in prompts:
            await barkeep.warm("npc", prompt)
        one.append(await _tokens_per_second(barkeep, prompts[:1]))
        all_of_them.append(await _tokens_per_second(barkeep, prompts))
    alone, together = statistics.median(one), statistics.median(all_of_them)
    ratio = together / alone
    return Finding(
        "together",
        f"{count} NPCs speaking at once, tokens/s in all",
        round(ratio, 3),
        "x one alone",
        f"{together:.1f} tokens/s, one alone {alone:.1f}",
        f">= {TOGETHER_AIM:g} (2.6B)",
        ratio >= TOGETHER_AIM,
    )


async def _tokens_per_second(barkeep: Barkeep, prompts: Sequence[Prompt]) -> float:
    """Of all replies, while all of them are spoken: from the last one's first token to the first one's last."""

    async def listen(prompt: Prompt) -> list[tuple[float, int]]:
        async with aclosing(barkeep.tokens(prompt, SPOKEN_TOKENS)) as pieces:
            return [piece async for piece in pieces]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(listen(each), name=f"bench:reply:{n}") for n, each in enumerate(prompts)]
    replies = [task.result() for task in tasks]
    begin, end = max(reply[0][0] for reply in replies), min(reply[-1][0] for reply in replies)
    if end <= begin:
        raise BarkeepError("The replies were not spoken at once.", hint="Run the bench again on a quiet machine.")
    return sum(tokens for reply in replies for at, tokens in reply if begin < at <= end) / (end - begin)


def _next(player: Player, talk: Conversation, repeat: int) -> Prompt:
    """A next turn that is not taken into the history."""
    return talk.prompt(player.writer.line(f"together {talk.character.id} {repeat}"))


def _stranger(player: Player, number: int, tokens: int) -> Prompt:
    return _talk(player, number, tokens).prompt(player.writer.line(f"stranger {number}"))


def _talk(player: Player, number: int, tokens: int) -> Conversation:
    """With a character that nobody else meets."""
    return Conversation(player.writer.character(_STRANGERS + number, tokens))
