"""Summaries and diaries: what an NPC keeps of older times in a few words, written while nobody waits.

A generating route is asked at the lowest priority where one is ready; what it says is checked. Without one, or where
the check finds fault, the rules make the summary from the facts in the log. A paid route is asked only where
`routing.orders.summary` names it.
"""

from __future__ import annotations

from contextlib import aclosing

from server.backends.base import PRECISE, Backend, Request, TextDelta
from server.dialogue.reflection import digest, silence
from server.dialogue.scheduler import BACKGROUND
from server.dialogue.stage import Stage
from server.dialogue.wording import as_memory
from server.dialogue.world import World
from server.errors import BudgetError, RouteError
from server.memory.derived import Span
from server.memory.summaries import BY_RULE, MAX_CHARACTERS, DiaryEntry, Summary
from server.prompt.pieces import as_line
from server.routing.limits import TurnLimits
from server.text.segments import Close, Open, Part, Prompt, Segment, Text
from server.text.summary import checked

FEWEST_EVENTS = 8
"""Less than this is not worth a new summary, nor a diary entry."""
MOST_EVENTS = 64
REPLY_TOKENS = 160
WAIT_MS = 60_000
_SUMMARISE = (
    "You keep notes for {name}. Write what {name} should remember of the notes below, in at most five short sentences, "
    "in the third person: who said or did what, what was promised, how people stand to each other. "
    "Use only what the notes say. No lists, no comments."
)
_DIARY = (
    "You are {name}. Write a diary entry of at most four short sentences about what the notes below tell, in the first "
    "person, in your own manner. Use only what the notes say. No lists, no comments."
)


async def renew_summary(stage: Stage, world: World, npc: str, up_to: int) -> str:
    """The summary of everything up to the event `up_to`, brought up to date; empty where there is nothing to tell."""
    derived = stage.memory.derived
    await digest(stage, world, npc)
    span = await derived.unsummarised(world.name, npc, up_to, MOST_EVENTS)
    if span is None:
        return (await derived.summary(world.name, npc)).text
    author, text = BY_RULE, ""
    if len(span.events) >= FEWEST_EVENTS:
        author, text = await _by_model(stage, world, npc, span, _SUMMARISE)
    if not text:
        author, text = BY_RULE, await derived.summary_by_rule(world.name, npc, up_to)
    text = text or span.before.text
    if text:
        summary = Summary(span.events[-1].seq, text, author)
        await derived.write_summary(world.name, npc, span.head, span.before.seq, summary)
    return text


async def write_diary(stage: Stage, world: World, npc: str, up_to: int) -> None:
    """A diary entry about what happened since the last one, where enough did."""
    derived = stage.memory.derived
    newest = await derived.diary(world.name, npc, 1)
    since = newest[0].seq if newest else 0
    span = await derived.lived(world.name, npc, since, up_to, MOST_EVENTS)
    if span is None or len(span.events) < FEWEST_EVENTS:
        return
    _, text = await _by_model(stage, world, npc, span, _DIARY)
    text = text or await derived.summary_by_rule(world.name, npc, up_to, since)
    if text:
        last = span.events[-1]
        entry = DiaryEntry(last.seq, since, last.time, text)
        await derived.write_diary(world.name, npc, span.head, entry)


async def _by_model(stage: Stage, world: World, npc: str, span: Span, instruction: str) -> tuple[str, str]:
    """Who wrote, and what; nothing where no route may, or what it wrote is no use."""
    if stage.settings.background.summaries != "model":
        return BY_RULE, ""
    await silence(stage)
    persona = world.persona(npc)
    notes = [span.before.text, *(as_memory(event, npc) for event in span.events)]

    def request_for(backend: Backend) -> Request:
        named = "summary" in stage.settings.routing.orders
        if not backend.generating or backend.state().degraded or (backend.paid and not named):
            raise BudgetError(f"{backend.name} writes no summaries.")
        room = stage.limits_for(backend).prompt_tokens // 2
        return Request(
            npc=npc,
            prompt=_prompt(instruction.format(name=persona.name), notes, room),
            persona=persona,
            max_tokens=REPLY_TOKENS,
            sampling=PRECISE,
            priority=BACKGROUND,
            purpose="summary",
        )

    limits = TurnLimits(WAIT_MS, WAIT_MS, WAIT_MS, WAIT_MS, stage.clock())
    answer = stage.router.answer(request_for, limits, purpose="summary")
    text = ""
    try:
        async with aclosing(answer) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    text += delta.text
    except RouteError:
        return BY_RULE, ""
    source = " ".join([*notes, persona.name])
    model = answer.finish.model if answer.finish is not None else ""
    return model or "model", checked(text, source, MAX_CHARACTERS)


def _prompt(instruction: str, notes: list[str], room: int) -> Prompt:
    """The newest notes that fit into `room` tokens, by a careful estimate."""
    kept: list[Segment] = []
    for note in reversed([line for line in map(as_line, notes) if line]):
        room -= len(note.encode()) // 3 + 1
        if room < 0:
            break
        kept.append(Text(note))
    system = Part("rules", (Open("system"), Text(as_line(instruction)), Close()))
    return Prompt((system, Part("turn", (Open("user"), *reversed(kept), Close(), Open("assistant")))))
