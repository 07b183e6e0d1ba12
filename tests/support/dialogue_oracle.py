"""What dialogue may know: timelines of tagged words, told by what was asked and not by what the server made of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from server.memory.records import NewEvent, Recorded, TurnRecord
from server.memory.store import Memory

TAG = re.compile(r"\bq[a-z]\d+[a-z]?\b")


def tags(text: str) -> set[str]:
    return set(TAG.findall(text))


class AtOnce:
    """An executor without threads: on virtual time the database takes none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def submit(self, work: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, **kwargs: Any) -> None:
        pass


@dataclass
class Branch:
    parent: Branch | None = None
    up_to: int = 0
    own: list[tuple[frozenset[str], frozenset[str]]] = field(default_factory=list)

    def known_to(self, npc: str) -> set[str]:
        """Every tag that `npc` witnessed, seen from the end of this branch."""
        known: set[str] = set()
        branch, up_to = self, len(self.own)
        while True:
            for tagged, witnesses in branch.own[:up_to]:
                known |= tagged if npc in witnesses else set()
            if branch.parent is None:
                return known
            branch, up_to = branch.parent, branch.up_to


@dataclass
class Asked:
    """What the client asked for last: who is to hear its words, and the answers to them."""

    world: str
    witnesses: frozenset[str] = frozenset()
    told: str = ""


@dataclass
class Oracle:
    """Watches what memory is given, in the order in which it is committed."""

    asked: Asked = field(default_factory=lambda: Asked(""))
    branches: dict[str, list[Branch]] = field(default_factory=dict)
    marks: dict[tuple[str, str], tuple[Branch, int]] = field(default_factory=dict)
    turns: dict[str, tuple[Branch, frozenset[str], Asked]] = field(default_factory=dict)
    branch_of: dict[str, Branch] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)

    def expect_known(self, told: set[str], known: set[str], npc: str) -> None:
        """Note what stands in a prompt of `npc` against the rules; an assertion there would only fail that turn."""
        if not told <= known:
            self.leaks.append(f"{npc} was told of {sorted(told - known)}")

    def head(self, world: str) -> Branch:
        return self.branches.setdefault(world, [Branch()])[-1]

    def ever_known(self, world: str, npc: str) -> set[str]:
        """What `npc` knew in any branch of `world`."""
        return set().union(*(branch.known_to(npc) for branch in self.branches.get(world, ())))

    def watch(self, memory: Memory) -> None:
        """Database work is done at once, so what is noted before a call is noted in the order of commits."""
        record, commit, save, load = memory.record, memory.commit_turn, memory.save, memory.load

        async def watched_record(world: str, session: str, event: NewEvent | None, *rest: Any) -> Recorded:
            asked, branch = self.asked, self.head(world)
            assert asked.world == world
            if event is not None:
                branch.own.append((frozenset(tags(event.text)), asked.witnesses))
            recorded = await record(world, session, event, *rest)
            assert not recorded.repeated
            for turn, npc in recorded.turns:
                self.turns[turn] = branch, asked.witnesses | {npc}, asked
                if event is None:  # a cue is known to whom it is given
                    branch.own.append((frozenset(tags(asked.told)), frozenset({npc})))
            self.branch_of.update(dict.fromkeys(tags(asked.told), branch))
            return recorded

        async def watched_commit(ended: TurnRecord, line: NewEvent | None) -> int | None:
            branch, witnesses, _ = self.turns[ended.turn]
            branch.own.append((frozenset(tags(ended.heard)), witnesses))
            self.lines[ended.turn] = "" if line is None else line.text
            return await commit(ended, line)

        async def watched_save(world: str, name: str, *rest: Any) -> bool:
            self.marks[world, name] = self.head(world), len(self.head(world).own)
            return await save(world, name, *rest)

        async def watched_load(world: str, name: str | None, *rest: Any) -> bool:
            if name is None or (world, name) in self.marks:
                branch = Branch(*(self.marks[world, name] if name is not None else ()))
                self.branches.setdefault(world, [Branch()]).append(branch)
            return await load(world, name, *rest)

        memory.record = watched_record  # type: ignore[assignment, method-assign]  # for this test's memory alone
        memory.commit_turn = watched_commit  # type: ignore[assignment, method-assign]  # as above
        memory.save = watched_save  # type: ignore[assignment, method-assign]  # as above
        memory.load = watched_load  # type: ignore[assignment, method-assign]  # as above
