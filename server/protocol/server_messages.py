"""What the server says. `seq` counts from 1 within a session; `re` is the id of the client message it answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from server.protocol.fields import MAX_SAY_CHARACTERS, MAX_SAY_TOKENS, PROTOCOL_VERSION, Count


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
    """One block of the prompt: tokens kept, and tokens dropped for want of room.

    `why` they were: the block's own `share` was full, what a `turn` may add was, the whole `prompt` was, or no more can
    be read in the `time` before the deadline.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    tokens: int
    dropped: int = 0
    why: Literal["", "share", "turn", "prompt", "time"] = ""


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
    """How the NPC stands to someone; each value from -1 to 1.

    `calls` is what the NPC calls the other one, `called` what that one calls the NPC; empty where their names do.
    """

    model_config = ConfigDict(frozen=True)

    to: str
    note: str = ""
    trust: float = 0.0
    warmth: float = 0.0
    respect: float = 0.0
    fear: float = 0.0
    calls: str = ""
    called: str = ""


class StateReport(_Server):
    """How the NPC stands. `diary`: its newest entries, newest first; empty where diaries are off."""

    type: Literal["state"] = "state"
    npc: str
    mood: Mood
    relations: list[Relation]
    summary: str
    diary: list[str] = []


class Pong(_Server):
    """Yes."""

    type: Literal["pong"] = "pong"


class Notice(_Server):
    """Something a player or a modder should know; nothing to answer. `saves`: those that `load` may have meant."""

    type: Literal["notice"] = "notice"
    code: str
    message: str
    hint: str = ""
    saves: list[str] | None = None


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
