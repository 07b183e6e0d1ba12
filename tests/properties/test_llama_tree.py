from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from server.backends.llama.tree import PrefixTree, common

SHORT = st.lists(st.integers(0, 2), max_size=8).map(tuple)
CHANGES = st.lists(st.tuples(st.booleans(), SHORT), max_size=40)


def tokens(values: tuple[int, ...]) -> array[int]:
    return array("i", values)


def grown(changes: list[tuple[bool, tuple[int, ...]]]) -> tuple[PrefixTree[tuple[int, ...]], set[tuple[int, ...]]]:
    """A tree after some puts and removes, and what it should hold."""
    tree: PrefixTree[tuple[int, ...]] = PrefixTree()
    held: set[tuple[int, ...]] = set()
    for put, key in changes:
        if put:
            tree.put(tokens(key), key)
            held.add(key)
        else:
            tree.remove(tokens(key))
            held.discard(key)
    return tree, held


@given(CHANGES, SHORT)
def test_it_holds_what_was_put_and_not_removed(
    changes: list[tuple[bool, tuple[int, ...]]], key: tuple[int, ...]
) -> None:
    tree, held = grown(changes)
    assert tree.get(tokens(key)) == (key if key in held else None)
    assert len(tree) == len(held)


@given(CHANGES, SHORT)
def test_along_a_prompt_lie_its_beginnings_shortest_first(
    changes: list[tuple[bool, tuple[int, ...]]], key: tuple[int, ...]
) -> None:
    tree, held = grown(changes)
    expected = [(n, key[:n]) for n in range(len(key) + 1) if key[:n] in held]
    assert list(tree.along(tokens(key))) == expected


@given(CHANGES, SHORT)
def test_below_lies_what_goes_on(changes: list[tuple[bool, tuple[int, ...]]], key: tuple[int, ...]) -> None:
    tree, held = grown(changes)
    assert sorted(tree.below(tokens(key))) == sorted(each for each in held if each[: len(key)] == key and each != key)


@given(CHANGES, SHORT)
def test_the_nearest_have_the_most_in_common(changes: list[tuple[bool, tuple[int, ...]]], key: tuple[int, ...]) -> None:
    tree, held = grown(changes)
    shared = {each: common(tokens(each), tokens(key), 0) for each in held}
    most = max(shared.values(), default=0)
    length, values = tree.nearest(tokens(key))
    assert length == most
    assert sorted(values) == sorted(each for each in held if shared[each] == most)


@given(CHANGES)
def test_an_emptied_tree_is_like_a_new_one(changes: list[tuple[bool, tuple[int, ...]]]) -> None:
    tree, held = grown(changes)
    for key in held:
        tree.remove(tokens(key))
    assert len(tree) == 0
    assert not tree._root.children


@given(SHORT, SHORT, st.integers(0, 8))
def test_common_counts_what_is_alike(label: tuple[int, ...], other: tuple[int, ...], at: int) -> None:
    at = min(at, len(other))
    pairs = zip(label, other[at:], strict=False)
    expected = next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(label), len(other) - at))
    assert common(tokens(label), tokens(other), at) == expected
