"""`/completion`: llama.cpp's own way of going on with a text ("HTTP server", POST /completion)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from server.backends.base import Drawn, Finish, TextDelta, Usage
from server.gateway.api.bodies import CompletionBody, read_body
from server.gateway.api.chat import completions_of, text_wanted
from server.gateway.api.generations import listed
from server.gateway.api.logprobs import in_places
from server.gateway.api.serving import event, serve
from server.gateway.api.visitors import visitor_of

_STOP_TYPES = {"stop": "eos", "length": "limit"}


async def complete(request: web.Request) -> web.StreamResponse:
    """Go on with a prompt."""
    body = await read_body(request, CompletionBody)
    completions = completions_of(request)
    model = body.model or completions.default_route().id
    deltas = completions.stream(model, text_wanted(body, completions, model), visitor_of(request, body.user))
    return await serve(request, listed(request, body.genkey, deltas), _Completion(model), stream=bool(body.stream))


@dataclass(slots=True)
class _Completion:
    model: str
    _text: str = ""
    _drawn: tuple[Drawn, ...] = ()
    _finish: Finish | None = None

    def begin(self) -> Iterator[bytes]:
        """Nothing."""
        return iter(())

    def take(self, number: int, delta: TextDelta | Finish) -> Iterator[bytes]:
        """Text as it comes; all counts with the last frame."""
        if isinstance(delta, Finish):
            self._finish = delta
            yield event(self._last(""))
        else:
            self._text += delta.text
            self._drawn += delta.drawn
            frame = {"index": number, "content": delta.text, "tokens": list(delta.token_ids), "stop": False}
            yield event({**frame, **_probabilities(delta.drawn)})

    def end(self) -> Iterator[bytes]:
        """Nothing more: the last frame says that it is."""
        return iter(())

    def whole(self) -> dict[str, Any]:
        """The completion."""
        return {**self._last(self._text), **_probabilities(self._drawn)}

    def failure(self, error: dict[str, Any]) -> bytes:
        """An error frame, the stream's last."""
        return event({"error": error})

    def _last(self, text: str) -> dict[str, Any]:
        usage = self._finish.usage if self._finish is not None else Usage()
        return {
            "index": 0,
            "content": text,
            "stop": True,
            "model": self.model,
            "stop_type": _STOP_TYPES[self._finish.reason if self._finish is not None else "stop"],
            "stopping_word": "",
            "truncated": False,
            "tokens_predicted": usage.reply,
            "tokens_evaluated": usage.prompt,
            "tokens_cached": usage.cached,
        }


def _probabilities(drawn: tuple[Drawn, ...]) -> dict[str, Any]:
    return {"completion_probabilities": in_places(drawn)} if drawn else {}
