from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from server.backends.llama.disk import StateFiles
from server.backends.llama.model import Model
from server.backends.llama.state import UNDONE_TURNS
from server.backends.llama.states import RESIDENT_HEADS
from tests.support.llama import Bench, drawn, generate, load, warm

pytestmark = pytest.mark.engine

RULES = [20 + index % 90 for index in range(80)]
PERSONAS = [[150 + npc, *[20 + (index * 7 + npc) % 90 for index in range(100)]] for npc in range(40)]


def prompt(npc: int, *history: int) -> list[int]:
    return [*RULES, *PERSONAS[npc], *history]


def bounds(npc: int) -> list[int]:
    return [len(RULES), len(RULES) + len(PERSONAS[npc])]


def turn(bench: Bench, job: int, npc: int, history: list[int]) -> tuple[int, list[int]]:
    """Run a turn; returns how much of its prompt was evaluated, and the history after it."""
    answers = bench.ask(generate(job, prompt(npc, *history), 8, bounds=bounds(npc)))
    assert answers[-1]["reason"] == "length"
    return answers[-1]["evaluated"], [*history, *drawn(answers), 30, 31, 32]


def cold(model: Model, tokens: list[int]) -> list[int]:
    return drawn(Bench(model).ask(generate(1, tokens, 8)))


@pytest.fixture
def roomy(tiny: Path) -> Iterator[Model]:
    with closing(load(tiny, 4096)) as model:
        yield model


@pytest.fixture
def files(tmp_path: Path) -> StateFiles:
    return StateFiles(tmp_path / "states", "key", 50_000_000, print)


def reopened(files: StateFiles) -> StateFiles:
    return StateFiles(files._folder, "key", 50_000_000, print)


def test_the_next_turn_evaluates_what_is_new_and_the_last_token_said(model: Model) -> None:
    bench = Bench(model)
    _, history = turn(bench, 1, 0, [40, 41])
    for job in range(2, 8):
        evaluated, history = turn(bench, job, 0, history)
        assert evaluated == 4


def test_npcs_share_the_rules_and_each_comes_back_to_its_own_turn(model: Model) -> None:
    bench = Bench(model)
    histories = {}
    for npc in range(5):
        evaluated, histories[npc] = turn(bench, npc, npc, [40, 41])
        assert evaluated == (183 if npc == 0 else 103)
    for npc in range(5):
        assert turn(bench, 10 + npc, npc, histories[npc])[0] == 4


def test_a_conversation_begun_anew_pays_for_its_history_alone(model: Model) -> None:
    bench = Bench(model)
    history = [40, 41]
    for job in range(5):
        _, history = turn(bench, job, 0, history)
    assert turn(bench, 9, 0, [50, 51, 52])[0] == 3


def test_old_turns_leave_nothing_behind(model: Model) -> None:
    bench = Bench(model)
    history = [40, 41]
    counts = []
    for job in range(8):
        _, history = turn(bench, job, 0, history)
        counts.append(bench.engine.stats()["states"]["context"]["count"])
    # Rules, persona, the end of the prompt, the end of the turn, and those of the turns that may be undone.
    assert counts == [4, 5, 6, 7, 7, 7, 7, 7]


def test_a_load_goes_on_from_the_end_of_an_earlier_turn(model: Model) -> None:
    bench = Bench(model)
    histories = [[40, 41]]
    for job in range(6):
        histories.append(turn(bench, job, 0, histories[-1])[1])
    for undone in range(1, UNDONE_TURNS + 1):
        assert turn(bench, 20 + undone, 0, [*histories[-1 - undone], 60])[0] <= 5


def test_turns_that_may_be_undone_do_not_follow_an_npc_out_of_the_scene(roomy: Model, files: StateFiles) -> None:
    bench = Bench(roomy, files=files)
    history = [40, 41]
    for job in range(4):
        _, history = turn(bench, job, 0, history)
    for npc in range(1, 4):
        turn(bench, 10 + npc, npc, [40, 41])
    bench.rest()
    bench.save()
    stats = bench.engine.stats()["states"]
    # Of those who left, a persona and the end of a talk each.
    assert stats["ram"]["count"] == 2 * 2
    assert stats["disk"]["count"] == 1 + 4 * 2


def test_words_read_ahead_and_never_said_go_with_the_turn(model: Model) -> None:
    bench = Bench(model)
    _, history = turn(bench, 1, 0, [40, 41])
    for job, words in enumerate(([60], [60, 61], [62], [62, 63, 64]), 2):
        assert bench.ask(warm(job, prompt(0, *history, *words)))[-1]["reason"] == "warmed"
    turn(bench, 9, 0, [*history, 70])
    # As without them: rules, persona, the end of the prompt, and the ends of two turns.
    assert bench.engine.stats()["states"]["context"]["count"] == 5


def test_who_is_not_of_the_scene_leaves_the_context_and_is_back_from_memory(roomy: Model) -> None:
    bench = Bench(roomy)
    histories = {}
    for npc in range(RESIDENT_HEADS + 4):
        _, histories[npc] = turn(bench, npc, npc, [40, 41])
    bench.rest()
    stats = bench.engine.stats()["states"]
    assert stats["context"]["count"] == 1 + RESIDENT_HEADS * 3
    assert stats["ram"]["count"] == 4 * 2
    for npc, history in histories.items():
        assert turn(bench, 100 + npc, npc, history)[0] == 4


def test_memory_keeps_its_cap_and_what_was_used_last(roomy: Model) -> None:
    cap = 400_000
    bench = Bench(roomy, ram_bytes=cap)
    histories = {}
    for npc in range(30):
        _, histories[npc] = turn(bench, npc, npc, [40, 41])
        bench.rest()
        assert bench.engine.stats()["states"]["ram"]["bytes"] <= cap
    assert 0 < bench.engine.stats()["states"]["ram"]["count"] < 40
    assert turn(bench, 100, 29, histories[29])[0] == 4
    assert turn(bench, 101, 0, histories[0])[0] > 100


def test_what_memory_cannot_hold_goes_to_disk(roomy: Model, files: StateFiles) -> None:
    bench = Bench(roomy, ram_bytes=400_000, files=files)
    histories = {}
    for npc in range(30):
        _, histories[npc] = turn(bench, npc, npc, [40, 41])
        bench.rest()
    for npc, history in histories.items():
        assert turn(bench, 100 + npc, npc, history)[0] == 4


def test_after_a_restart_a_known_npc_costs_a_restore(model: Model, files: StateFiles) -> None:
    bench = Bench(model, files=files)
    histories = {}
    for npc in range(3):
        _, histories[npc] = turn(bench, npc, npc, [40, 41])
    bench.save()
    assert bench.engine.stats()["states"]["disk"]["count"] == 1 + 3 * 2
    expected = {npc: cold(model, prompt(npc, *history)) for npc, history in histories.items()}
    bench = Bench(model, files=reopened(files))
    for npc, history in histories.items():
        answers = bench.ask(generate(npc, prompt(npc, *history), 8, bounds=bounds(npc)))
        assert answers[-1]["evaluated"] == 4
        assert drawn(answers) == expected[npc]


def test_a_turn_replaces_the_one_before_on_disk_only_when_it_is_there_itself(model: Model, files: StateFiles) -> None:
    bench = Bench(model, files=files)
    _, first = turn(bench, 1, 0, [40, 41])
    bench.save()
    _, second = turn(bench, 2, 0, first)
    assert turn(Bench(model, files=reopened(files)), 1, 0, first)[0] == 4
    bench = Bench(model, files=reopened(files))
    turn(bench, 2, 0, first)
    bench.save()
    assert bench.engine.stats()["states"]["disk"]["count"] == 3
    assert turn(Bench(model, files=reopened(files)), 1, 0, second)[0] == 4


@pytest.mark.parametrize("harm", ["truncate", "garble", "foreign", "empty"])
def test_files_that_are_not_whole_cost_time_and_nothing_else(model: Model, files: StateFiles, harm: str) -> None:
    bench = Bench(model, files=files)
    _, history = turn(bench, 1, 0, [40, 41])
    bench.save()
    expected = cold(model, prompt(0, *history))
    for path in files._folder.iterdir():
        data = path.read_bytes()
        changed = {
            "truncate": data[:-100],
            "garble": data[:-50] + bytes([data[-50] ^ 1]) + data[-49:],
            "foreign": b"something else",
            "empty": b"",
        }
        path.write_bytes(changed[harm])
    bench = Bench(model, files=reopened(files))
    answers = bench.ask(generate(1, prompt(0, *history), 8))
    assert answers[-1]["evaluated"] == len(prompt(0, *history))
    assert drawn(answers) == expected
    assert os.listdir(files._folder) == []


def test_a_state_of_another_model_that_says_it_is_of_this_is_not_believed(
    model: Model, tiny_plain: Path, files: StateFiles
) -> None:
    with closing(load(tiny_plain)) as other:
        bench = Bench(other, files=files)
        _, history = turn(bench, 1, 0, [40, 41])
        bench.save()
    bench = Bench(model, files=reopened(files))
    answers = bench.ask(generate(1, prompt(0, *history), 8))
    assert drawn(answers) == cold(model, prompt(0, *history))


def test_a_full_disk_costs_time_and_nothing_else(roomy: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    log: list[str] = []
    bench = Bench(roomy, ram_bytes=100_000, files=StateFiles(tmp_path, "key", 10**9, log.append))
    monkeypatch.setattr("zlib.crc32", full)
    for npc in range(12):
        turn(bench, npc, npc, [40, 41])
        bench.rest()
        bench.save()
    assert len(log) == 1
    assert os.listdir(tmp_path) == []


def test_from_a_disk_that_cannot_be_written_a_known_npc_still_costs_a_restore(
    model: Model, files: StateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(model, files=files)
    _, history = turn(bench, 1, 0, [40, 41])
    bench.save()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, mode="r", **more: refuse() if "w" in mode else real(path, mode, **more)
    )
    for name in ("os.utime", "pathlib.Path.unlink", "pathlib.Path.replace"):
        monkeypatch.setattr(name, refuse)
    log: list[str] = []
    bench = Bench(model, files=StateFiles(files._folder, "key", 50_000_000, log.append))
    for job in range(2, 6):
        evaluated, history = turn(bench, job, 0, history)
        assert evaluated == 4
        bench.save()
    assert len(log) == 1


def test_a_context_that_is_lost_fails_who_was_in_the_batch_and_nobody_else(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = cold(model, prompt(1, 40))
    bench = Bench(model)
    _, history = turn(bench, 1, 0, [40, 41])
    bench.engine.handle(generate(3, prompt(1, 40), 8, priority=2))
    for _ in range(5):
        bench.step()
    bench.engine.handle(generate(2, prompt(0, *history), 8))

    def fail(*_: object) -> int:
        monkeypatch.undo()
        return -3

    monkeypatch.setattr(model.library, "llama_decode", fail)
    bench.run()
    assert bench.to(2)[-1]["op"] == "error"
    assert bench.to(2)[-1]["kind"] == "broken"
    assert drawn(bench.to(3)) == expected
    assert drawn(bench.ask(generate(4, prompt(0, *history), 8))) == cold(model, prompt(0, *history))


def test_room_that_is_not_there_after_all_is_made(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(model)
    _, history = turn(bench, 1, 0, [40, 41])
    real = model.library.llama_decode
    refusals = iter([1])
    monkeypatch.setattr(model.library, "llama_decode", lambda *given: next(refusals, None) or real(*given))
    answers = bench.ask(generate(2, prompt(0, *history), 8))
    assert drawn(answers) == cold(model, prompt(0, *history))


def test_nothing_leaks_in_two_hundred_random_operations(tiny: Path, files: StateFiles) -> None:
    chance = random.Random(5)
    with closing(load(tiny, 768, sequences=12)) as model:
        bench = Bench(model, ram_bytes=300_000, files=files)
        histories: dict[int, list[int]] = {}
        for job in range(200):
            npc = chance.randrange(6)
            history = histories.setdefault(npc, [40, 41])
            frame = chance.choice([generate, warm])(job, prompt(npc, *history), bounds=bounds(npc))
            bench.engine.handle({**frame, "max_tokens": 8, "priority": chance.choice([0, 2, 10])})
            for _ in range(chance.randrange(30)):
                bench.step()
            if chance.random() < 0.2:
                bench.engine.handle({"op": "cancel", "id": chance.randrange(job + 1)})
            if chance.random() < 0.2:
                bench.run()
                bench.rest()
            if chance.random() < 0.1:
                bench.save()
            answers = bench.to(job)
            if frame["op"] == "generate" and answers and answers[-1].get("reason") == "length":
                histories[npc] = [*history, *drawn(answers), 30] if len(history) < 200 else [40, chance.randrange(50)]
        bench.run()
        assert all(bench.to(job)[-1]["op"] == "done" for job in range(200))
        stats = bench.engine.stats()
        assert stats["sequences"] == stats["states"]["context"]["count"]
        assert stats["cells"] == stats["states"]["context"]["cells"]
        assert stats["states"]["ram"]["bytes"] <= 300_000
        bench.engine._states.make_room(model.context, model.sequences)
        assert bench.engine.stats()["sequences"] == bench.engine.stats()["cells"] == 0
        states = bench.engine._states
        assert states._ram == sum(state.ram_bytes for state in states._states)
