from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from server.backends.base import RouteState
from server.memory.spend import KnownRatio
from server.prompt.build import build
from server.prompt.context import HistoryEntry, PromptLimits, TurnContext
from server.prompt.tokens import EstimatedTokenizer, Tokenizer, count_segments
from server.routing.counting import HostedCounting
from server.text.segments import Prompt, Text
from tests.support.prompts import persona
from tests.support.routes import Route, request

LIMIT = 1_536


class Hosted(Route):
    hosted = True


class Named(Hosted):
    def __init__(self, name: str, model: str) -> None:
        super().__init__(name)
        self._model = model

    def state(self) -> RouteState:
        return replace(super().state(), model=self._model)


class Words:
    """A vocabulary that knows short words, and cuts longer ones into pieces of `size` letters."""

    exact = True
    fingerprint = "words"

    def __init__(self, size: float) -> None:
        self._size = size

    def count(self, text: str) -> int:
        return sum(max(1, round(len(word.encode()) / self._size)) for word in text.split())


def prompt_of(tokenizer: Tokenizer, rng: random.Random) -> Prompt:
    """A prompt that fills the limit as `tokenizer` counts."""
    words = ["the", "lamp", "river", "quietly", "innkeeper", "of", "a", "remember", "yesterday", "northwards", "she"]

    def sentence() -> str:
        return f"{' '.join(rng.choices(words, k=rng.randint(4, 30)))}."

    history = tuple(HistoryEntry((f"Ana: {sentence()}",), Text(sentence())) for _ in range(120))
    context = TurnContext("Be brief.", persona(), "Ana", history=history, line=f"Ana: {sentence()}")
    return build(context, PromptLimits(LIMIT, 192, 120), tokenizer).prompt


@pytest.mark.parametrize("size", [2.6, 3.2, 4.0, 6.0])
def test_a_prompt_never_passes_the_limit_while_its_vocabulary_is_learnt(size: float) -> None:
    true, counting, route, rng = Words(size), HostedCounting(), Hosted("paid"), random.Random(1)
    sizes, best = [], []
    for _ in range(80):
        prompt = prompt_of(counting.tokenizer_for(route), rng)
        sizes.append(count_segments(prompt.segments, true) + 7)  # and what the provider's template puts around it
        best.append(count_segments(prompt_of(true, rng).segments, true))
        counting.learn(route, prompt, sizes[-1])
    assert max(sizes) <= LIMIT
    assert sum(sizes[40:]) >= 0.75 * sum(best[40:])  # and little of the room stays unused


def test_an_lfm2_is_counted_with_the_vocabulary_at_hand() -> None:
    counting = HostedCounting(lambda: Words(4))
    route = Named("hosted", "liquid/lfm-2-24b-a2b")
    tokenizer = counting.tokenizer_for(route)
    assert isinstance(tokenizer.base, Words)
    assert tokenizer.factor == pytest.approx(1.03)


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [("liquid/lfm-2-24b-a2b", lambda: None), ("liquid/lfm-40b", lambda: Words(4)), ("gpt-x", lambda: Words(4))],
)
def test_others_are_counted_by_estimate(model: str, vocabulary: Callable[[], Tokenizer | None]) -> None:
    tokenizer = HostedCounting(vocabulary).tokenizer_for(Named("hosted", model))
    assert isinstance(tokenizer.base, EstimatedTokenizer)
    assert tokenizer.factor == 1.25


def test_what_was_learnt_by_estimate_says_nothing_of_the_vocabulary() -> None:
    words: list[Tokenizer] = []
    counting = HostedCounting(lambda: words[0] if words else None)
    route = Named("hosted", "lfm2-8b")
    counting.learn(route, request("x" * 3_000).prompt, 400)
    assert counting.tokenizer_for(route).factor < 0.6
    words.append(Words(4))
    assert counting.tokenizer_for(route).factor == pytest.approx(1.03)


def test_what_was_learnt_is_told_and_known_again() -> None:
    told: list[KnownRatio] = []
    first = HostedCounting(keep=told.append)
    route = Hosted("paid")
    for _ in range(20):
        first.learn(route, request("x" * 3_000).prompt, 700)
    again = HostedCounting(known=told[-1:])
    assert (told[-1].model, told[-1].reports) == ("model", 20)
    assert again.tokenizer_for(route).factor == pytest.approx(first.tokenizer_for(route).factor, rel=0.06)


@pytest.mark.parametrize(("heard", "tokens"), [("hi", 900), ("x" * 3_000, 0)])
def test_what_says_nothing_of_the_vocabulary_is_not_learnt(heard: str, tokens: int) -> None:
    told: list[KnownRatio] = []
    counting = HostedCounting(keep=told.append)
    counting.learn(Hosted("paid"), request(heard).prompt, tokens)
    assert told == []


def test_without_a_report_a_call_is_estimated_by_what_is_known_of_the_model() -> None:
    counting, route, prompt = HostedCounting(), Hosted("paid"), request("x" * 3_000).prompt
    before = counting.estimate(route, prompt, "y" * 300)
    counting.learn(route, prompt, round(before[0] / 2))
    prompt_tokens, reply_tokens = counting.estimate(route, prompt, "y" * 300)
    assert abs(prompt_tokens - before[0] / 2) <= 1
    assert reply_tokens == 50
