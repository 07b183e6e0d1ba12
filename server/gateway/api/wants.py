"""Bodies as what is wanted: the fields that all dialects share."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from server.backends.base import Sampling
from server.dialogue.completions.wanted import Wanted
from server.errors import ApiError
from server.gateway.api.bodies import MAX_BIASES, MAX_LOGPROBS, MAX_REPLIES, MAX_STOP_CHARACTERS, MAX_STOPS, Body

_RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 10),
    "top_k": (0, 1_000_000),
    "min_p": (0, 1),
    "top_n_sigma": (0, 1_000),
    "repeat_penalty": (0.1, 10),
    "repeat_last_n": (-1, 1_024),
    "frequency_penalty": (-10, 10),
    "presence_penalty": (-10, 10),
    "xtc_probability": (0, 1),
    "xtc_threshold": (0, 1),
    "dynatemp_range": (0, 10),
    "dynatemp_exponent": (0.01, 10),
    "dry_multiplier": (0, 10),
    "dry_base": (1, 10),
    "dry_allowed_length": (1, 1_024),
    "mirostat": (0, 2),
    "mirostat_tau": (0, 100),
    "mirostat_eta": (0, 1),
}
"""What means something to a sampler; frontends send values beyond, which become the nearest one within."""
_BAN = -math.inf
_MAX_ID = 2**31 - 1
_MAX_SEED = 2**63 - 1
_ANY_OBJECT = {"type": "object"}


def wanted_of(body: Body, **more: Any) -> Wanted:
    """What `body` wants; `more` are the fields of `Wanted` that its dialect says in its own way.

    Raises:
        ApiError: a value cannot be used.
    """
    stops = tuple(stop[:MAX_STOP_CHARACTERS] for stop in body.stop or () if stop)[:MAX_STOPS]
    shared: dict[str, Any] = {
        "max_tokens": body.max_tokens if body.max_tokens is not None and body.max_tokens > 0 else None,
        "stop": stops,
        "sampling": sampling_of(body),
        "n": _replies(body),
        "grammar": body.grammar or "",
        "schema": schema_text(body.json_schema, "json_schema"),
        "fit": bool(body.transforms),
        "ignore_end": bool(body.ignore_end),
        "logprobs": _logprobs(body),
    }
    return Wanted(**(shared | more))


def sampling_of(body: Body) -> Sampling:
    """The sampling of talk, under everything that the client set.

    Raises:
        ApiError: the logit bias cannot be read.
    """
    given: dict[str, Any] = {}
    for name, (least, most) in _RANGES.items():
        if (value := getattr(body, name)) is not None:
            given[name] = type(value)(min(max(value, least), most))
    for name in ("top_p", "typical_p"):  # 0 is how some frontends say off
        if (value := getattr(body, name)) is not None:
            given[name] = value if 0 < value < 1 else 1.0
    if body.seed is not None and body.seed >= 0:
        given["seed"] = body.seed & _MAX_SEED
    return Sampling(**given, logit_bias=_biases(body.logit_bias))


def schema_text(schema: Any, param: str) -> str:
    """A JSON Schema as text; empty where there is none.

    Raises:
        ApiError: it is no object.
    """
    if schema is None or schema == "" or schema == {}:
        return ""
    if isinstance(schema, str):
        return schema
    if not isinstance(schema, dict):
        raise ApiError(f"{param}: a JSON schema is an object.", param=param)
    return json.dumps(schema)


def format_schema(form: Mapping[str, Any] | None) -> str:
    """The schema that OpenAI's `response_format` asks for; empty for text.

    Raises:
        ApiError: the format is unknown.
    """
    match form:
        case None | {"type": "text"}:
            return ""
        case {"type": "json_object"}:
            return schema_text(form.get("schema") or _ANY_OBJECT, "response_format")
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return schema_text(schema, "response_format")
    raise ApiError(
        "response_format: only text, json_object and json_schema with a schema are known.", param="response_format"
    )


def _replies(body: Body) -> int:
    count = 1 if body.n is None else body.n
    if not 1 <= count <= MAX_REPLIES:
        raise ApiError(f"n: {count} replies; 1 to {MAX_REPLIES} can be had.", param="n")
    return count


def _logprobs(body: Body) -> int | None:
    """How many of the likeliest tokens to tell; None for no word of probabilities.

    Chat says yes and a number apart, completions one number, and llama.cpp calls that `n_probs`. 0 is how frontends say
    no there.

    Raises:
        ApiError: it is neither.
    """
    asked = body.n_probs if body.logprobs is None else body.logprobs
    if asked is True:
        asked = body.top_logprobs or 0
    elif not asked:
        return None
    if not isinstance(asked, int) or not 0 <= asked <= MAX_LOGPROBS:
        raise ApiError(f"logprobs: true, or a number up to {MAX_LOGPROBS}.", param="logprobs")
    return asked


def _biases(bias: Any) -> tuple[tuple[int, float], ...]:
    """OpenAI's map from id to bias, or llama.cpp's list of pairs, in which false bans a token.

    Raises:
        ApiError: it is neither.
    """
    pairs = bias.items() if isinstance(bias, dict) else bias or ()
    try:
        found = tuple((int(token), _BAN if value is False else float(value)) for token, value in pairs)
    except (TypeError, ValueError, OverflowError) as error:
        raise ApiError("logit_bias: a map from token id to a number is needed.", param="logit_bias") from error
    if len(found) > MAX_BIASES or any(not 0 <= token <= _MAX_ID or math.isnan(value) for token, value in found):
        raise ApiError(f"logit_bias: at most {MAX_BIASES} token ids of the model.", param="logit_bias")
    return found
