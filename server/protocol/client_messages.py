"""What a client says. Unknown fields are refused, so that a typing mistake is answered instead of ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from server.protocol.fields import (
    MAX_SAY_CHARACTERS,
    ClientId,
    Count,
    Distance,
    Fraction,
    LongText,
    Name,
    NpcId,
    Seconds,
    ShortText,
)


class _Client(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: ClientId | None = None


class ClientInfo(BaseModel):
    """The program that speaks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    version: ShortText = ""


class Resume(BaseModel):
    """The session to take up again, and the last `seq` the client has seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    session: ShortText
    seq: Count


class Hello(_Client):
    """The first message of a connection. `played` true: this client reports playback."""

    type: Literal["hello"] = "hello"
    protocol: int
    client: ClientInfo
    token: ShortText | None = None
    world: Name | None = None
    player: Name | None = None
    stream: Literal["lines", "tokens"] = "lines"
    played: bool = False
    language: Annotated[str, StringConstraints(max_length=16)] | None = None
    resume: Resume | None = None


class Present(BaseModel):
    """Someone in the scene. `distance` from the player, in the game's own unit.

    `hears` and `sees`: whether what happens around the player reaches them, where the game knows better than distance.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    npc: NpcId
    name: Name | None = None
    distance: Distance | None = None
    asleep: bool = False
    hears: bool | None = None
    sees: bool | None = None


class ScenePlayer(BaseModel):
    """How the session's player appears in the scene."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    description: ShortText = ""


class Scene(_Client):
    """What is around. `present` replaces the whole list; an absent field stays as it was.

    `hearing` is how far a voice carries, in the unit of `distance`.
    """

    type: Literal["scene"] = "scene"
    scene: Name | None = None
    place: ShortText | None = None
    time: Seconds | None = None
    weather: ShortText | None = None
    present: Annotated[list[Present], Field(max_length=64)] | None = None
    player: ScenePlayer | None = None
    note: LongText | None = None
    hearing: Distance | None = None


class Npc(_Client):
    """Announces an NPC; `persona` defines it, or patches what is known."""

    type: Literal["npc"] = "npc"
    npc: NpcId
    persona: dict[str, Any] | None = None


class Event(_Client):
    """Something happened. Witnesses default to those present whom it reaches.

    `sense` is what it takes to notice it. `told_by`: the witnesses only hear of it, from this NPC.
    """

    type: Literal["event"] = "event"
    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_SAY_CHARACTERS)]
    kind: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,64}$")] = "event"
    witnesses: Annotated[list[NpcId], Field(max_length=64)] | None = None
    importance: Fraction | None = None
    sense: Literal["any", "sight", "hearing"] = "any"
    told_by: NpcId | None = None


class Say(_Client):
    """The player speaks. More than 2,000 characters or 256 tokens is `too_long`."""

    type: Literal["say"] = "say"
    text: Annotated[str, StringConstraints(min_length=1)]
    to: NpcId | Annotated[list[NpcId], Field(min_length=1, max_length=8)] | None = None
    witnesses: Annotated[list[NpcId], Field(max_length=64)] | None = None
    whisper: bool = False
    deadline_ms: Annotated[int, Field(ge=50, le=120_000)] | None = None


class Cue(_Client):
    """An NPC is to speak of its own accord."""

    type: Literal["cue"] = "cue"
    npc: NpcId
    instruction: LongText = ""
    to: NpcId | None = None
    ambient: bool = False


class Warm(_Client):
    """The player approaches or types: read what is known already. No reply is spoken."""

    type: Literal["warm"] = "warm"
    npc: NpcId
    text: LongText = ""


class Stop(_Client):
    """End one turn, or every turn of the session."""

    type: Literal["stop"] = "stop"
    turn: ShortText | None = None


class Played(_Client):
    """A line was heard, whole or up to `fraction` of its characters."""

    type: Literal["played"] = "played"
    turn: ShortText
    line: Count
    fraction: Fraction = 1.0


class Result(_Client):
    """How an action went."""

    type: Literal["result"] = "result"
    turn: ShortText
    action: Count
    ok: bool
    text: ShortText = ""


class Point(BaseModel):
    """A moment of a game that has no names for its saves. `count` grows with each save and lies in the saved game."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: Seconds
    character: Name | None = None
    count: Count | None = None


class Save(_Client):
    """The game was saved under this name; with null, at `point`."""

    type: Literal["save"] = "save"
    save: Name | None
    point: Point | None = None


class Load(_Client):
    """The game was loaded; null begins a new game, or with `point` goes back there.

    A point without `character` is no save, but the last moment that is not after its time.
    """

    type: Literal["load"] = "load"
    save: Name | None
    point: Point | None = None


class Recall(_Client):
    """What would this NPC remember?"""

    type: Literal["recall"] = "recall"
    npc: NpcId
    query: LongText = ""
    k: Annotated[int, Field(ge=1, le=50)] = 5


class State(_Client):
    """How does this NPC stand?"""

    type: Literal["state"] = "state"
    npc: NpcId


class Ping(_Client):
    """Are you there?"""

    type: Literal["ping"] = "ping"


ClientMessage = Annotated[
    Hello | Scene | Npc | Event | Say | Cue | Warm | Stop | Played | Result | Save | Load | Recall | State | Ping,
    Field(discriminator="type"),
]
CLIENT_MESSAGE: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
