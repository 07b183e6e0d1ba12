"""Who an NPC is, as its file says it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from server.config import BlockName, BlockSettings

PersonaId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
RouteName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")]
Phrase = Annotated[str, StringConstraints(min_length=1, max_length=512, strip_whitespace=True)]
Paragraph = Annotated[str, StringConstraints(max_length=4_000, strip_whitespace=True)]

ImpressionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,64}$")]
Feeling = Literal["trust", "warmth", "respect", "fear", "valence", "arousal"]
Amount = Annotated[float, Field(ge=-1, le=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Topic(_Model):
    """Authored lines for a subject: any keyword in what was said picks it."""

    keywords: Annotated[tuple[Phrase, ...], Field(min_length=1, max_length=32)]
    lines: Annotated[tuple[Phrase, ...], Field(min_length=1, max_length=32)]


class Authored(_Model):
    """Lines the NPC can say without any model.

    `group_greetings` come on top of `greetings` where other NPCs are present. `greets_first`: where it opens its very
    first conversation of its own accord, it says a greeting, the first one if it is alone, and no model is asked.
    """

    greetings: Annotated[tuple[Phrase, ...], Field(max_length=32)] = ()
    group_greetings: Annotated[tuple[Phrase, ...], Field(max_length=32)] = ()
    greets_first: bool = False
    topics: Annotated[tuple[Topic, ...], Field(max_length=64)] = ()
    farewells: Annotated[tuple[Phrase, ...], Field(max_length=32)] = ()
    deflections: Annotated[tuple[Phrase, ...], Field(max_length=32)] = ()


class Example(_Model):
    """An exchange that shows how the NPC talks."""

    player: Phrase
    npc: Phrase


class SamplingOverride(_Model):
    """Sampling that differs from the default for this NPC."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0.5, le=2)] | None = None
    dry_multiplier: Annotated[float, Field(ge=0, le=5)] | None = None


class Persona(_Model):
    """An NPC. `core` and `voice` are in every prompt; the lists lose their last entries first when room is short."""

    id: PersonaId
    name: Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]
    role: Annotated[str, StringConstraints(max_length=256, strip_whitespace=True)] = ""
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] = "en"
    core: Paragraph = ""
    voice: Paragraph = ""
    knowledge: Annotated[tuple[Phrase, ...], Field(max_length=128)] = ()
    goals: Annotated[tuple[Phrase, ...], Field(max_length=32)] = ()
    relations: Annotated[dict[PersonaId, Phrase], Field(max_length=64)] = {}
    examples: Annotated[tuple[Example, ...], Field(max_length=16)] = ()
    mood: Annotated[str, StringConstraints(max_length=32)] = "calm"
    impressions: Annotated[dict[ImpressionName, dict[Feeling, Amount]], Field(max_length=32)] = {}
    budget: dict[BlockName, BlockSettings] = {}
    knows: Annotated[tuple[Phrase, ...], Field(max_length=64)] = ()
    memory_half_life_h: Annotated[float, Field(ge=1, le=1_000_000)] = 240
    sampling: SamplingOverride = SamplingOverride()
    routes: Annotated[tuple[RouteName, ...], Field(max_length=8)] = ()
    authored: Authored = Authored()
