"""What a job does with the logits it is given: speak, or choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from server.backends.llama.chances import Chances, chances
from server.backends.llama.jobs import Job
from server.backends.llama.model import Model
from server.backends.llama.reply import Piece, ReplyText
from server.backends.llama.sampling import Logits, Sampler

Say = Callable[..., None]
"""Sends a frame of the job: its `op`, then its fields."""


class Voice(Protocol):
    """Draws tokens, until `reason` says why it ended."""

    @property
    def reason(self) -> str:
        """Empty while it goes on; then `stop` or `length`."""

    @property
    def drawn(self) -> int:
        """Tokens drawn so far."""

    def draw(self, logits: Logits) -> Sequence[int]:
        """Take the logits after all tokens so far; returns the tokens to evaluate next, none when it ended."""

    def outcome(self) -> dict[str, Any]:
        """What the last frame of the job tells besides counts."""

    def close(self) -> None:
        """Free what is native; a second call does nothing."""


class Speech:
    """A reply, said as it is drawn. Tool calls, which stand between two control tokens, are sent apart from it."""

    def __init__(self, model: Model, job: Job, say: Say) -> None:
        self._model = model
        self._say = say
        self._most = min(job.max_tokens, model.context - len(job.tokens))
        self._sampler = Sampler(model, job.sampling, job.grammar)
        self._text = ReplyText(job.stop)
        self._call_start = model.control_token("tool_call_start")
        self._call_end = model.control_token("tool_call_end")
        self._call: list[int] = []
        self._logprobs = job.logprobs
        self._chances: list[Chances] = []
        self.drawn = 0
        self.reason = "" if self._most > 0 else "length"

    def draw(self, logits: Logits) -> Sequence[int]:
        """Draw one token, and say what it makes certain."""
        token = self._sampler.draw(logits)
        if token == self._call_start or self._call:
            self._take_call(token)
        elif self._model.ends_reply(token):
            self.reason = "stop"
        else:
            if self._logprobs is not None:
                self._chances.append(chances(self._sampler.values(logits), token, self._logprobs))
            self._send(self._text.feed(token, self._model.piece(token)))
            self.reason = "stop" if self._text.stopped else ""
        if self.reason != "stop" or self._text.stopped:
            self.drawn += 1
        if not self.reason and self.drawn >= self._most:
            self.reason = "length"
        if self.reason:
            self._send(self._text.finish())
            return ()
        return (token,)

    def outcome(self) -> dict[str, Any]:
        """Nothing more: all was said."""
        return {}

    def close(self) -> None:
        """Free the sampler."""
        self._sampler.close()

    def _take_call(self, token: int) -> None:
        """Take a token of a tool call; one that ends the reply ends the call unsaid."""
        if not self._call:
            self._send(self._text.finish())
        self._call.append(token)
        if token == self._call_end:
            text = b"".join(map(self._model.piece, self._call)).decode("utf-8", "replace")
            self._say("tool", text=text, tokens=self._call)
            self._call = []
        elif token != self._call_start and self._model.ends_reply(token):
            self.reason = "stop"

    def _send(self, piece: Piece | None) -> None:
        if piece is None:
            return
        told = self._chances[: len(piece.tokens)]
        del self._chances[: len(piece.tokens)]
        self._say("text", text=piece.text, tokens=list(piece.tokens), **({"chances": told} if told else {}))


class Choice:
    """One of the given strings, always. Tokens are drawn only where those still possible differ."""

    def __init__(self, model: Model, job: Job) -> None:
        self._model = model
        self._choices = job.choices
        self._tokens = [model.tokenize(choice) for choice in job.choices]
        self._sampler = Sampler(model, job.sampling)
        self._possible = list(range(len(job.choices)))
        self._depth = 0
        self.drawn = 0
        self.reason = ""
        self._narrow()

    def draw(self, logits: Logits) -> Sequence[int]:
        """Draw one token, unless all that is possible goes on alike; returns it and what must follow it."""
        agreed = self._agreed()
        if not agreed:
            # A choice that ends where another goes on is drawn as the end of the reply.
            ways = {self._token_at(index) for index in self._possible}
            token = self._sampler.draw_among(sorted(ways), logits)
            self.drawn += 1
            self._possible = [index for index in self._possible if self._token_at(index) == token]
            self._depth += 1
            self._narrow()
            agreed = [token, *self._agreed()]
        return () if self.reason else agreed

    def outcome(self) -> dict[str, Any]:
        """The index and the text of what was chosen."""
        index = self._possible[0]
        return {"choice": index, "text": self._choices[index]}

    def close(self) -> None:
        """Free the sampler."""
        self._sampler.close()

    def _agreed(self) -> list[int]:
        """The tokens on which all that is possible agrees from here; `_depth` moves behind them."""
        agreed: list[int] = []
        while not self.reason and len(ways := {self._token_at(index) for index in self._possible}) == 1:
            agreed += ways
            self._depth += 1
        return agreed

    def _token_at(self, index: int) -> int:
        tokens = self._tokens[index]
        return tokens[self._depth] if self._depth < len(tokens) else self._model.eos

    def _narrow(self) -> None:
        """End where one choice is left, or several that are the same."""
        if len({tuple(self._tokens[index]) for index in self._possible}) == 1:
            self.reason = "stop"
