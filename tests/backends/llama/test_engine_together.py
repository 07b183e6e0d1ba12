from __future__ import annotations

import itertools
from contextlib import closing
from pathlib import Path

import pytest

from server.backends.llama.model import Model
from server.backends.llama.pipe import Frame
from tests.support.llama import Bench, drawn, generate, load, warm

pytestmark = pytest.mark.engine

PROMPT = [20 + index % 90 for index in range(120)]
OTHERS = [[120 + npc, *PROMPT[:30]] for npc in range(8)]


def alone(model: Model, tokens: list[int], count: int = 12) -> list[int]:
    return drawn(Bench(model).ask(generate(1, tokens, count)))


def steps_until(bench: Bench, op: str, job_id: int) -> int:
    """Batches from now to the first `op` answer of a job."""
    start = bench.steps
    while not any(answer["op"] == op for answer in bench.to(job_id)):
        bench.step()
    return bench.steps - start


def test_several_speak_in_one_batch_and_say_what_each_says_alone(model: Model) -> None:
    expected = [alone(model, tokens) for tokens in OTHERS]
    bench = Bench(model)
    bench.ask(*(warm(job, tokens) for job, tokens in enumerate(OTHERS, 10)))
    before = bench.steps
    bench.ask(*(generate(job, tokens) for job, tokens in enumerate(OTHERS)))
    assert [drawn(bench.to(job)) for job in range(8)] == expected
    # All prompts are there, and eleven of a reply's twelve tokens are evaluated.
    assert bench.steps - before <= 11 + len(OTHERS)


def test_one_reads_while_another_speaks(model: Model) -> None:
    bench = Bench(model)
    bench.engine.handle(generate(1, PROMPT, 100))
    steps_until(bench, "text", 1)
    bench.engine.handle(generate(2, OTHERS[0], 5))
    spoken = len(drawn(bench.to(1)))
    waited = steps_until(bench, "text", 2)
    assert len(drawn(bench.to(1))) == spoken + waited


@pytest.mark.parametrize(
    "below", [generate(1, PROMPT, 50, priority=0), generate(1, PROMPT, 50, priority=2), warm(1, PROMPT)]
)
@pytest.mark.parametrize("after", [0, 5, 40])
def test_a_player_has_the_next_step_whatever_runs_below_him(model: Model, below: Frame, after: int) -> None:
    cold = Bench(model)
    cold.engine.handle(generate(2, OTHERS[0]))
    idle = steps_until(cold, "text", 2)
    bench = Bench(model)
    bench.engine.handle(below)
    for _ in range(after):
        bench.step()
    known = len(bench.to(1))
    bench.engine.handle(generate(2, OTHERS[0]))
    assert steps_until(bench, "text", 2) <= idle
    while not any(answer["op"] == "done" for answer in bench.to(2)):
        bench.step()
    assert len(bench.to(1)) == known


def test_what_was_overtaken_goes_on_where_it_was(model: Model) -> None:
    bench = Bench(model)
    bench.engine.handle(generate(1, PROMPT, 20, priority=0))
    for _ in range(10):
        bench.step()
    read = bench.to(1)[-1]["done"]
    bench.ask(generate(2, OTHERS[0]))
    assert drawn(bench.to(1)) == alone(model, PROMPT, 20)
    progress = [answer["done"] for answer in bench.to(1) if answer["op"] == "progress"]
    assert progress == sorted(progress)
    assert bench.to(1)[-1]["evaluated"] == 120
    assert 0 < read < 120


@pytest.mark.parametrize(("priority", "most"), [(10, 48), (8, 48), (2, 4), (0, 4)])
def test_a_step_reads_as_much_as_its_priority_may_take(model: Model, priority: int, most: int) -> None:
    bench = Bench(model)
    bench.ask(generate(1, PROMPT, 1, priority=priority))
    done = [0, *(answer["done"] for answer in bench.to(1) if answer["op"] == "progress")]
    sizes = [after - before for before, after in itertools.pairwise(done)]
    assert max(sizes) - min(sizes) <= 1
    assert most * 3 // 4 <= max(sizes) <= most


def test_who_speaks_comes_before_who_warms_then_priority_then_arrival(model: Model) -> None:
    bench = Bench(model)
    frames = [
        warm(1, OTHERS[1], priority=10),
        generate(2, OTHERS[2], 1, priority=2),
        generate(3, OTHERS[3], 1, priority=10),
        generate(4, OTHERS[4], 1, priority=10),
        generate(5, OTHERS[5], 1, priority=8),
        warm(6, OTHERS[6], priority=0),
    ]
    bench.ask(*frames)
    assert [job for job, _ in bench.finished()] == [3, 4, 1, 5, 2, 6]


def test_ambient_speakers_take_turns_in_small_steps(model: Model) -> None:
    bench = Bench(model)
    for job, tokens in enumerate(OTHERS):
        bench.engine.handle(generate(job, tokens, 6, priority=2))
    most = 0
    while bench.engine.busy:
        before = sum(len(drawn(bench.to(job))) for job in range(8))
        bench.step()
        most = max(most, sum(len(drawn(bench.to(job))) for job in range(8)) - before)
    assert most == 4
    assert [drawn(bench.to(job)) for job in range(8)] == [alone(model, tokens, 6) for tokens in OTHERS]


def test_a_generate_takes_over_what_a_warm_has_read(model: Model) -> None:
    bench = Bench(model)
    bench.engine.handle(warm(1, PROMPT, priority=10))
    bench.step()
    bench.step()
    read = bench.to(1)[-1]["done"]
    answers = bench.ask(generate(2, [*PROMPT, 30, 31]))
    assert bench.finished()[0] == (1, "yielded")
    assert answers[-1]["cached"] == read > 0
    assert drawn(answers) == alone(model, [*PROMPT, 30, 31])


def test_jobs_that_begin_alike_read_it_once(model: Model) -> None:
    bench = Bench(model)
    frames = [generate(job, [*PROMPT, 100 + job], 4, bounds=[120, 121]) for job in range(4)]
    bench.ask(*frames)
    for job in range(1, 4):
        assert bench.to(job)[-1]["evaluated"] < 40
        assert drawn(bench.to(job)) == alone(model, [*PROMPT, 100 + job], 4)


def test_jobs_that_do_not_fit_together_wait_and_are_all_answered(model: Model) -> None:
    long = [[120 + job, *[20 + index * 7 % 90 for index in range(500)]] for job in range(5)]
    bench = Bench(model)
    bench.ask(*(generate(job, tokens, 30, priority=[10, 2][job % 2]) for job, tokens in enumerate(long)))
    for job, tokens in enumerate(long):
        assert bench.to(job)[-1]["reason"] == "length"
        assert drawn(bench.to(job)) == alone(model, tokens, 30)


def test_a_stop_frees_the_engine_at_once(model: Model) -> None:
    bench = Bench(model)
    for job, tokens in enumerate(OTHERS):
        bench.engine.handle(generate(job, tokens, 400))
    for _ in range(12):
        bench.step()
    for job in range(8):
        bench.engine.handle({"op": "cancel", "id": job})
    assert not bench.engine.busy
    assert all(reason == "cancelled" for _, reason in bench.finished())


def test_more_speakers_than_a_batch_holds_are_all_answered(tiny: Path) -> None:
    with closing(load(tiny, 1024, batch=4, sequences=32)) as model:
        expected = [alone(model, tokens, 4) for tokens in OTHERS]
        bench = Bench(model)
        bench.ask(*(generate(job, tokens, 4) for job, tokens in enumerate(OTHERS)))
        assert [drawn(bench.to(job)) for job in range(8)] == expected
