"""Random programs of talk, saves, loads, restarts, moves and clearing up, beside a model that only copies lists."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from server.errors import StoreError, UnknownSave
from server.memory import tree
from server.memory.files import looked_at
from server.memory.recall import Question
from server.memory.records import Recorded, RequestKey
from server.memory.store import Memory
from tests.memory.archives import collected, exported, imported
from tests.memory.builders import ended, happened
from tests.support.rig import programs

T = TypeVar("T")
WORLDS = st.sampled_from(["one", "two"])
NPCS = ("hilda", "ansel", "mira")
WITNESSES = st.sets(st.sampled_from(NPCS))
SAVES = st.sampled_from(["a", "b"])


@dataclass
class Past:
    """Everything that happened in one line of time. A save and a load copy it."""

    events: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    turns: list[tuple[str, str]] = field(default_factory=list)
    roles: dict[str, dict[str, Any]] = field(default_factory=dict)

    def copy(self) -> Past:
        return Past(list(self.events), list(self.turns), dict(self.roles))


@dataclass
class OpenTurn:
    turn: str
    npc: str
    witnesses: frozenset[str]
    past: Past


class Programs(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.present = {"one": Past(), "two": Past()}
        self.saves: dict[tuple[str, str], Past] = {}
        self.open: list[OpenTurn] = []
        self.said: list[tuple[str, RequestKey, Recorded]] = []
        self.count = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def start(self) -> None:
        self.memory = self.run(Memory.open(Path(self.folder.name)))

    def teardown(self) -> None:
        self.run(self.memory.close())
        self.runner.close()
        self.folder.cleanup()

    def fresh(self) -> str:
        self.count += 1
        return f"{self.count}"

    @rule(world=WORLDS, witnesses=WITNESSES, speakers=st.sets(st.sampled_from(NPCS), max_size=2))
    def say(self, world: str, witnesses: set[str], speakers: set[str]) -> None:
        text, past = self.fresh(), self.present[world]
        key = RequestKey("lineage", text)
        recorded = self.run(self.memory.record(world, "s", happened(text, *sorted(witnesses)), sorted(speakers), key))
        self.said.append((world, key, recorded))
        past.events.append((text, frozenset(witnesses)))
        self.open += [OpenTurn(turn, npc, frozenset(witnesses), past) for turn, npc in recorded.turns]

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def say_again(self, data: st.DataObject) -> None:
        world, key, recorded = data.draw(st.sampled_from(self.said))
        again = self.run(self.memory.record(world, "s", happened("again", *NPCS), NPCS, key))
        assert (again.seq, again.turns, again.repeated) == (recorded.seq, recorded.turns, True)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), silent=st.booleans())
    def answer(self, data: st.DataObject, silent: bool) -> None:
        turn = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        heard = "" if silent else self.fresh()
        line = None if silent else happened(heard, *sorted(turn.witnesses), kind="line", turn=turn.turn)
        self.run(self.memory.commit_turn(ended(turn.turn, turn.npc, heard), line))
        with pytest.raises(StoreError):
            self.run(self.memory.commit_turn(ended(turn.turn, turn.npc, "twice"), happened("twice", *NPCS)))
        turn.past.turns.append((turn.npc, heard))
        if not silent:
            turn.past.events.append((heard, turn.witnesses | {turn.npc}))

    @rule(world=WORLDS, npc=st.sampled_from(NPCS), mood=st.sampled_from(["calm", "cross"]))
    def change_persona(self, world: str, npc: str, mood: str) -> None:
        self.run(self.memory.set_persona(world, npc, {"mood": mood}))
        self.present[world].roles[npc] = {"mood": mood}

    @rule(world=WORLDS, save=SAVES)
    def save(self, world: str, save: str) -> None:
        self.run(self.memory.save(world, save))
        self.saves[world, save] = self.present[world].copy()

    @rule(world=WORLDS, save=st.one_of(st.none(), SAVES))
    def load(self, world: str, save: str | None) -> None:
        if save is None:
            self.run(self.memory.load(world, None))
            self.present[world] = Past()
        elif (world, save) in self.saves:
            self.run(self.memory.load(world, save))
            self.present[world] = self.saves[world, save].copy()
        else:
            with pytest.raises(UnknownSave):
                self.run(self.memory.load(world, save))

    @rule()
    def restart(self) -> None:
        self.run(self.memory.close())
        self.memory = self.run(Memory.open(Path(self.folder.name)))
        self.open.clear()  # they have failed, and wrote nothing

    @rule()
    def clear_up(self) -> None:
        """What goes is what nothing leads to: every save can still be loaded, and each NPC knows what it knew."""
        self.run(self.memory.close())
        for world in self.worlds():
            collected(Path(self.folder.name), world)
            assert not collected(Path(self.folder.name), world).rows
        self.memory = self.run(Memory.open(Path(self.folder.name)))
        self.open.clear()
        kept = {text for past in (*self.present.values(), *self.saves.values()) for text, _ in past.events}
        self.said = [
            (world, key, recorded if key.client_id in kept else replace(recorded, seq=None))
            for world, key, recorded in self.said
        ]

    @rule(order=st.permutations(["one", "two"]))
    def move(self, order: list[str]) -> None:
        """Everything goes to another folder as files, and from there come the same files."""
        self.run(self.memory.close())
        before, self.folder = self.folder, tempfile.TemporaryDirectory()
        files = {world: exported(Path(before.name), world) for world in self.worlds(Path(before.name))}
        for world in [world for world in order if world in files]:
            imported(Path(self.folder.name), files[world])
        assert {world: exported(Path(self.folder.name), world) for world in files} == files
        before.cleanup()
        self.memory = self.run(Memory.open(Path(self.folder.name)))
        self.open.clear()
        self.said.clear()  # ids are remembered by the server that answered them

    def worlds(self, folder: Path | None = None) -> list[str]:
        return looked_at(folder or Path(self.folder.name), tree.worlds)

    @invariant()
    def each_npc_knows_its_own_past_and_nothing_else(self) -> None:
        for world, past in self.present.items():
            for npc in NPCS:
                lived = [text for text, witnesses in past.events if npc in witnesses]
                known = self.run(self.memory.events_for(world, npc, after=0, limit=1_000))
                assert [event.text for event in known] == lived
                assert [event.seq for event in known] == sorted(event.seq for event in known)
                newest = self.run(self.memory.events_for(world, npc, after=0, limit=2))
                assert newest == known[-2:]
                if known:
                    after = known[len(known) // 2].seq
                    rest = self.run(self.memory.events_for(world, npc, after=after, limit=1_000))
                    assert rest == known[len(known) // 2 + 1 :]
                recalled = self.run(self.memory.recall(world, npc, Question("", 1_000)))
                assert [one.event for one in recalled] == list(reversed(known))
                numbers = [str(number) for number in range(max(1, self.count - 19), self.count + 1)]
                found = self.run(self.memory.recall(world, npc, Question(" ".join(numbers), 1_000)))
                assert {event for event in known if event.text in numbers} <= {one.event for one in found} <= set(known)
                turns = self.run(self.memory.last_turns(world, npc, 1_000))
                assert [turn.heard for turn in turns] == [heard for who, heard in past.turns if who == npc]
            assert self.run(self.memory.personas(world)) == past.roles


@pytest.mark.timeout(60 + 2 * programs(30))
def test_random_programs_agree_with_copied_lists() -> None:
    run_state_machine_as_test(
        Programs,
        settings=settings(
            max_examples=programs(30),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
