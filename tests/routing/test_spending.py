from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from server.backends.base import Finish, Usage
from server.config import SpendSettings
from server.errors import RouteUnavailable, StoreError
from server.memory.spend import PaidCall, Spent
from server.memory.store import Memory
from server.routing.counting import HostedCounting
from server.routing.ledger import Ledger
from server.routing.router import Router
from server.routing.spending import REMEMBERED_TURNS, Purse, day_of
from tests.support.routes import Route, authored, limits, request, text_of
from tests.support.virtual_time import now_s, virtual_time

NOON = datetime(2026, 5, 1, 12)  # days are those of the machine's own clock
DAY = "2026-05-01"


class Paid(Route):
    hosted = True
    paid = True


@dataclass
class Price:
    prompt_usd: float
    reply_usd: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        return prompt_tokens * self.prompt_usd + completion_tokens * self.reply_usd


@dataclass
class Books:
    calls: list[PaidCall] = field(default_factory=list)

    def add(self, call: PaidCall) -> None:
        self.calls.append(call)


@dataclass
class Wall:
    now: datetime = NOON

    def __call__(self) -> float:
        return self.now.timestamp()


def purse(
    usd: float | None = 1.0,
    tokens: int | None = None,
    *,
    books: Books | None = None,
    spent: Spent | None = None,
    wall: Wall | None = None,
) -> Purse:
    limits = SpendSettings(usd_per_day=usd, tokens_per_day=tokens)
    return Purse(limits, HostedCounting(), books=books, spent=spent, wall=wall or Wall())


def finish(cost_usd: float | None = 0.25, prompt: int = 1_000, reply: int = 50) -> Finish:
    return Finish("stop", Usage(prompt, 600, prompt - 600, reply, cost_usd), "served")


def test_the_provider_s_own_figure_is_the_cost() -> None:
    books = Books()
    kept = purse(books=books)
    kept.note(Paid("paid"), request(turn="t1"), "Well met.", finish(0.25))
    [call] = books.calls
    assert (call.day, call.turn, call.npc, call.route, call.model) == (DAY, "t1", "hilda", "paid", "served")
    assert (call.prompt_tokens, call.cached_tokens, call.reply_tokens) == (1_000, 600, 50)
    assert (call.cost_usd, call.estimated) == (0.25, False)
    assert kept.cost_of("t1") == 0.25
    assert (kept.today.cost_usd, kept.today.tokens, kept.today.calls) == (0.25, 1_050, 1)


def test_else_the_list_s_price_times_tokens() -> None:
    route = Paid("paid")
    route.price = Price(0.001, 0.01)  # type: ignore[attr-defined]  # hosted backends have it
    kept = purse()
    kept.note(route, request(turn="t1"), "Well met.", finish(None))
    assert kept.cost_of("t1") == pytest.approx(1_000 * 0.001 + 50 * 0.01)


def test_without_any_price_tokens_alone_count_and_one_notice_says_so() -> None:
    kept = purse(usd=0.01, tokens=2_000)
    route = Paid("paid")
    kept.note(route, request(turn="t1"), "Well met.", finish(None))
    assert kept.cost_of("t1") is None
    assert kept.may_ask(route)
    assert [notice.code for notice in kept.notices()] == ["unknown_price"]
    kept.note(route, request(turn="t2"), "Well met.", finish(None))
    assert not kept.may_ask(route)
    assert [notice.code for notice in kept.notices()] == ["spend_limit", "unknown_price"]
    assert "2,000 tokens" in kept.notices()[0].message


def test_a_turn_costs_all_its_calls_the_loser_of_a_hedge_too() -> None:
    kept = purse()
    kept.note(Paid("loser"), request(turn="t1"), "We", finish(0.25))
    kept.note(Paid("winner"), request(turn="t1"), "Well met.", finish(0.5))
    assert kept.cost_of("t1") == 0.75
    kept.note(Paid("third"), request(turn="t1"), "Well met.", finish(None))
    assert kept.cost_of("t1") is None


def test_a_call_that_was_cut_counts_what_was_read_and_said() -> None:
    books = Books()
    purse(books=books).note(Paid("paid"), request("x" * 3_000), "y" * 300, None)
    [call] = books.calls
    assert call.estimated
    assert 1_000 <= call.prompt_tokens <= 1_050
    assert (call.reply_tokens, call.cost_usd, call.model) == (100, None, "model")


def test_a_call_that_was_cut_costs_what_the_last_whole_one_did_per_token() -> None:
    books = Books()
    kept = purse(books=books)
    kept.note(Paid("paid"), request(), "Well met.", finish(0.21, prompt=1_000, reply=50))
    kept.note(Paid("paid"), request("x" * 3_000), "y" * 300, None)
    assert books.calls[1].cost_usd == pytest.approx(0.0002 * (books.calls[1].prompt_tokens + 100))
    assert kept.notices() == []


def test_a_call_that_was_dropped_before_it_spoke_costs_its_prompt() -> None:
    books = Books()
    purse(books=books).note(Paid("paid"), request("x" * 3_000), "", None, dropped=True)
    [call] = books.calls
    assert call.estimated
    assert call.prompt_tokens >= 1_000
    assert call.reply_tokens == 0


@virtual_time
async def test_the_loser_of_a_hedge_and_a_late_route_are_counted_and_a_refused_call_is_not() -> None:
    books = Books()
    routes = [
        Paid("slow", 1_000.0),
        Paid("refused", RouteUnavailable("nobody there")),
        Paid("quick", 0.1, "Two rooms."),
    ]
    router = Router(routes, spending=purse(books=books), clock=now_s)
    answer = router.answer(lambda backend: request(turn="t1"), limits())
    assert await text_of(answer) == "Two rooms."
    assert {call.route for call in books.calls} == {"slow", "quick"}
    books.calls.clear()
    router = Router([routes[0], authored()], spending=purse(books=books), clock=now_s)
    await text_of(router.answer(lambda backend: request(turn="t2"), limits(received_s=now_s())))
    assert [call.route for call in books.calls] == ["slow"]
    await router.close()


def test_a_call_that_never_spoke_and_reported_nothing_is_free() -> None:
    books = Books()
    purse(books=books).note(Paid("paid"), request(), "", None)
    assert books.calls == []


def test_routes_of_this_machine_are_no_matter_of_money() -> None:
    books = Books()
    kept = purse(usd=0.0, books=books)
    kept.note(Route("local"), request(turn="t1"), "Well met.", finish(None))
    assert books.calls == []
    assert kept.may_ask(Route("local"))
    assert not kept.may_ask(Paid("paid"))
    assert kept.cost_of("t1") is None


def test_a_limit_holds_until_midnight() -> None:
    wall = Wall()
    kept, route = purse(wall=wall), Paid("paid")
    kept.note(route, request(), "Well met.", finish(0.75))
    assert kept.may_ask(route)
    kept.note(route, request(), "Well met.", finish(0.25))
    assert not kept.may_ask(route)
    wall.now = NOON.replace(hour=23, minute=59)
    assert not kept.may_ask(route)
    wall.now += timedelta(minutes=1)
    assert kept.may_ask(route)
    assert kept.notices() == []
    assert kept.today.day == "2026-05-02"


def test_a_clock_that_is_set_back_does_not_refill_the_purse() -> None:
    wall = Wall()
    kept, route = purse(wall=wall), Paid("paid")
    kept.note(route, request(), "Well met.", finish(1.0))
    for days in (1, -1):
        wall.now += timedelta(days=days)
    assert not kept.may_ask(route)


def test_null_is_without_a_limit() -> None:
    kept, route = purse(usd=None), Paid("paid")
    kept.note(route, request(), "Well met.", finish(500.0))
    assert kept.may_ask(route)


def test_what_earlier_runs_spent_today_counts() -> None:
    spent = Spent(DAY, calls=2, prompt_tokens=10, reply_tokens=5, cost_usd=1.0)
    assert not purse(spent=spent).may_ask(Paid("paid"))
    assert purse(spent=replace(spent, key="2026-04-30")).may_ask(Paid("paid"))


def test_costs_of_long_ended_turns_are_forgotten() -> None:
    kept = purse()
    for number in range(REMEMBERED_TURNS + 1):
        kept.note(Paid("paid"), request(turn=f"t{number}"), "Well met.", finish(0.0))
    assert kept.cost_of("t0") is None
    assert kept.cost_of(f"t{REMEMBERED_TURNS}") == 0.0


async def test_a_limit_outlives_a_restart(tmp_path: Path) -> None:
    memory = await Memory.open(tmp_path)
    ledger = Ledger(memory)
    counting = HostedCounting(keep=ledger.learn)
    first = Purse(SpendSettings(), counting, books=ledger, wall=Wall())
    first.note(Paid("paid"), request("x" * 3_000), "Well met.", finish(2.0))
    await ledger.close()
    again = purse(spent=await memory.spent_on(day_of(NOON.timestamp())))
    assert not again.may_ask(Paid("paid"))
    assert [known.model for known in await memory.ratios()] == ["model"]
    await memory.close()


async def test_books_that_cannot_be_written_do_not_hurt(tmp_path: Path) -> None:
    memory = await Memory.open(tmp_path)
    await memory.close()
    ledger = Ledger(memory)
    kept = Purse(SpendSettings(), HostedCounting(), books=ledger, wall=Wall())
    with pytest.raises(StoreError):
        await memory.spent_on(DAY)
    kept.note(Paid("paid"), request(), "Well met.", finish(2.0))
    await ledger.close()
    assert not kept.may_ask(Paid("paid"))
