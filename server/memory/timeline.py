"""What can be seen from a branch. Pure logic; the rows are in `branches`.

A load never deletes: it opens a new branch at a mark. From a branch one sees all of it, its parent up to the mark it
began at, that parent's parent up to its own mark, and so on. A branch's parent and mark never change, and `seq` only
grows, so everything in a branch is newer than everything that is seen of its ancestors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NO_END = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch. It begins in `parent` after `parent_seq`; without a parent it begins from nothing."""

    branch: int
    parent: int | None = None
    parent_seq: int = 0


@dataclass(frozen=True, slots=True)
class Reach:
    """A stretch of a branch: all of it up to and with `up_to`."""

    branch: int
    up_to: int


VisiblePath = tuple[Reach, ...]


def visible_path(head: int, branches: Mapping[int, Branch]) -> VisiblePath:
    """What is seen from `head`, newest stretch first. `branches` holds at least the head and its ancestors."""
    path: list[Reach] = []
    at: int | None = head
    up_to = NO_END
    while at is not None:
        path.append(Reach(at, up_to))
        up_to = min(up_to, branches[at].parent_seq)
        at = branches[at].parent
    return tuple(path)
