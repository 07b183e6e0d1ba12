"""One request to one named route: what it costs and how it fails counts as in a turn."""

import asyncio
from contextlib import aclosing

import pytest

from server.backends.base import Backend, Finish, Request
from server.config import RoutingSettings
from server.errors import RouteBroken, RouteError, RouteRejected, RouteTimeout, RouteUnavailable
from server.routing.direct import Direct
from server.routing.router import Router
from server.text.segments import Prompt
from tests.support.routes import Route, request
from tests.support.virtual_time import now_s, virtual_time


class Purse:
    def __init__(self) -> None:
        self.noted: list[tuple[str, bool, bool]] = []

    def may_ask(self, backend: Backend) -> bool:
        return True

    def note(
        self, backend: Backend, request: Request, said: str, finish: Finish | None, *, dropped: bool = False
    ) -> None:
        self.noted.append((said, finish is not None, dropped))

    def wants_count(self, backend: Backend) -> bool:
        return False

    def counted(self, backend: Backend, prompt: Prompt, prompt_tokens: int) -> None:
        raise AssertionError("nobody was asked to count")


def direct_to(*routes: Route, purse: Purse) -> Direct:
    found = Router(routes, RoutingSettings(), clock=now_s, spending=purse).direct("hosted")
    assert found is not None
    return found


async def hear(direct: Direct) -> None:
    async with aclosing(direct.generate(request())) as deltas:
        async for _ in deltas:
            pass


@virtual_time
async def test_a_whole_reply_is_booked_as_it_was_reported():
    purse = Purse()
    await hear(direct_to(Route("hosted", "Two", " rooms."), purse=purse))
    assert purse.noted == [("Two rooms.", True, False)]


@virtual_time
async def test_a_request_that_its_client_leaves_before_the_first_word_is_booked_as_dropped():
    purse, route = Purse(), Route("hosted", 1_000.0)
    asking = asyncio.create_task(hear(direct_to(route, purse=purse)))
    await asyncio.sleep(1.0)
    asking.cancel()
    await asyncio.wait([asking])
    assert (purse.noted, route.open) == ([("", False, True)], 0)


@pytest.mark.parametrize(
    ("error", "dropped"), [(RouteBroken("broken"), False), (RouteTimeout("first_text", "late"), True)]
)
@virtual_time
async def test_a_failure_is_booked_as_in_a_turn(error: RouteError, dropped: bool):
    purse = Purse()
    with pytest.raises(type(error)):
        await hear(direct_to(Route("hosted", error), purse=purse))
    assert purse.noted == [("", False, dropped)]


@virtual_time
async def test_what_is_wrong_with_a_request_closes_the_route_to_nobody():
    direct = direct_to(Route("hosted", RouteRejected("no such field", status=400)), purse=Purse())
    for _ in range(5):
        with pytest.raises(RouteRejected):
            await hear(direct)
    assert direct.state().state == "ready"


@virtual_time
async def test_a_route_that_is_not_there_is_not_asked():
    purse, route = Purse(), Route("hosted", state="down")
    with pytest.raises(RouteUnavailable) as caught:
        await hear(direct_to(route, purse=purse))
    assert (caught.value.hint, route.asked, purse.noted) == ("start hosted", 0, [])
