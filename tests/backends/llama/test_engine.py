from __future__ import annotations

from pathlib import Path

import pytest

from server.backends.llama.model import Model
from server.backends.llama.pipe import Frame
from tests.support.llama import Bench, drawn, generate, load, said, warm
from tests.support.tiny_gguf import write_tiny_lfm2

pytestmark = pytest.mark.engine

PROMPT = [20 + index % 90 for index in range(300)]
READ = 7
"""Steps, and so progress frames, in which a steady foreground reads it: 43 tokens each."""


def usage(answers: list[Frame]) -> tuple[int, int]:
    """Prompt tokens, and those of them that were in the context."""
    return answers[-1]["prompt"], answers[-1]["cached"]


def test_a_reply_is_the_same_every_time_when_nothing_is_left_to_chance(model: Model) -> None:
    first = drawn(Bench(model).ask(generate(1, PROMPT)))
    again = drawn(Bench(model).ask(generate(2, PROMPT)))
    assert len(first) == 12
    assert again == first


def test_a_seed_makes_a_drawn_reply_repeatable(model: Model) -> None:
    bench = Bench(model)
    warmth = {"temperature": 1.0, "min_p": 0.02, "top_p": 0.98, "top_k": 60, "repeat_penalty": 1.1}
    replies = [
        drawn(bench.ask(generate(job, PROMPT, 24, sampling={**warmth, "seed": seed})))
        for job, seed in enumerate([1, 1, 2, None, None])
    ]
    assert replies[0] == replies[1]
    assert replies[0] != replies[2]
    assert replies[3] != replies[4]


def test_a_longer_prompt_pays_for_its_new_tokens_and_gets_the_reply_of_a_cold_run(model: Model) -> None:
    bench = Bench(model)
    bench.ask(warm(1, PROMPT[:200]))
    answers = bench.ask(generate(2, PROMPT))
    assert usage(answers) == (300, 200)
    assert drawn(answers) == drawn(Bench(model).ask(generate(3, PROMPT)))


def test_a_history_that_ends_in_the_reply_itself_is_an_extension(model: Model) -> None:
    bench = Bench(model)
    reply = drawn(bench.ask(generate(1, PROMPT)))
    answers = bench.ask(generate(2, [*PROMPT, *reply, 25, 26, 27]))
    # The last token drawn was never evaluated: it was the limit.
    assert usage(answers) == (len(PROMPT) + len(reply) + 3, len(PROMPT) + len(reply) - 1)


def test_a_changed_prefix_is_read_anew(model: Model) -> None:
    bench = Bench(model)
    bench.ask(warm(1, PROMPT))
    changed = [*PROMPT[:10], 33, *PROMPT[11:]]
    answers = bench.ask(generate(2, changed))
    assert usage(answers) == (300, 0)
    assert drawn(answers) == drawn(Bench(model).ask(generate(3, changed)))


def test_after_a_warm_of_the_same_prompt_nothing_is_read(model: Model) -> None:
    bench = Bench(model)
    assert bench.ask(warm(1, PROMPT))[-1]["reason"] == "warmed"
    answers = bench.ask(generate(2, PROMPT))
    assert usage(answers) == (300, 300)
    assert [answer["op"] for answer in answers].count("progress") == 0
    assert drawn(answers) == drawn(Bench(model).ask(generate(3, PROMPT)))


@pytest.mark.parametrize("index", range(1, 12))
def test_a_stop_while_speaking_ends_within_one_token(model: Model, index: int) -> None:
    whole = drawn(Bench(model).ask(generate(1, PROMPT)))
    bench = Bench(model)
    bench.arriving[READ + index] = [{"op": "cancel", "id": 2}]
    answers = bench.ask(generate(2, PROMPT))
    assert answers[-1]["reason"] == "cancelled"
    assert drawn(answers) == whole[:index]


def test_after_a_stop_what_was_heard_goes_on_from_the_end_of_the_prompt(model: Model) -> None:
    whole = drawn(Bench(model).ask(generate(1, PROMPT)))
    bench = Bench(model)
    bench.arriving[READ + 8] = [{"op": "cancel", "id": 2}]
    bench.ask(generate(2, PROMPT))
    again = bench.ask(generate(3, [*PROMPT, *whole[:5]], 7))
    assert usage(again) == (305, 300)
    assert drawn(again) == whole[5:]


def test_a_stop_while_reading_keeps_what_was_read_and_a_warm_goes_on_there(model: Model) -> None:
    bench = Bench(model)
    bench.arriving[1] = [{"op": "cancel", "id": 1}, warm(2, PROMPT)]
    assert [answer["op"] for answer in bench.ask(generate(1, PROMPT))] == ["progress", "done"]
    assert bench.finished() == [(1, "cancelled"), (2, "warmed")]
    assert bench.answers[-1]["cached"] == 43
    answers = bench.ask(generate(3, PROMPT))
    assert usage(answers) == (300, 300)
    assert drawn(answers) == drawn(Bench(model).ask(generate(4, PROMPT)))


def test_a_job_that_waits_is_cancelled_without_running(model: Model) -> None:
    bench = Bench(model)
    bench.engine.handle(generate(1, PROMPT))
    bench.engine.handle({"op": "cancel", "id": 1})
    assert not bench.engine.busy
    assert bench.finished() == [(1, "cancelled")]


def test_a_forecast_tells_what_is_new_and_how_long_it_takes(model: Model) -> None:
    bench = Bench(model)
    prompt = list(range(20, 84))
    bench.ask(generate(1, prompt))
    assert bench.forecasts[1]["new"] == 64
    assert bench.forecasts[1]["ms"] == 800.0
    bench.ask(generate(2, [*prompt, 90, 91, 92, 93]))
    assert bench.forecasts[2]["new"] == 4
    assert bench.forecasts[2]["ms"] == 105.0


def test_a_cancel_of_nothing_is_ignored(model: Model) -> None:
    bench = Bench(model)
    bench.engine.handle({"op": "cancel", "id": 99})
    assert bench.answers == []


def test_a_stop_string_ends_the_reply_before_it(model: Model) -> None:
    whole = said(Bench(model).ask(generate(1, PROMPT, 30)))
    stop = whole[10:14]
    answers = Bench(model).ask(generate(2, PROMPT, 30, stop=[stop]))
    assert said(answers) == whole[: whole.index(stop)]
    assert answers[-1]["reason"] == "stop"
    assert answers[-1]["reply"] < 30


def test_an_end_token_ends_the_reply(tmp_path: Path) -> None:
    path = write_tiny_lfm2(tmp_path / "ending.gguf", ends=True)
    model = load(path, 512)
    answers = Bench(model).ask(generate(1, PROMPT[:40], 200))
    model.close()
    assert answers[-1]["reason"] == "stop"
    assert answers[-1]["reply"] == len(drawn(answers)) < 200


def test_broken_bytes_become_replacement_characters_and_never_half_ones(tmp_path: Path) -> None:
    path = write_tiny_lfm2(tmp_path / "raw.gguf", raw_bytes=True)
    model = load(path, 512)
    answers = Bench(model).ask(generate(1, PROMPT[:40], 200))
    data = b"".join(model.piece(token) for token in drawn(answers))
    model.close()
    assert max(data) > 127
    assert said(answers) == data.decode("utf-8", "replace")


def test_the_longest_reply_ends_where_the_context_does(model: Model) -> None:
    prompt = [30] * (model.context - 5)
    answers = Bench(model).ask(generate(1, prompt, 100))
    assert (answers[-1]["reason"], answers[-1]["reply"]) == ("length", 5)


def test_a_prompt_that_fills_the_context_is_an_overflow_and_the_next_one_works(model: Model) -> None:
    bench = Bench(model)
    (answer,) = bench.ask(generate(1, [30] * model.context))
    assert (answer["op"], answer["kind"]) == ("error", "overflow")
    assert bench.ask(generate(2, PROMPT))[-1]["reason"] == "length"


@pytest.mark.parametrize("tokens", [[], [10**6], [-1]])
def test_an_impossible_prompt_is_an_error_and_the_next_one_works(model: Model, tokens: list[int]) -> None:
    bench = Bench(model)
    (answer,) = bench.ask(generate(1, tokens))
    assert (answer["op"], answer["kind"]) == ("error", "refused")
    assert bench.ask(generate(2, PROMPT))[-1]["reason"] == "length"


def test_the_repetition_penalty_changes_a_reply_that_repeats_itself(model: Model) -> None:
    plain = drawn(Bench(model).ask(generate(1, PROMPT, 120)))
    penalised = drawn(Bench(model).ask(generate(2, PROMPT, 120, sampling={"repeat_penalty": 2.0})))
    assert len(set(plain)) < len(plain)
    assert penalised != plain
