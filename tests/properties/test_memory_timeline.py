from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.memory.timeline import NO_END, Branch, Reach, visible_path

STEPS = st.lists(st.one_of(st.just("write"), st.just("mark"), st.integers(0, 9), st.just("new")), max_size=40)


def test_a_lone_branch_is_seen_whole() -> None:
    assert visible_path(1, {1: Branch(1)}) == (Reach(1, NO_END),)


@given(STEPS)
def test_a_path_shows_what_copying_the_list_at_each_mark_would_show(steps: list[str | int]) -> None:
    """Writes go to the head; a number loads that mark, if it exists."""
    branches = {1: Branch(1)}
    head = 1
    log: list[tuple[int, int]] = []
    marks: list[tuple[int, int, list[int]]] = []
    now: list[int] = []
    for seq, step in enumerate(steps, 1):
        if step == "write":
            log.append((head, seq))
            now.append(seq)
        elif step == "mark":
            marks.append((head, seq, list(now)))
        elif step == "new":
            head = len(branches) + 1
            branches[head] = Branch(head)
            now = []
        elif isinstance(step, int) and step < len(marks):
            parent, parent_seq, copy = marks[step]
            head = len(branches) + 1
            branches[head] = Branch(head, parent, parent_seq)
            now = list(copy)
        path = visible_path(head, branches)
        shown = [at for reach in reversed(path) for branch, at in log if branch == reach.branch and at <= reach.up_to]
        assert shown == now
