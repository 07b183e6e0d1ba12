"""config.yaml as typed settings. Every key, its unit, default and reason is documented in the file that ships."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints


def _blank_is_none(value: object) -> object:
    """A `${NAME}` without a value becomes empty text, and an empty key, token or path is none at all."""
    return None if isinstance(value, str) and not value.strip() else value


def _is_pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"this is no regular expression: {error}") from error
    return value


Pattern = Annotated[str, StringConstraints(min_length=1, max_length=512), AfterValidator(_is_pattern)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
RouteName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")]
# As long as a client's hello can say it.
OptionalToken = Annotated[Annotated[SecretStr, Field(max_length=256)] | None, BeforeValidator(_blank_is_none)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_blank_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_blank_is_none)]


class _Settings(BaseModel):
    # Messages without the input: a token of the wrong type must not reach a log.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class LimitSettings(_Settings):
    """What one client, and all of them, may cost the server."""

    message_bytes: int = Field(262_144, ge=1_024)
    messages_per_second: float = Field(40, gt=0)
    message_burst: int = Field(80, ge=1)
    connections: int = Field(256, ge=1)
    connections_before_hello: int = Field(64, ge=1)
    handshake_s: float = Field(5, gt=0)
    hello_s: float = Field(10, gt=0)
    heartbeat_s: float = Field(25, gt=0)
    send_s: float = Field(10, gt=0)
    outbox_messages: int = Field(1_024, ge=16)
    outbox_bytes: int = Field(1_048_576, ge=65_536)
    linger_s: float = Field(10, ge=0)
    resume_s: float = Field(300, ge=0)


class ServerSettings(_Settings):
    """Where the server listens, and who may come in."""

    host: str = "127.0.0.1"
    port: int = Field(8642, ge=0, le=65_535)
    token: OptionalToken = None
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    limits: LimitSettings = LimitSettings()


class ModSettings(_Settings):
    """Where mods lie, and which of them run."""

    folders: tuple[Path, ...] = (Path("mods"),)
    enabled: tuple[str, ...] = ("tavern",)


class MemorySettings(_Settings):
    """`embeddings` is a folder of static word embeddings that model2vec wrote; None recalls by words alone."""

    embeddings: OptionalPath = None


HOUSE_MODEL = "house"
"""As `model` of a route: the small model that ships with Barkeep, in place of a file on the hub."""
TALK_TEMPERATURE = 0.7
"""Where neither a persona nor a client nor a route has another."""


class LlamaRoute(_Settings):
    """A GGUF in a process of our own. `path` wins over `model` and `file`, which name a file on the hub."""

    kind: Literal["llama"]
    model: str = "LiquidAI/LFM2-2.6B-GGUF"
    file: str = "LFM2-2.6B-Q4_K_M.gguf"
    path: OptionalPath = None
    context: int = Field(16_384, ge=512)
    threads: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    batch: int = Field(512, ge=32, le=4_096)
    sequences: int = Field(64, ge=4, le=256)
    kv_type: Literal["f16", "q8_0"] = "f16"
    flash_attention: Literal["auto", "on", "off"] = "auto"
    ram_cache_mb: int = Field(1_024, ge=0)
    disk_cache_mb: int = Field(4_096, ge=0)
    gpu_layers: int = Field(0, ge=-1)
    temperature: float = Field(TALK_TEMPERATURE, ge=0, le=2)

    @property
    def is_house(self) -> bool:
        """Whether this is the model that ships."""
        return self.path is None and self.model == HOUSE_MODEL


VendorName = Literal[
    "openrouter",
    "modelslab",
    "openai",
    "anthropic",
    "koboldcpp",
    "llama-server",
    "ollama",
    "lm-studio",
    "vllm",
    "text-generation-webui",
    "player2",
]


def key_variable(vendor: str) -> str:
    """The environment variable that holds the key of `vendor`, as every provider names it: OPENROUTER_API_KEY."""
    return f"{vendor.upper().replace('-', '_')}_API_KEY"


class _HostedRoute(_Settings):
    """A model behind HTTP. `vendor` knows address, key variable and quirks; `base_url` wins over its address."""

    vendor: VendorName | None = None
    base_url: Annotated[str | tuple[str, ...], BeforeValidator(lambda value: "" if value is None else value)] = ""
    model: str
    api_key: OptionalSecret = None
    key_in_body: Literal["auto"] | bool = "auto"
    paid: Literal["auto"] | bool = "auto"


class OpenAIRoute(_HostedRoute):
    """Any server that speaks OpenAI's chat completions."""

    kind: Literal["openai"]
    fallback_models: tuple[str, ...] = ()
    provider: dict[str, Any] = {}


class AnthropicRoute(_HostedRoute):
    """Any server that speaks Anthropic's messages."""

    kind: Literal["anthropic"]


class AuthoredRoute(_Settings):
    """The persona's own lines."""

    kind: Literal["authored"]


class ScriptedDelta(_Settings):
    """One thing that the scripted backend does: wait, then say text or fail."""

    after_ms: float = Field(0, ge=0)
    text: str = ""
    error: Literal["", "unavailable", "rejected", "busy", "broken"] = ""


class ScriptedRoute(_Settings):
    """A test double: `script` is played for each request; empty echoes what was said."""

    kind: Literal["scripted"]
    script: tuple[ScriptedDelta, ...] = ()


HostedRoute = OpenAIRoute | AnthropicRoute
RouteSettings = Annotated[
    LlamaRoute | OpenAIRoute | AnthropicRoute | AuthoredRoute | ScriptedRoute, Field(discriminator="kind")
]


def default_routes() -> dict[RouteName, RouteSettings]:
    """The routes of a configuration that names none: a local model, a hosted one, the house's, and authored lines."""
    return {
        "local": LlamaRoute(kind="llama"),
        "openrouter": OpenAIRoute(kind="openai", vendor="openrouter", model="lfm2-24b"),
        "house": LlamaRoute(
            kind="llama",
            model=HOUSE_MODEL,
            file="house.gguf",
            context=4_608,
            threads=1,
            sequences=32,
            ram_cache_mb=64,
            disk_cache_mb=0,
            temperature=0.45,
        ),
        "authored": AuthoredRoute(kind="authored"),
    }


class DialogueSettings(_Settings):
    """Who is asked in which order, and how long each step may take (milliseconds unless named otherwise)."""

    order: tuple[str, ...] = ("local", "openrouter", "house", "authored")
    first_text_ms: int = Field(2_500, ge=50)
    authored_after_ms: int = Field(8_000, ge=50)
    gap_ms: int = Field(4_000, ge=50)
    turn_ms: int = Field(20_000, ge=100)
    conversation_idle_s: float = Field(300, gt=0)
    weekdays: tuple[Annotated[str, Field(min_length=1, max_length=32)], ...] = Field((), max_length=16)


class RoutingSettings(_Settings):
    """Which routes are asked for what, when a second one is asked beside the first, and how long a broken one rests."""

    orders: dict[Literal["dialogue", "action", "summary", "ambient"], tuple[str, ...]] = {}
    hedge_after_ms: int = Field(1_200, ge=10)
    hedge_percent: float = Field(7, ge=0, le=100)
    breaker_failures: int = Field(3, ge=1)
    rest_s: float = Field(10, gt=0)
    rest_at_most_s: float = Field(300, gt=0)


class BlockSettings(_Settings):
    """What one block of the prompt may take; None is as it would be otherwise."""

    share: float | None = Field(None, ge=0, le=1)
    min_tokens: int | None = Field(None, ge=0, le=1_024)
    priority: int | None = Field(None, ge=0, le=100)


BlockName = Literal["persona", "facts", "history", "others", "scene", "events", "memories", "lore"]


class HostedBudget(_Settings):
    """Budgets of hosted routes, where each token costs money; they mean what those of `BudgetSettings` mean."""

    prompt_tokens: int = Field(1_536, ge=1_024)
    new_tokens: int = Field(192, ge=64)
    reply_tokens: int = Field(96, ge=8, le=1_024)


class BudgetSettings(_Settings):
    """Token budgets: `new_tokens` is what part 5 may add in one turn, `recall_tokens` memories and lore within it."""

    prompt_tokens: int = Field(4_096, ge=1_024)
    new_tokens: int = Field(192, ge=64)
    recall_tokens: int = Field(120, ge=0)
    reply_tokens: int = Field(96, ge=8, le=1_024)
    hosted: HostedBudget = HostedBudget()
    blocks: dict[BlockName, BlockSettings] = {}


class SpendSettings(_Settings):
    """What paid routes may cost from midnight to midnight, local time; None is without a limit."""

    usd_per_day: float | None = Field(1.0, ge=0)
    tokens_per_day: int | None = Field(2_000_000, ge=0)


class BackgroundSettings(_Settings):
    """What is worked out while nobody waits: `summaries` by a model where one is ready, or by rules alone."""

    summaries: Literal["model", "rules"] = "model"
    diary: bool = False
    quiet_s: float = Field(20, gt=0)


class ApiSettings(_Settings):
    """The HTTP API. `side_requests` are patterns of last messages that are no part of a conversation with an NPC."""

    fit: bool = False
    reply_tokens: int = Field(1_024, ge=1)
    request_s: float = Field(600, gt=0)
    keep_alive_s: float = Field(5, gt=0)
    side_requests: tuple[Pattern, ...] = ()


class LogSettings(_Settings):
    """`content` true lets what players and NPCs say into the log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    content: bool = False


class Settings(_Settings):
    """Everything config.yaml may say."""

    server: ServerSettings = ServerSettings()
    world: Name = "default"
    player: Name = "player"
    data_dir: Path = Path("data")
    memory: MemorySettings = MemorySettings()
    personas: tuple[Path, ...] = (Path("personas"),)
    mods: ModSettings = ModSettings()
    routes: dict[RouteName, RouteSettings] = Field(default_factory=default_routes)
    dialogue: DialogueSettings = DialogueSettings()
    routing: RoutingSettings = RoutingSettings()
    budget: BudgetSettings = BudgetSettings()
    spend: SpendSettings = SpendSettings()
    background: BackgroundSettings = BackgroundSettings()
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()
