"""How likely the tokens of a reply were, as OpenAI's two dialects and llama.cpp's write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from server.backends.base import Drawn, Likely


def in_chat(drawn: Sequence[Drawn]) -> dict[str, Any] | None:
    """Of a chat completion; None where nothing is known."""
    return {"content": in_places(drawn), "refusal": None} if drawn else None


def in_places(drawn: Sequence[Drawn]) -> list[dict[str, Any]]:
    """One entry for each token, the likeliest in it."""
    return [{**_entry(each), "top_logprobs": [_entry(other) for other in each.likeliest]} for each in drawn]


def in_text(drawn: Sequence[Drawn], offset: int) -> dict[str, Any] | None:
    """Of a completion, in columns. `offset` is where the first token begins in the reply, in characters."""
    if not drawn:
        return None
    tokens = [_text(each) for each in drawn]
    offsets = [offset + sum(map(len, tokens[:at])) for at in range(len(tokens))]
    return {
        "tokens": tokens,
        "token_logprobs": [each.logprob for each in drawn],
        "top_logprobs": [{_text(other): other.logprob for other in each.likeliest} for each in drawn],
        "text_offset": offsets,
    }


def _entry(token: Likely) -> dict[str, Any]:
    return {"token": _text(token), "logprob": token.logprob, "bytes": list(token.spelt)}


def _text(token: Likely) -> str:
    return token.spelt.decode("utf-8", "replace")
