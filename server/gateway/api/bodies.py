"""Request bodies, read leniently: what is unknown is ignored, what is known is checked, and null is the same as absent.

The fields are OpenAI's ("Create chat completion", "Create completion"), llama.cpp's server's and KoboldCpp's, under all
the names that frontends use for them.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, TypeVar

from aiohttp import web
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from server.errors import ApiError
from server.gateway.tcp import body_in_time

MAX_MESSAGES = 4_096
MAX_REPLIES = 8
MAX_LOGPROBS = 20
MAX_STOPS = 128
MAX_STOP_CHARACTERS = 512
MAX_BIASES = 2_048
MAX_GRAMMAR_CHARACTERS = 32_768
B = TypeVar("B", bound=BaseModel)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
BODY = ConfigDict(extra="ignore", allow_inf_nan=False, hide_input_in_errors=True)
"""Of every body: what is unknown is ignored."""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _named(*names: str) -> Any:
    return Field(None, validation_alias=AliasChoices(*names))


_TEXT_PART = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
}
_CONTENT = {"anyOf": [{"type": "string"}, {"type": "array", "items": _TEXT_PART}, {"type": "null"}]}


def described(*roles: str) -> Any:
    """A message of one of these roles. It is read by hand, so that a mistake in it is named by its place."""
    properties = {"role": {"enum": roles}, "content": _CONTENT, "name": {"type": "string"}}
    return WithJsonSchema({"type": "object", "required": ["role", "content"], "properties": properties})


_PROMPT = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}]}
Message = Annotated[dict[str, Any], described("system", "developer", "user", "assistant", "tool")]
Prompt = Annotated[Any, WithJsonSchema(_PROMPT)]
ModelName = Annotated[
    str | None, WithJsonSchema({"type": ["string", "null"], "examples": ["local", "npc/hilda"], "default": None})
]
Stops = Annotated[list[str] | None, BeforeValidator(_as_list)]


class Body(BaseModel):
    """What all bodies have in common."""

    model_config = BODY

    model: ModelName = None
    stream: bool | None = None
    n: int | None = None
    user: Any = None
    genkey: str | None = None
    transforms: Any = None
    max_tokens: int | None = _named(
        "max_completion_tokens", "max_tokens", "n_predict", "max_length", "max_new_tokens", "max_tokens_to_sample"
    )
    stop: Stops = _named("stop", "stop_sequence", "stop_sequences", "stopping_strings")
    seed: int | None = _named("seed", "sampler_seed")
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = _named("typical_p", "typical")
    top_n_sigma: float | None = _named("top_n_sigma", "nsigma")
    repeat_penalty: float | None = _named("repeat_penalty", "repetition_penalty", "rep_pen")
    repeat_last_n: int | None = _named("repeat_last_n", "rep_pen_range", "repetition_penalty_range")
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    xtc_probability: float | None = None
    xtc_threshold: float | None = None
    dynatemp_range: float | None = None
    dynatemp_exponent: float | None = None
    dry_multiplier: float | None = None
    dry_base: float | None = None
    dry_allowed_length: int | None = None
    mirostat: int | None = _named("mirostat", "mirostat_mode")
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    logit_bias: Any = None
    ignore_end: bool | None = _named("ignore_eos", "ban_eos_token")
    grammar: str | None = Field(
        None, validation_alias=AliasChoices("grammar", "grammar_string"), max_length=MAX_GRAMMAR_CHARACTERS
    )
    json_schema: Any = None
    logprobs: Any = None
    top_logprobs: int | None = None
    n_probs: int | None = None


class StreamOptions(BaseModel):
    """What a stream tells besides its text."""

    include_usage: bool | None = None


class ChatBody(Body):
    """`/v1/chat/completions`. Messages, tools and formats are read by `server.gateway.api.messages`."""

    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream_options: StreamOptions | None = None
    tools: list[dict[str, Any]] | None = Field(None, max_length=128)
    tool_choice: Any = None
    response_format: dict[str, Any] | None = None
    continue_final_message: bool | None = None
    add_generation_prompt: bool | None = None


class CompletionBody(Body):
    """`/v1/completions`, llama.cpp's `/completion` and KoboldCpp's `/api/v1/generate`."""

    prompt: Prompt
    stream_options: StreamOptions | None = None
    echo: bool | None = None


async def read_body(request: web.Request, kind: type[B]) -> B:
    """The body of a request.

    Raises:
        ApiError: it is no JSON object, or a field of it cannot be used.
    """
    return checked(await read_json(request), kind)


async def read_json(request: web.Request) -> Any:
    """The JSON of a request; an empty body is an empty object.

    Raises:
        ApiError: it is no JSON.
    """
    try:
        async with body_in_time():
            text = await request.text()
        body = json.loads(text, parse_constant=_no_number) if text.strip() else {}
        return _whole(body) if _HALF.search(text) else body
    except (ValueError, LookupError, RecursionError) as error:  # LookupError: a charset that nobody knows
        raise ApiError("The body is no JSON that can be read.", "Send one JSON object.") from error


def checked(body: Any, kind: type[B]) -> B:
    """`body` as `kind`.

    Raises:
        ApiError: it does not fit; the message names the field.
    """
    if not isinstance(body, dict):
        raise ApiError("The body is no JSON object.", "Send one, with the fields by their names.")
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(step) for step in first["loc"])[:120]
        raise ApiError(f"{place or 'The body'}: {first['msg']}.", param=place or None) from error


def _whole(value: Any) -> Any:
    """`value` with halves of surrogate pairs, which no text can hold, replaced by U+FFFD."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_whole(each) for each in value]
        case dict():
            return {_whole(key): _whole(each) for key, each in value.items()}
    return value


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
