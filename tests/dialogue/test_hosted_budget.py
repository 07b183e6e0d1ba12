"""What a hosted route is asked: its own limits, and prompts counted for its own vocabulary."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from server.backends.base import Delta, Request
from server.config import BudgetSettings, HostedBudget
from server.dialogue.conversation import Conversation
from server.prompt.tokens import EstimatedTokenizer, ScaledTokenizer
from server.protocol import messages as m
from tests.support.routes import request
from tests.support.stage import Recording, house, say


class Hosted(Recording):
    hosted = True
    context_tokens: int | None = None

    def __init__(self, name: str, *steps: object) -> None:
        super().__init__(name, *steps)
        self.requests: list[Request] = []

    def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        return super().generate(request)


async def test_a_hosted_route_has_its_own_reply_limit_and_knows_the_turn(tmp_path: Path) -> None:
    hosted = Hosted("hosted", "Two rooms.")
    budget = BudgetSettings(reply_tokens=200, hosted=HostedBudget(reply_tokens=40))
    async with house(tmp_path, hosted, budget=budget) as home:
        client = await home.enter("hilda")
        await client.ask(say())
        end = await client.next(m.TurnEnd)
    [asked] = hosted.requests
    assert (asked.max_tokens, asked.turn) == (40, end.turn)


async def test_limits_of_a_hosted_route_are_its_own(tmp_path: Path) -> None:
    budget = BudgetSettings(new_tokens=500, hosted=HostedBudget(new_tokens=100))
    async with house(tmp_path, Hosted("hosted"), Recording("local"), budget=budget) as home:
        assert home.stage.limits(hosted=True).new_tokens == 100
        assert home.stage.limits(hosted=False).new_tokens == 500


async def test_a_prompt_leaves_the_reply_its_room_in_a_small_context(tmp_path: Path) -> None:
    hosted = Hosted("hosted")
    hosted.context_tokens = 1_200
    async with house(tmp_path, hosted) as home:
        assert home.stage.limits_for(hosted).prompt_tokens == 1_200 - 96


async def test_a_conversation_is_counted_in_one_way_as_far_as_that_is_safe(tmp_path: Path) -> None:
    hosted = Hosted("hosted")
    async with house(tmp_path, hosted) as home:
        stage, running = home.stage, Conversation()
        before = stage.tokenizer_for(hosted, running)
        for _ in range(20):
            stage.purse.counting.learn(hosted, request("x" * 3_000).prompt, 500)
        after = stage.tokenizer_for(hosted, Conversation())
        assert isinstance(before, ScaledTokenizer)
        assert isinstance(after, ScaledTokenizer)
        assert after.factor < before.factor
        assert stage.tokenizer_for(hosted, running) == before
        stage.purse.counting.learn(hosted, request("x" * 3_000).prompt, 1_900)
        risen = stage.tokenizer_for(hosted, running)
        assert isinstance(risen, ScaledTokenizer)
        assert risen.factor > before.factor


async def test_a_local_route_is_counted_as_ever(tmp_path: Path) -> None:
    local = Recording("local")
    async with house(tmp_path, local) as home:
        assert isinstance(home.stage.tokenizer_for(local, Conversation()), EstimatedTokenizer)
