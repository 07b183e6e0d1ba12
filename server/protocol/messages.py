"""Every message of the native protocol, version 1.

Client messages forbid unknown fields, so that a typing mistake is answered instead of ignored. Units: `*_ms` are
milliseconds; `time` is game seconds since the world's own zero; `fraction` and `importance` run from 0 to 1.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

PROTOCOL_VERSION = 1
MAX_SAY_CHARACTERS = 2_000
MAX_SAY_TOKENS = 256

NpcId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
ClientId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
ShortText = Annotated[str, StringConstraints(max_length=256)]
LongText = Annotated[str, StringConstraints(max_length=MAX_SAY_CHARACTERS)]
Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]


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
    """Someone in the scene. `distance` from the player, in the game's own unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    npc: NpcId
    name: Name | None = None
    distance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class ScenePlayer(BaseModel):
    """How the session's player appears in the scene."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    description: ShortText = ""


class Scene(_Client):
    """What is around. `present` replaces the whole list; an absent field stays as it was."""

    type: Literal["scene"] = "scene"
    scene: Name | None = None
    place: ShortText | None = None
    time: Seconds | None = None
    weather: ShortText | None = None
    present: Annotated[list[Present], Field(max_length=64)] | None = None
    player: ScenePlayer | None = None
    note: LongText | None = None


class Npc(_Client):
    """Announces an NPC; `persona` defines it, or patches what is known."""

    type: Literal["npc"] = "npc"
    npc: NpcId
    persona: dict[str, Any] | None = None


class Event(_Client):
    """Something happened. Witnesses default to everyone present."""

    type: Literal["event"] = "event"
    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_SAY_CHARACTERS)]
    kind: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,64}$")] = "event"
    witnesses: Annotated[list[NpcId], Field(max_length=64)] | None = None
    importance: Fraction | None = None


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


class Save(_Client):
    """The game was saved under this name."""

    type: Literal["save"] = "save"
    save: Name


class Load(_Client):
    """The game was loaded; null begins a new game."""

    type: Literal["load"] = "load"
    save: Name | None


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


class _Server(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    seq: Count = 0
    re: str | None = None


class RouteInfo(BaseModel):
    """A route as a client may show it to a player."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: Literal["ready", "loading", "down", "off"]
    hint: str = ""


class Limits(BaseModel):
    """What this server accepts from one client."""

    model_config = ConfigDict(frozen=True)

    message_bytes: int
    messages_per_second: float
    say_characters: int = MAX_SAY_CHARACTERS
    say_tokens: int = MAX_SAY_TOKENS
    resume_s: float


class Welcome(_Server):
    """The session is open. `last_id`: the last client id committed in a session that could not be resumed."""

    type: Literal["welcome"] = "welcome"
    session: str
    protocol: int = PROTOCOL_VERSION
    server: str
    world: str
    player: str
    npcs: list[str]
    routes: list[RouteInfo]
    limits: Limits
    resumed: bool = False
    last_id: str | None = None


class TurnRef(BaseModel):
    """A turn that was begun, and who speaks in it."""

    model_config = ConfigDict(frozen=True)

    turn: str
    npc: str


class Ok(_Server):
    """Done, and committed. For `say` and `cue`: the turns, or why nobody answers."""

    type: Literal["ok"] = "ok"
    turns: list[TurnRef] | None = None
    why: str | None = None


class TurnStart(_Server):
    """A turn leaves the queue."""

    type: Literal["turn.start"] = "turn.start"
    turn: str
    npc: str
    to: str | None = None


class Token(_Server):
    """More of the line, for clients that asked for `stream: tokens`."""

    type: Literal["token"] = "token"
    turn: str
    text: str


class Line(_Server):
    """A line to be spoken. `duration_ms` estimates how long speaking it takes."""

    type: Literal["line"] = "line"
    turn: str
    line: Count
    npc: str
    to: str | None = None
    text: str
    mood: str = ""
    duration_ms: int
    audio: str | None = None


class Action(_Server):
    """The NPC does something; `action` counts from 0 within the turn."""

    type: Literal["action"] = "action"
    turn: str
    npc: str
    action: Count
    name: str
    args: dict[str, Any]


class Attempt(BaseModel):
    """One route that was asked."""

    model_config = ConfigDict(frozen=True)

    route: str
    outcome: str
    ms: int


class RouteReport(BaseModel):
    """Which route answered, and which were asked."""

    model_config = ConfigDict(frozen=True)

    name: str | None = None
    model: str | None = None
    attempts: list[Attempt] = []


class TokenReport(BaseModel):
    """Token counts of the turn; `evaluated` were not in a cache."""

    model_config = ConfigDict(frozen=True)

    prompt: int = 0
    cached: int = 0
    evaluated: int = 0
    reply: int = 0


class BlockReport(BaseModel):
    """One block of the prompt: tokens kept, and tokens dropped for want of room."""

    model_config = ConfigDict(frozen=True)

    name: str
    tokens: int
    dropped: int = 0


class Timing(BaseModel):
    """Where the milliseconds went; null where the turn did not come that far. `total`: from receipt to `turn.end`."""

    model_config = ConfigDict(frozen=True)

    queue: float | None = None
    recall: float | None = None
    prompt: float | None = None
    first_token: float | None = None
    first_line: float | None = None
    total: float | None = None


class TurnEnd(_Server):
    """The turn is over; exactly one for each turn. `text` was generated, `heard` was heard and is remembered."""

    type: Literal["turn.end"] = "turn.end"
    turn: str
    npc: str
    reason: Literal["done", "stopped", "superseded", "failed"]
    text: str
    heard: str
    route: RouteReport
    tokens: TokenReport
    blocks: list[BlockReport]
    ms: Timing
    cost_usd: float | None = None
    degraded: bool = False


class Memory(BaseModel):
    """One remembered event."""

    model_config = ConfigDict(frozen=True)

    text: str
    kind: str
    time: float | None = None
    importance: float
    source: str


class Memories(_Server):
    """What the NPC would remember, best first."""

    type: Literal["memories"] = "memories"
    npc: str
    memories: list[Memory]


class Mood(BaseModel):
    """Valence and arousal from -1 to 1, and a word for both."""

    model_config = ConfigDict(frozen=True)

    label: str = "calm"
    valence: float = 0.0
    arousal: float = 0.0


class Relation(BaseModel):
    """How the NPC stands to someone; each value from -1 to 1."""

    model_config = ConfigDict(frozen=True)

    to: str
    note: str = ""
    trust: float = 0.0
    warmth: float = 0.0
    respect: float = 0.0
    fear: float = 0.0


class StateReport(_Server):
    """How the NPC stands."""

    type: Literal["state"] = "state"
    npc: str
    mood: Mood
    relations: list[Relation]
    summary: str


class Pong(_Server):
    """Yes."""

    type: Literal["pong"] = "pong"


class Notice(_Server):
    """Something a player or a modder should know; nothing to answer."""

    type: Literal["notice"] = "notice"
    code: str
    message: str
    hint: str = ""


class Error(_Server):
    """A message was not done."""

    type: Literal["error"] = "error"
    code: str
    message: str
    hint: str = ""
    retryable: bool = False


ServerMessage = (
    Welcome | Ok | TurnStart | Token | Line | Action | TurnEnd | Memories | StateReport | Pong | Notice | Error
)
SERVER_MESSAGE: TypeAdapter[ServerMessage] = TypeAdapter(Annotated[ServerMessage, Field(discriminator="type")])
