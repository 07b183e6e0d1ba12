from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.backends.llama.model import Model
from server.backends.llama.sampling import Logits, Sampler
from server.backends.llama.voice import Speech
from server.bench.model.tokens import EOS, SPECIAL_NAMES
from tests.support.llama import Bench, drawn, generate, said

pytestmark = pytest.mark.engine

PROMPT = [20 + index % 90 for index in range(60)]
CALL_START, CALL_END = SPECIAL_NAMES.index("tool_call_start"), SPECIAL_NAMES.index("tool_call_end")
IM_START = SPECIAL_NAMES.index("im_start")


def choose(job: int, choices: list[str], **fields: Any) -> dict[str, Any]:
    return {"op": "choose", "id": job, "tokens": PROMPT, "choices": choices, "priority": 10, **fields}


def chosen(bench: Bench, job: int, choices: list[str], **fields: Any) -> tuple[int, str]:
    answer = bench.ask(choose(job, choices, **fields))[-1]
    assert answer["op"] == "done", answer
    assert answer["text"] == choices[answer["choice"]]
    return answer["choice"], answer["text"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    choices=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6),
    seed=st.integers(0, 9),
    warmth=st.sampled_from([0.0, 0.8, 5.0]),
)
def test_one_of_the_choices_is_always_taken(model: Model, choices: list[str], seed: int, warmth: float) -> None:
    bench = Bench(model)
    sampling = {"temperature": warmth, "seed": seed, "min_p": 0.1, "repeat_penalty": 1.1}
    first = chosen(bench, 1, choices, sampling=sampling)
    assert chosen(bench, 2, choices, sampling=sampling) == first


def test_what_is_likeliest_is_chosen_whatever_the_order(model: Model) -> None:
    bench = Bench(model)
    moods = ["glad", "sad", "angry", "gladdened", "sadly", "an"]
    found = {chosen(bench, job, moods[job:] + moods[:job])[1] for job in range(6)}
    assert len(found) == 1


def test_a_bias_tips_a_choice(model: Model) -> None:
    bench = Bench(model)
    likely = chosen(bench, 1, ["a", "b", "z"])[1]
    (token,) = model.tokenize(likely)
    for bias in ([[token, -50.0]], {str(token): -50.0}):
        assert chosen(bench, 2, ["a", "b", "z"], sampling={"logit_bias": bias})[1] != likely


def test_warmth_spreads_choices_by_seed(model: Model) -> None:
    bench = Bench(model)
    sampling = {"temperature": 5.0}
    found = {chosen(bench, seed, ["a", "b", "c"], sampling={**sampling, "seed": seed})[1] for seed in range(30)}
    assert found == {"a", "b", "c"}


def test_a_choice_costs_steps_only_where_the_choices_part(model: Model) -> None:
    bench = Bench(model)
    bench.ask(generate(1, PROMPT, 1))
    before = bench.steps
    answers = bench.ask(choose(2, ["smile at you", "smile at them", "smile at nobody at all"]))
    # What is common is evaluated in one batch; "you" and "them" part at their first letters, or after one more.
    assert bench.steps - before <= 3
    assert answers[-1]["reply"] <= 2
    assert answers[-1]["cached"] == len(PROMPT)


def test_an_ended_choice_may_be_drawn_where_another_goes_on(model: Model) -> None:
    bench = Bench(model)
    assert chosen(bench, 1, ["a", "aa", "aaa"], sampling={"logit_bias": [[EOS, 100.0]]}) == (0, "a")
    assert chosen(bench, 2, ["a", "aa", "aaa"], sampling={"logit_bias": [[EOS, -100.0]]}) == (2, "aaa")


@pytest.mark.parametrize("choices", [[], [""], ["yes", ""]])
def test_nothing_to_choose_from_is_an_error(model: Model, choices: list[str]) -> None:
    (answer,) = Bench(model).ask(choose(1, choices))
    assert (answer["op"], answer["kind"]) == ("error", "refused")


@pytest.mark.parametrize("warmth", [{}, {"temperature": 1.0, "seed": 3, "min_p": 0.05, "top_k": 40, "top_p": 0.9}])
def test_a_grammar_is_kept_to(model: Model, warmth: dict[str, float]) -> None:
    answers = Bench(model).ask(generate(1, PROMPT, 40, grammar='root ::= "<" [a-c]+ [0-9] [0-9] ">"', sampling=warmth))
    text = said(answers)
    if answers[-1]["reason"] == "stop":
        assert text[-1] == ">"
        assert text[-3:-1].isdigit()
    assert text[0] == "<"
    assert set(text[1:-3]) <= set("abc0123456789>")


def test_a_grammar_that_is_done_ends_the_reply(model: Model) -> None:
    answers = Bench(model).ask(generate(1, PROMPT, 40, grammar='root ::= "yes" | "no"'))
    assert answers[-1]["reason"] == "stop"
    assert said(answers) in ("yes", "no")


def test_a_grammar_that_cannot_be_read_is_an_error(model: Model) -> None:
    (answer,) = Bench(model).ask(generate(1, PROMPT, 40, grammar="root ::= ("))
    assert (answer["op"], answer["kind"]) == ("error", "refused")
    assert "grammar" in answer["message"]


def test_a_grammar_that_takes_too_long_for_a_token_ends_its_job_alone(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(model)
    monkeypatch.setattr("server.backends.llama.engine.GRAMMAR_MS", -1)
    answers = bench.ask(generate(1, PROMPT, 40, grammar="root ::= [a-z]+"))
    assert (answers[-1]["op"], answers[-1]["kind"]) == ("error", "refused")
    assert "grammar" in answers[-1]["message"]
    assert len(said(answers[:-1])) <= 1
    assert bench.ask(generate(2, PROMPT, 4))[-1]["reason"] == "length"


@pytest.mark.parametrize("setting", [{"dry_multiplier": 5.0, "dry_allowed_length": 1}, {"repeat_penalty": 1.5}])
def test_what_punishes_repetition_makes_less_of_it(model: Model, setting: dict[str, float]) -> None:
    def pairs(**sampling: float) -> int:
        tokens = drawn(Bench(model).ask(generate(1, PROMPT, 200, sampling=sampling)))
        return len(set(itertools.pairwise(tokens)))

    assert pairs(**setting) > pairs()


def test_logits_that_were_kept_draw_as_those_at_hand(model: Model) -> None:
    for sampling in ({}, {"temperature": 0.9, "seed": 4, "min_p": 0.05}, {"repeat_penalty": 1.3}):
        bench = Bench(model)
        first = drawn(bench.ask(generate(1, PROMPT, 10, sampling=sampling)))
        answers = bench.ask(generate(2, PROMPT, 10, sampling=sampling))
        assert answers[-1]["evaluated"] == 0
        assert drawn(answers) == first


class Script:
    """A sampler that draws what it is told."""

    def __init__(self, tokens: list[int]) -> None:
        self._tokens = iter(tokens)

    def draw(self, logits: Logits) -> int:
        return next(self._tokens)

    def close(self) -> None:
        pass


def spoken(model: Model, monkeypatch: pytest.MonkeyPatch, tokens: list[int]) -> list[dict[str, Any]]:
    """The answers to a `generate` whose reply is `tokens`."""
    make = Speech.__init__

    def scripted(self: Speech, *given: Any) -> None:
        make(self, *given)
        self._sampler.close()
        self._sampler = Script(tokens)  # type: ignore[assignment]  # draws like a Sampler

    monkeypatch.setattr(Speech, "__init__", scripted)
    return Bench(model).ask(generate(1, PROMPT, 40))


def test_a_tool_call_is_sent_apart_and_the_reply_goes_on(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    before, call, after = (model.tokenize(text) for text in ("Wait. ", "[wave(to='you')]", "There."))
    answers = spoken(model, monkeypatch, [*before, CALL_START, *call, CALL_END, *after, EOS])
    assert said(answers) == "Wait. There."
    assert drawn(answers) == [*before, *after]
    (tool,) = [answer for answer in answers if answer["op"] == "tool"]
    assert tool["text"] == "[wave(to='you')]"
    assert tool["tokens"] == [CALL_START, *call, CALL_END]
    assert [answer["op"] for answer in answers if answer["op"] != "progress"][-1] == "done"
    assert answers[-1]["reason"] == "stop"
    assert answers[-1]["reply"] == len(before) + len(call) + len(after) + 2


def test_a_tool_call_that_never_ends_is_not_sent(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = spoken(model, monkeypatch, [*model.tokenize("Hm"), CALL_START, *model.tokenize("[wave("), EOS])
    assert said(answers) == "Hm"
    assert "tool" not in [answer["op"] for answer in answers]
    assert answers[-1]["reason"] == "stop"


def test_other_control_tokens_end_a_reply(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = spoken(model, monkeypatch, [*model.tokenize("Hm"), IM_START, *model.tokenize("system")])
    assert said(answers) == "Hm"
    assert answers[-1]["reason"] == "stop"


def test_a_sampler_is_closed_once_and_for_all(model: Model) -> None:
    sampler = Sampler(model, {"temperature": 1.0}, 'root ::= "a"')
    sampler.close()
    sampler.close()
