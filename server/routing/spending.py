"""The purse: what paid routes cost today, and whether there is anything left of it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from server.backends.base import Backend, Finish, Request, Usage
from server.config import SpendSettings
from server.memory.spend import PaidCall, Spent
from server.routing.counting import HostedCounting
from server.text.segments import Prompt

_log = structlog.get_logger(__name__)

REMEMBERED_TURNS = 1_024
DEAREST_CALL_USD = 1_000.0
"""More than any call costs: a provider that says more is mistaken, and would close the purse for everyone."""


class Price(Protocol):
    """What the tokens of a model cost."""

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars."""


class Books(Protocol):
    """Who keeps each call."""

    def add(self, call: PaidCall) -> None:
        """Keep a call; returns at once."""


class NoBooks:
    """Keeps nothing."""

    def add(self, call: PaidCall) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Today:
    """What was spent on a day, local time. `cost_usd` is what is known; `unpriced` calls are not in it."""

    day: str
    calls: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0

    def plus(self, call: PaidCall) -> Today:
        """The same day after one more call."""
        return Today(
            self.day,
            self.calls + 1,
            self.tokens + call.prompt_tokens + call.reply_tokens,
            self.cost_usd + (call.cost_usd or 0.0),
            self.unpriced + (call.cost_usd is None),
        )


@dataclass(frozen=True, slots=True)
class MoneyNotice:
    """Something about money that people should know."""

    code: str
    message: str
    hint: str


class Purse:
    """Says whether a paid route may be asked, and counts what each call cost.

    Everything is answered from sums in memory; `books` are written behind the reply's path. What is under way when a
    limit is reached is finished, so that a day may end a few calls above it.
    """

    def __init__(
        self,
        limits: SpendSettings,
        counting: HostedCounting,
        *,
        books: Books | None = None,
        spent: Spent | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`spent` is what earlier runs spent today; `wall` is Unix seconds. `counting` learns from each report."""
        self._limits = limits
        self.counting = counting
        self._books = books or NoBooks()
        self._wall = wall
        self._days: dict[str, Today] = {}
        self._turns: OrderedDict[str, float | None] = OrderedDict()
        self._unpriced: dict[str, str] = {}
        self._usd_per_token: dict[str, float] = {}
        if spent is not None:
            tokens = spent.prompt_tokens + spent.reply_tokens
            self._days[spent.key] = Today(spent.key, spent.calls, tokens, spent.cost_usd, spent.unpriced)

    def may_ask(self, backend: Backend) -> bool:
        """False for a paid route on a day whose limit is reached."""
        return not (backend.paid and self.limit_reached)

    def note(
        self, backend: Backend, request: Request, said: str, finish: Finish | None, *, dropped: bool = False
    ) -> None:
        """A request is over: count what it cost, and learn from the provider's count of its prompt.

        A call without a report costs its prompt and what it said as counted here, if it said anything or was dropped;
        one that failed before it spoke is taken to be free.
        """
        usage = finish.usage if finish is not None else Usage()
        if backend.hosted:
            self.counting.learn(backend, request.prompt, usage.prompt)
        if not (backend.paid or usage.cost_usd) or not (said or finish or dropped):
            return
        call = self._call(backend, request, said, finish)
        self._books.add(call)
        self._count(call)

    def wants_count(self, backend: Backend) -> bool:
        """True for a hosted route whose provider has reported nothing yet."""
        return backend.hosted and not self.counting.knows(backend)

    def counted(self, backend: Backend, prompt: Prompt, prompt_tokens: int) -> None:
        """Learn from the provider's count of a prompt."""
        self.counting.learn(backend, prompt, prompt_tokens)

    def cost_of(self, turn: str) -> float | None:
        """US dollars of all calls of a turn; None where nothing was paid for, or a price is not known."""
        return self._turns.get(turn)

    @property
    def today(self) -> Today:
        """What was spent today; a new day begins at midnight, local time."""
        day = day_of(self._wall())
        return self._days.get(day) or Today(day)

    @property
    def limit_reached(self) -> bool:
        """Whether paid routes are off until midnight."""
        return self._is_over(self.today)

    def notices(self) -> list[MoneyNotice]:
        """What holds at the moment: that the day's limit is reached, and which routes were paid without a price."""
        found = [_no_price(route, model) for route, model in self._unpriced.items()]
        return [self._limit_notice(), *found] if self.limit_reached else found

    def _call(self, backend: Backend, request: Request, said: str, finish: Finish | None) -> PaidCall:
        usage = finish.usage if finish is not None else Usage()
        model = (finish.model if finish is not None else "") or backend.state().model
        prompt, reply = usage.prompt, usage.reply
        if estimated := not prompt:
            prompt, reply = self.counting.estimate(backend, request.prompt, said)
        cost = usage.cost_usd if usage.cost_usd is not None else self._reckoned(backend, prompt, reply)
        now_s = self._wall()
        return PaidCall(
            wall_s=now_s,
            day=day_of(now_s),
            turn=request.turn,
            npc=request.npc,
            route=backend.name,
            model=model,
            prompt_tokens=prompt,
            cached_tokens=usage.cached,
            reply_tokens=reply,
            cost_usd=None if cost is None else min(cost, DEAREST_CALL_USD),
            estimated=estimated,
        )

    def _reckoned(self, backend: Backend, prompt: int, reply: int) -> float | None:
        """US dollars by the provider's list of prices, else by what its last call cost; None where neither is known."""
        price: Price | None = getattr(backend, "price", None)  # hosted routes have it, once their list has come
        if price is not None:
            return price.of(prompt, reply)
        usd_per_token = self._usd_per_token.get(backend.name)
        return None if usd_per_token is None else usd_per_token * (prompt + reply)

    def _count(self, call: PaidCall) -> None:
        before = self._days.get(call.day, Today(call.day))
        self._days[call.day] = after = before.plus(call)
        if self._is_over(after) and not self._is_over(before):
            _log.warning("spend_limit_reached", day=call.day, cost_usd=round(after.cost_usd, 4), tokens=after.tokens)
        if not call.estimated:
            self._see_price(call)
        if call.turn:
            self._count_turn(call.turn, call.cost_usd)

    def _see_price(self, call: PaidCall) -> None:
        if call.cost_usd is not None:
            self._usd_per_token[call.route] = call.cost_usd / (call.prompt_tokens + call.reply_tokens)
        elif call.route not in self._unpriced:
            self._unpriced[call.route] = call.model
            _log.warning("price_unknown", route=call.route, model=call.model)

    def _count_turn(self, turn: str, cost_usd: float | None) -> None:
        so_far = self._turns.pop(turn, 0.0)
        self._turns[turn] = None if so_far is None or cost_usd is None else so_far + cost_usd
        if len(self._turns) > REMEMBERED_TURNS:
            self._turns.popitem(last=False)

    def _is_over(self, day: Today) -> bool:
        usd, tokens = self._limits.usd_per_day, self._limits.tokens_per_day
        return (usd is not None and day.cost_usd >= usd) or (tokens is not None and day.tokens >= tokens)

    def _limit_notice(self) -> MoneyNotice:
        usd, tokens = self._limits.usd_per_day, self._limits.tokens_per_day
        in_usd = usd is not None and self.today.cost_usd >= usd
        limit = f"{usd:g} USD" if in_usd else f"{tokens:,} tokens"
        key = "spend.usd_per_day" if in_usd else "spend.tokens_per_day"
        return MoneyNotice(
            "spend_limit",
            f"today's limit of {limit} is reached: paid routes are off until midnight",
            f"raise `{key}` in config.yaml and start again, or wait; `barkeep spend` shows where it went",
        )


def day_of(wall_s: float) -> str:
    """The local date at a Unix time, as `2026-05-01`."""
    return datetime.fromtimestamp(wall_s).date().isoformat()


def _no_price(route: str, model: str) -> MoneyNotice:
    return MoneyNotice(
        "unknown_price",
        f"what {route} costs is not known: its provider tells no price for {model}",
        "only `spend.tokens_per_day` limits it; look at the provider's own page for what was charged",
    )
