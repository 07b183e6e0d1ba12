"""What every backend is: something that can be asked, and streams deltas back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from server.config import TALK_TEMPERATURE
from server.personas.persona import Persona
from server.text.segments import Prompt

RouteCondition = Literal["ready", "loading", "down", "off"]
Purpose = Literal["dialogue", "action", "summary", "ambient"]
"""What an answer is for; routes may be chosen by it."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; the defaults are those of talk. `seed` None draws a fresh one for each request.

    `temperature` None is the route's own, or TALK_TEMPERATURE where it has none. `dry_multiplier` (0 is off) weighs
    down the continuation of a run of tokens that the reply has had already. `logit_bias` holds (token id, what is added
    to its logit); the ids are those of the route's own vocabulary. `repeat_last_n` is how many of the reply's last
    tokens the three penalties look at. Where `mirostat` is 1 or 2 it takes the place of all that cuts the vocabulary.
    What a hosted route does not know it leaves out.
    """

    temperature: float | None = None
    min_p: float = 0.1
    top_p: float = 1.0
    top_k: int = 0
    repeat_penalty: float = 1.05
    dry_multiplier: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    seed: int | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repeat_last_n: int = 64
    typical_p: float = 1.0
    top_n_sigma: float = 0.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1

    def temperature_or(self, own: float = TALK_TEMPERATURE) -> float:
        """The temperature that was asked for, or a route's own."""
        return own if self.temperature is None else self.temperature


PRECISE = Sampling(temperature=0.3, min_p=0.15, repeat_penalty=1.05)
"""For actions, choices, facts and summaries: what the model card of LFM2 recommends."""


@dataclass(frozen=True, slots=True)
class Request:
    """One reply asked of a backend.

    `prompt` is for models. `persona`, `heard` (what is being answered, without a label; empty for a cue), `opening`
    (the first turn of a conversation), `in_company` (other NPCs are present) and `recent` (this NPC's own last lines,
    newest last) are for authored lines.
    `grammar` (GBNF, its root `root`) binds the reply, or `schema` (a JSON Schema as JSON text), where the route can do
    that. `logprobs` is how many of the likeliest tokens to tell at each place of the reply, with how likely they were;
    None for nothing of this.
    `sticky` is the same for all requests that share a prefix (one NPC of one world): caches are found again by it.
    `turn` is the turn that this is asked for, empty for anything else: costs are counted by it.
    """

    npc: str
    prompt: Prompt
    persona: Persona
    max_tokens: int
    heard: str = ""
    opening: bool = False
    in_company: bool = False
    recent: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    priority: int = 10
    grammar: str = ""
    schema: str = ""
    logprobs: int | None = None
    purpose: Purpose = "dialogue"
    sticky: str = ""
    turn: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one request; unknown counts are 0.

    `cached` tokens were in the backend's cache, `evaluated` is the rest of the prompt.
    """

    prompt: int = 0
    cached: int = 0
    evaluated: int = 0
    reply: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Likely:
    """A token, as the bytes that it spells, and the natural logarithm of how likely it was."""

    spelt: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class Drawn(Likely):
    """A token that was drawn, and the likeliest at its place, the first of them first."""

    likeliest: tuple[Likely, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the reply, raw: filters come later. `token_ids` are its exact ids where the backend knows them.

    `drawn` tells of each of its tokens, where the request asks for that.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    drawn: tuple[Drawn, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """The prompt is being read: `done` of `total` tokens. Not useful text: no deadline is met by it."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long the first token takes from now on, all waiting included; comes before any text, if at all.

    `new_tokens` of the prompt are to be evaluated for it.
    """

    first_token_ms: float
    new_tokens: int


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model wants called. `arguments` hold plain JSON values by name."""

    name: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Finish:
    """The last delta of every stream that did not raise.

    `fingerprint` names the vocabulary of the `token_ids` sent. `tool_calls` are no part of the text.
    """

    reason: Literal["stop", "length"]
    usage: Usage
    model: str
    fingerprint: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


Delta = TextDelta | Progress | Forecast | Finish


@dataclass(frozen=True, slots=True)
class RouteState:
    """What a route can do right now, in words that a player can act on.

    `degraded`: it is no full model, and the turns that it answers are marked so.
    """

    name: str
    kind: str
    state: RouteCondition
    hint: str = ""
    model: str = ""
    degraded: bool = False


class Backend(Protocol):
    """Someone who can answer. All calls are made on the event loop and never block it."""

    @property
    def name(self) -> str:
        """The route's name in config.yaml."""

    @property
    def kind(self) -> str:
        """The `kind` of its entry in config.yaml: `llama`, `openai`, `anthropic`, `authored` or `scripted`."""

    @property
    def hosted(self) -> bool:
        """True where the prompt leaves this machine's engine, so that the hosted budget applies."""

    @property
    def paid(self) -> bool:
        """True where a reply may cost money: such routes count against the daily limits."""

    @property
    def generating(self) -> bool:
        """False for authored lines: they are the floor under the others, and their turns are degraded."""

    async def start(self) -> None:
        """Begin whatever takes time (load a model, connect); returns at once."""

    async def close(self) -> None:
        """End every request and process. Idempotent."""

    def state(self) -> RouteState:
        """What the route can do now."""

    async def probe(self) -> None:
        """Ask whether the route would answer, at no cost; used while it is thought to be down.

        Raises:
            RouteError: it would not.
        """

    def tokens_within(self, ms: float) -> int | None:
        """The most new prompt tokens after which the first token still comes within `ms`; None where not known."""

    def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Stream a reply. Closing the generator cancels it.

        Raises:
            RouteError: in any of its forms, before or after the first delta.
        """

    def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        """Read the prompt without replying, as far as the backend has a use for that; may yield nothing.

        Raises:
            RouteError: the route is not there.
        """
