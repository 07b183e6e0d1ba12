"""Money in whole turns: what `turn.end` says of it, and what happens when a day's limit is reached."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from pathlib import Path

from server.backends.base import Delta, Finish, Request, TextDelta, Usage
from server.config import SpendSettings
from server.memory.spend import PaidCall
from server.protocol import messages as m
from server.routing.counting import HostedCounting
from server.routing.spending import Purse
from tests.support.routes import Route, authored
from tests.support.stage import Client, house, say


class Paid(Route):
    """Reports a cost with each answer."""

    hosted = True
    paid = True

    def __init__(self, cost_usd: float | None) -> None:
        super().__init__("paid", "Two rooms.")
        self._cost_usd = cost_usd

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        async for delta in super().generate(request):
            if isinstance(delta, TextDelta):
                yield delta
        yield Finish("stop", Usage(1_000, 0, 1_000, 50, self._cost_usd), "served")


class Wall:
    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, 12)

    def __call__(self) -> float:
        return self.now.timestamp()


class Books:
    def __init__(self) -> None:
        self.calls: list[PaidCall] = []

    def add(self, call: PaidCall) -> None:
        self.calls.append(call)


def purse(books: Books | None = None, wall: Wall | None = None, **limits: float | None) -> Purse:
    return Purse(SpendSettings(**limits), HostedCounting(), books=books, wall=wall or Wall())


async def turn(client: Client, number: int) -> m.TurnEnd:
    await client.ask(say(id=f"s{number}"))
    return await client.next(m.TurnEnd)


def money(client: Client) -> list[str]:
    return [notice.code for notice in client.all(m.Notice) if notice.code in ("spend_limit", "unknown_price")]


async def test_a_turn_says_what_it_cost_and_books_hold_it(tmp_path: Path) -> None:
    books = Books()
    async with house(tmp_path, Paid(0.25), authored(), purse=purse(books)) as home:
        end = await turn(await home.enter("hilda"), 1)
    [call] = books.calls
    assert end.cost_usd == 0.25
    assert (call.turn, call.npc, call.route, call.cost_usd) == (end.turn, "hilda", "paid", 0.25)


async def test_a_turn_that_nothing_was_paid_for_has_no_cost(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Two rooms."), authored(), purse=purse()) as home:
        assert (await turn(await home.enter("hilda"), 1)).cost_usd is None


async def test_at_the_limit_other_routes_answer_until_midnight(tmp_path: Path) -> None:
    wall, paid = Wall(), Paid(0.5)
    async with house(tmp_path, paid, authored(), purse=purse(wall=wall, usd_per_day=1.0)) as home:
        client = await home.enter("hilda")
        answered = [(await turn(client, number)).route.name for number in range(4)]
        assert answered == ["paid", "paid", "authored", "authored"]
        assert money(client) == ["spend_limit"]
        state = home.stage.router.states()[0]
        assert (state.state, "midnight" in state.hint) == ("off", True)
        wall.now += timedelta(hours=12)
        assert (await turn(client, 4)).route.name == "paid"
        assert money(client) == ["spend_limit"]
        await turn(client, 5)
        assert money(client) == ["spend_limit", "spend_limit"]


async def test_a_session_that_begins_at_the_limit_is_told_too(tmp_path: Path) -> None:
    async with house(tmp_path, Paid(0.5), authored(), purse=purse(usd_per_day=0.1)) as home:
        for _ in range(2):
            client = await home.enter("hilda")
            await turn(client, 1)
            assert money(client) == ["spend_limit"]


async def test_an_unknown_price_is_told_once(tmp_path: Path) -> None:
    async with house(tmp_path, Paid(None), authored(), purse=purse()) as home:
        client = await home.enter("hilda")
        ends = [await turn(client, number) for number in range(2)]
        assert [end.cost_usd for end in ends] == [None, None]
        assert money(client) == ["unknown_price"]


async def test_an_answer_that_was_cut_is_paid_for(tmp_path: Path) -> None:
    books = Books()
    slow = Route("slow", "Two rooms. ", 3_600.0)
    slow.hosted = slow.paid = True
    async with house(tmp_path, slow, authored(), purse=purse(books)) as home:
        client = await home.enter("hilda")
        await client.ask(say())
        await client.next(m.Line)
        await client.ask(m.Stop(id="x"))
        await client.next(m.TurnEnd)
    [call] = books.calls
    assert call.estimated
    assert call.prompt_tokens > 50
    assert call.reply_tokens > 0
