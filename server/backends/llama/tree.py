"""A radix tree over token ids: which of the things kept is the longest beginning of a prompt."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Generic, TypeAlias, TypeVar

Tokens: TypeAlias = "array[int]"
"""Token ids; the type code is `i`."""

V = TypeVar("V")


class _Node(Generic[V]):
    """`label` leads here from the parent; `children` by the first token of their labels."""

    __slots__ = ("children", "label", "value")

    def __init__(self, label: Tokens) -> None:
        self.label = label
        self.children: dict[int, _Node[V]] = {}
        self.value: V | None = None


class PrefixTree(Generic[V]):
    """Values under token sequences. Every method takes time in the order of the sequence it is given."""

    def __init__(self) -> None:
        self._root: _Node[V] = _Node(array("i"))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, tokens: Tokens) -> V | None:
        """The value under exactly `tokens`."""
        found: V | None = None
        for length, value in self.along(tokens):
            found = value if length == len(tokens) else None
        return found

    def put(self, tokens: Tokens, value: V) -> None:
        """Keep `value` under `tokens`, in the place of what was there."""
        node, at = self._root, 0
        while at < len(tokens):
            child = node.children.get(tokens[at])
            if child is None:
                child = node.children[tokens[at]] = _Node(tokens[at:])
            elif (same := common(child.label, tokens, at)) < len(child.label):
                child = self._split(node, child, same)
            at += len(child.label)
            node = child
        self._count += node.value is None
        node.value = value

    def remove(self, tokens: Tokens) -> None:
        """Forget what is under exactly `tokens`; nothing happens where nothing is."""
        path, at = [self._root], 0
        while at < len(tokens):
            child = path[-1].children.get(tokens[at])
            if child is None or child.label != tokens[at : at + len(child.label)]:
                return
            path.append(child)
            at += len(child.label)
        self._count -= path[-1].value is not None
        path[-1].value = None
        self._tidy(path)

    def along(self, tokens: Tokens) -> Iterator[tuple[int, V]]:
        """Lengths and values of all that `tokens` begin with, shortest first, `tokens` themselves included."""
        node, at = self._root, 0
        while True:
            if node.value is not None:
                yield at, node.value
            child = node.children.get(tokens[at]) if at < len(tokens) else None
            if child is None or child.label != tokens[at : at + len(child.label)]:
                return
            at += len(child.label)
            node = child

    def below(self, tokens: Tokens) -> Iterator[V]:
        """The values of all that begin with `tokens` and go on, in no order."""
        node, at = self._root, 0
        while at < len(tokens):
            child = node.children.get(tokens[at])
            if child is None:
                return
            same = common(child.label, tokens, at)
            if at + same < len(tokens) and same < len(child.label):
                return
            at += len(child.label)
            node = child
        yield from _values(node, itself=at > len(tokens))

    def nearest(self, tokens: Tokens) -> tuple[int, Iterator[V]]:
        """How much of `tokens` anything kept begins with, and the values that do."""
        node, at = self._root, 0
        while at < len(tokens):
            child = node.children.get(tokens[at])
            if child is None:
                break
            same = common(child.label, tokens, at)
            at += same
            node = child
            if same < len(child.label):
                break
        return at, _values(node, itself=True)

    def _split(self, parent: _Node[V], child: _Node[V], at: int) -> _Node[V]:
        """Put a node between `parent` and `child`, `at` tokens along its label."""
        middle: _Node[V] = _Node(child.label[:at])
        child.label = child.label[at:]
        middle.children[child.label[0]] = child
        parent.children[middle.label[0]] = middle
        return middle

    def _tidy(self, path: list[_Node[V]]) -> None:
        """Take away the end of `path` where it leads nowhere, and join what no longer branches."""
        while len(path) > 1 and path[-1].value is None and not path[-1].children:
            gone = path.pop()
            del path[-1].children[gone.label[0]]
        last = path[-1]
        if len(path) > 1 and last.value is None and len(last.children) == 1:
            (child,) = last.children.values()
            child.label = last.label + child.label
            path[-2].children[last.label[0]] = child


def common(label: Tokens, tokens: Tokens, at: int) -> int:
    """How many tokens of `label` are those of `tokens` from `at` on. Slices compare in C, so this bisects."""
    low, high = 0, min(len(label), len(tokens) - at)
    if label[:high] == tokens[at : at + high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if label[low:middle] == tokens[at + low : at + middle]:
            low = middle
        else:
            high = middle
    return low


def _values(node: _Node[V], *, itself: bool) -> Iterator[V]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if each.value is not None and (itself or each is not node):
            yield each.value
        waiting.extend(each.children.values())
