"""What routing asks of whoever keeps the purse."""

from __future__ import annotations

from typing import Protocol

from server.backends.base import Backend, Finish, Request
from server.text.segments import Prompt


class Spending(Protocol):
    """The purse: says whether a route may be asked, and is told of every request that was sent.

    Both are called on the reply's path: they answer from memory and at once.
    """

    def may_ask(self, backend: Backend) -> bool:
        """False where this route is paid and a limit is reached; called before every request and every hedge."""

    def note(
        self, backend: Backend, request: Request, said: str, finish: Finish | None, *, dropped: bool = False
    ) -> None:
        """A request to this route is over.

        Called once for each that was sent, however it went: answered, failed, cut, or the loser of a hedge. `said` is
        the text that had come; `finish` has usage and model, and is None where the stream did not reach its end.
        `dropped`: it was given up here while the provider was at work, which reads the prompt and charges for it all
        the same.
        """

    def wants_count(self, backend: Backend) -> bool:
        """True where nothing is known yet of how this route's model counts tokens."""

    def counted(self, backend: Backend, prompt: Prompt, prompt_tokens: int) -> None:
        """The provider counted a prompt, at no cost."""


class Unlimited:
    """No limits, no books."""

    def may_ask(self, backend: Backend) -> bool:
        """Always."""
        return True

    def note(
        self, backend: Backend, request: Request, said: str, finish: Finish | None, *, dropped: bool = False
    ) -> None:
        """Nothing."""

    def wants_count(self, backend: Backend) -> bool:
        """Never."""
        return False

    def counted(self, backend: Backend, prompt: Prompt, prompt_tokens: int) -> None:
        """Nothing."""
