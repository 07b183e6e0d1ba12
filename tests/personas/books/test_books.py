"""Lorebooks: the files they come in, and which entries a conversation brings up."""

from __future__ import annotations

import time
from typing import Any

import pytest

from server.errors import CardError
from server.personas.books import decorators
from server.personas.books.book import Book, Decorators, Logic, Position
from server.personas.books.compiled import Books
from server.personas.books.keys import MAX_PATTERNS, Key, KeyFinder, compiled, key_of
from server.personas.books.read import is_book, of_card, read
from server.personas.books.scan import Found, Talk, chance, scan


def entry(content: str = "A.", *keys: str, **fields: Any) -> dict[str, Any]:
    top = {
        name: fields.pop(name) for name in TOP & fields.keys() if name != "position" or isinstance(fields[name], str)
    }
    return {"keys": list(keys), "content": content, "enabled": True, "extensions": fields, **top}


TOP = {
    "id",
    "constant",
    "selective",
    "secondary_keys",
    "insertion_order",
    "priority",
    "enabled",
    "use_regex",
    "case_sensitive",
    "position",
}


def book(*entries: dict[str, Any], **fields: Any) -> Book:
    return of_card({"entries": [{"id": at, **each} for at, each in enumerate(entries)], **fields}, "b")


def look(lore: Book, *messages: str, room: int = 1_000, **fields: Any) -> Found:
    said = {"count": len(messages), "replies": 0, "seed": "w/t1", **fields}
    talk = Talk(messages=tuple(("", message) for message in messages), **said)
    return scan(Books([lore], "Hilda", "Bram"), talk, room, lambda text: len(text.split()))


def ids(found: Found) -> list[str]:
    return [each.id.removeprefix("b/") for each in found.entries]


def why(found: Found, name: str) -> str:
    return next(each.why for each in found.verdicts if each.entry == f"b/{name}")


@pytest.mark.parametrize(
    ("key", "said", "fields", "comes"),
    [
        ("eel", "EELS are here", {}, True),
        ("eel", "EELS are here", {"case_sensitive": True}, False),
        ("eel", "eels", {"match_whole_words": True}, False),
        ("eel", "an eel.", {"match_whole_words": True}, True),
        ("кот", "который", {"match_whole_words": True}, False),
        ("кот", "Кот!", {"match_whole_words": True}, True),
        ("猫", "黒猫が", {"match_whole_words": True}, True),
        ("old eel", "bold eels", {"match_whole_words": True}, True),
        ("/e{2}l\\b/i", "An EEL", {}, True),
        ("/e{2}l\\b/", "An EEL", {}, False),
        ("/(/", "this /(/ is said", {}, True),
        ("/(/", "this /(/ is said", {"use_regex": True}, False),
        ("straße", "STRASSE", {}, True),
        ("{{char}}", "ask hilda", {}, True),
        ("{{user}}", "ask bram", {}, True),
    ],
)
def test_keys(key: str, said: str, fields: dict[str, Any], comes: bool) -> None:
    assert bool(ids(look(book(entry("A.", key, **fields)), said))) == comes


@pytest.mark.parametrize(
    ("logic", "said", "comes"),
    [
        (Logic.AND_ANY, "a b", True),
        (Logic.AND_ANY, "a", False),
        (Logic.AND_ALL, "a b", False),
        (Logic.AND_ALL, "a b c", True),
        (Logic.NOT_ALL, "a b", True),
        (Logic.NOT_ALL, "a b c", False),
        (Logic.NOT_ANY, "a", True),
        (Logic.NOT_ANY, "a c", False),
    ],
)
def test_secondary_keys(logic: Logic, said: str, comes: bool) -> None:
    lore = book(entry("A.", "a", selective=True, secondary_keys=["b", "c"], selectiveLogic=int(logic)))
    assert bool(ids(look(lore, said))) == comes


def test_secondary_keys_count_only_where_the_entry_is_selective() -> None:
    assert ids(look(book(entry("A.", "a", secondary_keys=["b"])), "a")) == ["0"]


@pytest.mark.parametrize(("depth", "comes"), [(0, False), (1, False), (2, False), (3, True)])
def test_scan_depth(depth: int, comes: bool) -> None:
    lore = book(entry("A.", "eel"), scan_depth=depth)
    assert bool(ids(look(lore, "one", "two", "eel"))) == comes
    assert bool(ids(look(book(entry("A.", "eel", scan_depth=depth)), "one", "two", "eel"))) == comes


def test_a_key_does_not_match_across_two_messages() -> None:
    assert ids(look(book(entry("A.", "eel pie")), "pie", "eel")) == []


def test_one_entry_brings_up_another_where_the_book_says_so() -> None:
    chain = [entry("Of fog.", "eel"), entry("Of rain.", "fog"), entry("Of sun.", "rain")]
    assert ids(look(book(*chain), "eel")) == ["0"]
    assert ids(look(book(*chain, recursive_scanning=True), "eel")) == ["0", "1", "2"]
    own = {"barkeep": {"max_recursion_steps": 2}}
    assert ids(look(book(*chain, recursive_scanning=True, extensions=own), "eel")) == ["0", "1"]
    chain[1]["extensions"] = {"exclude_recursion": True}
    assert ids(look(book(*chain, recursive_scanning=True), "eel")) == ["0"]
    chain[1]["extensions"] = {"prevent_recursion": True}
    assert ids(look(book(*chain, recursive_scanning=True), "eel")) == ["0", "1"]
    chain[2]["extensions"] = {"delay_until_recursion": True}
    assert ids(look(book(*chain, recursive_scanning=True), "eel rain")) == ["0", "1", "2"]
    assert ids(look(book(*chain), "rain")) == []


def test_a_hidden_key_brings_up_another_and_is_not_told() -> None:
    found = look(book(entry("Of it.{{hidden_key:fog}}", "eel"), entry("B.", "fog"), recursive_scanning=True), "eel")
    assert [each.text for each in found.entries] == ["Of it.", "B."]


def test_too_few_entries_make_it_look_further_back() -> None:
    lore = book(entry("A.", "eel"), scan_depth=1, extensions={"barkeep": {"min_activations": 1}})
    assert ids(look(lore, "one", "two", "eel")) == ["0"]
    assert ids(look(book(entry("A.", "eel"), scan_depth=1), "one", "two", "eel")) == []


def test_sticky_cooldown_and_delay_count_messages() -> None:
    lore = book(entry("A.", "eel", sticky=4, cooldown=4), entry("B.", "eel", delay=5))
    assert ids(look(lore, "eel", count=1)) == ["0"]
    assert ids(look(lore, "eel", count=5)) == ["0", "1"]
    told = {"b/0": 1}
    assert ids(look(lore, "fog", count=5, told=told)) == ["0"]
    cooling = look(lore, "eel", count=7, told=told)
    assert ids(cooling) == ["1"]
    assert why(cooling, "0") == "it was told not long ago"
    assert ids(look(lore, "eel", count=11, told=told)) == ["0", "1"]


def test_what_stands_in_the_prompt_is_not_told_again_but_counts() -> None:
    lore = book(entry("Of fog.", "eel"), entry("B.", "fog"), recursive_scanning=True)
    found = look(lore, "eel", standing=frozenset({"b/0"}))
    assert ids(found) == ["1"]
    assert [(each.entry, each.outcome) for each in found.verdicts] == [("b/0", "standing"), ("b/1", "told")]


def test_chance_is_that_of_the_turn() -> None:
    lore = book(entry("A.", "eel", probability=50))
    seeds = [f"w/t{number}" for number in range(400)]
    came = [bool(ids(look(lore, "eel", seed=seed))) for seed in seeds]
    assert came == [bool(ids(look(lore, "eel", seed=seed))) for seed in seeds]
    assert 150 < sum(came) < 250
    assert ids(look(book(entry("A.", "eel", probability=0)), "eel")) == []
    assert ids(look(book(entry("A.", "eel", probability=0, useProbability=False)), "eel")) == ["0"]
    assert ids(look(book(entry("A.", "eel", probability=0, sticky=9)), "", count=3, told={"b/0": 1})) == ["0"]
    assert {chance(seed, 2) for seed in seeds} == {0, 1}


def test_of_a_group_one_goes_in() -> None:
    both = [entry("A.", "eel", group="g", group_weight=300), entry("B.", "eel", group="g", group_weight=100)]
    won = [ids(look(book(*both), "eel", seed=str(number))) for number in range(400)]
    assert all(len(each) == 1 for each in won)
    assert 260 < won.count(["0"]) < 340
    both[1]["extensions"]["group_override"] = True
    assert ids(look(book(*both), "eel")) == ["1"]
    score = [entry("A.", "eel", group="g"), entry("B.", "eel", "pie", group="g", use_group_scoring=True)]
    score[0]["extensions"]["use_group_scoring"] = True
    assert {tuple(ids(look(book(*score), "eel pie", seed=str(number)))) for number in range(20)} == {("1",)}
    assert "another of the group" in why(look(book(*score), "eel pie"), "0")


def test_the_budget_is_exact_constants_first_and_a_smaller_one_still_fits() -> None:
    lore = book(
        entry("one two three", "eel", insertion_order=1),
        entry("one two three four", "eel", insertion_order=90),
        entry("one two", constant=True, delay=1, insertion_order=0),
        entry("one", "eel", insertion_order=2, priority=-1),
    )
    found = look(lore, "eel", room=7)
    assert ids(found) == ["2", "3", "1"]
    assert sum(len(each.text.split()) for each in found.entries) == 7
    assert why(found, "0") == "the room for lore was full"
    tight = look(book(entry("one two", "eel"), entry("one", "eel"), token_budget=1), "eel")
    assert ids(tight) == ["1"]
    assert "budget of 1 tokens" in why(tight, "0")
    assert ids(look(book(entry("one two", "eel", ignore_budget=True), token_budget=1), "eel")) == ["0"]


def test_entries_stand_by_position_depth_and_order() -> None:
    lore = book(
        entry("A.", "eel", position=4, depth=0),
        entry("B.", "eel", position=4, depth=9),
        entry("C.", "eel", position="after_char", insertion_order=5),
        entry("D.", "eel", position="before_char"),
        entry("E.", "eel", position="after_char", insertion_order=1),
    )
    assert [each.text for each in look(lore, "eel").entries] == ["D.", "E.", "C.", "B.", "A."]


def test_disabled_empty_and_keyless_entries_add_nothing() -> None:
    lore = book(entry("A.", "eel", enabled=False), entry("", "eel"), entry("C."), entry("@@depth 3", "eel"))
    assert ids(look(lore, "eel")) == []


@pytest.mark.parametrize(("excluded", "comes"), [(False, False), (True, True)])
def test_entries_for_others(excluded: bool, comes: bool) -> None:
    lore = book(entry("A.", "eel", character_filter={"names": ["Ansel"], "isExclude": excluded}))
    assert bool(ids(look(lore, "eel", names=frozenset({"hilda"})))) == comes
    assert bool(ids(look(lore, "eel", names=frozenset({"ansel"})))) != comes


@pytest.mark.parametrize(
    ("head", "fields", "comes"),
    [
        ("@@activate", {"messages": ()}, True),
        ("@@dont_activate", {}, False),
        ("@@activate_only_after 2", {"replies": 1}, False),
        ("@@activate_only_after 2", {"replies": 2}, True),
        ("@@activate_only_every 3", {"replies": 4}, False),
        ("@@activate_only_every 3", {"replies": 6}, True),
        ("@@additional_keys fog,rain", {}, False),
        ("@@additional_keys fog,pie", {}, True),
        ("@@additional_keys pie\n@@additional_keys fog", {}, False),
        ("@@exclude_keys pie", {}, False),
        ("@@exclude_keys fog", {}, True),
        ("@@is_greeting 1", {}, False),
        ("@@is_user_icon x", {}, True),
        ("@@scan_depth 0", {}, False),
        ("@@dont_activate_after_match", {"told": {"b/0": 1}}, False),
        ("@@keep_activate_after_match", {"told": {"b/0": 1}, "messages": ()}, True),
        ("@@unknown\n@@@dont_activate", {}, False),
        ("@@depth x\n@@@unknown\n@@@dont_activate", {}, False),
        ("@@depth 2\n@@@dont_activate", {}, True),
    ],
)
def test_decorators(head: str, fields: dict[str, Any], comes: bool) -> None:
    messages = fields.pop("messages", ("eel pie",))
    found = look(book(entry(f"{head}\nA.", "eel")), *messages, **{"count": 9, **fields})
    assert [each.text for each in found.entries] == (["A."] if comes else [])


def test_a_pattern_of_v3_stands_alone_and_sillytaverns_does_not() -> None:
    alone = entry("A.", "/e+l/", secondary_keys=["pie"], selective=True, constant=True, use_regex=True)
    assert ids(look(book(alone), "fog")) == []
    assert ids(look(book(alone), "eel")) == ["0"]
    alone["extensions"] = {"selectiveLogic": 0}
    assert ids(look(book(alone), "fog")) == ["0"]
    assert ids(look(book({**alone, "constant": False}), "eel")) == []
    assert ids(look(book({**alone, "constant": False}), "eel pie")) == ["0"]


def test_an_entry_for_other_generations_stays_out() -> None:
    assert ids(look(book(entry("A.", "eel", triggers=["impersonate"])), "eel")) == []
    assert ids(look(book(entry("A.", "eel", triggers=["swipe", "normal"])), "eel")) == ["0"]
    assert ids(look(book(entry("A.", "eel", triggers=[])), "eel")) == ["0"]


def test_a_broken_pattern_in_a_decorator_never_matches_where_keys_are_patterns() -> None:
    said = "@@additional_keys /[/\nA."
    assert ids(look(book(entry(said, "/eel/", use_regex=True)), "eel /[/")) == []
    assert ids(look(book(entry(said, "eel")), "eel /[/")) == ["0"]


def test_decorators_are_lines_at_the_head_alone() -> None:
    said, text = decorators.split("\n@@depth 3\n@@depth 4\n\n@@role user\n\nA.\n@@role system")
    assert said == Decorators(depth=3, role="user")
    assert text == "A.\n@@role system"
    assert book(entry("@@depth 3\nA.", "x")).entries[0].position is Position.AT_DEPTH


def test_what_is_always_in_stands_with_the_persona() -> None:
    lore = book(entry("B.", constant=True, insertion_order=2), entry("A.", constant=True, insertion_order=1))
    assert lore.standing == ("A.", "B.")
    assert book(entry("B.", constant=True, probability=50)).standing == ()


WORLD = {"key": ["eel"], "keysecondary": ["pie"], "content": "A.", "selective": True, "selectiveLogic": 3, "order": 4}
FILES: dict[str, dict[str, Any]] = {
    "sillytavern": {"entries": {"3": {**WORLD, "uid": 3, "disable": False, "scanDepth": 5, "matchWholeWords": True}}},
    "novel": {
        "lorebookVersion": 5,
        "entries": [
            {"id": "n", "keys": ["eel"], "text": "A.", "enabled": True, "contextConfig": {"budgetPriority": 4}}
        ],
    },
    "agnai": {
        "kind": "memory",
        "name": "Quay",
        "entries": [{"name": "e", "entry": "A.", "keywords": ["eel"], "enabled": True, "weight": 4, "priority": 2}],
    },
    "risu": {
        "type": "risu",
        "ver": 1,
        "data": [{"key": "eel, pie", "content": "A.", "insertorder": 4, "mode": "normal"}],
    },
    "v3": {"spec": "lorebook_v3", "data": {"entries": [{**entry("A.", "eel"), "insertion_order": 4}]}},
}


@pytest.mark.parametrize("kind", FILES)
def test_files_of_other_programs(kind: str) -> None:
    raw = FILES[kind]
    assert is_book(raw)
    [found] = read(raw, "b").entries
    assert (found.keys[0], found.content, found.order, found.enabled) == ("eel", "A.", 4, True)
    if kind == "sillytavern":
        assert (found.secondary, found.logic, found.scan_depth, found.whole_words) == (("pie",), Logic.AND_ALL, 5, True)


def test_what_is_no_book_is_refused() -> None:
    assert not is_book({"name": "x"})
    with pytest.raises(CardError, match="no lorebook"):
        read({"name": "x"}, "b")
    with pytest.raises(CardError, match="more than 10,000"):
        of_card({"entries": [{}] * 10_001}, "b")
    assert of_card(
        {"entries": [1, None, {"keys": 5, "content": {}, "extensions": [], "insertion_order": "x"}]}, "b"
    ).entries


@pytest.mark.parametrize("pattern", ["/(a+)+$/", "/(?e)(?:abcdefgh){e<=6}/", "/(a|aa)+$/"])
def test_a_pattern_that_takes_too_long_is_given_up(pattern: str) -> None:
    key = key_of(pattern, case_sensitive=False, whole_words=False, strict=False)
    assert key is not None
    finder = KeyFinder([key, Key("fog")])
    began = time.perf_counter()
    for number in range(20):
        assert 1 in finder.found("a" * 3_000 + f"b fog {number}")
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    "pattern",
    [
        "/a{1000000}/",
        "/(?:a|b){,65535}/",
        "/" + "(" * 100 + "/",
        "/\\L<x>/",
        "/[/",
        "/((x{99}){99}){99}/",
        "/(ab{999}){0,999}/",
    ],
)
def test_patterns_that_cannot_be_are_not_compiled(pattern: str) -> None:
    assert compiled(pattern) is None


def test_of_too_many_patterns_only_the_first_are_compiled() -> None:
    lore = book(*(entry(f"Of {number}.", f"/w{number}b+/") for number in range(1_200)))
    ready = Books([lore], "Hilda", "Bram")
    assert len(ready.ready) == 1_200
    assert sum(key.is_pattern for key in ready.finder.numbers) == MAX_PATTERNS


def test_a_message_made_of_finds_ends() -> None:
    finder = KeyFinder(Key("a" * length) for length in range(1, 257))
    began = time.perf_counter()
    assert finder.found("a" * 100_000)
    assert time.perf_counter() - began < 1


def test_a_thousand_entries_cost_what_the_messages_cost_and_not_the_book() -> None:
    """The scan touches the entries whose keys were said, and no other."""
    lore = book(*(entry(f"Of word{number}.", f"word{number}x") for number in range(1_000)))
    looked: list[str] = []

    def counted(text: str) -> int:
        looked.append(text)
        return 1

    talk = Talk(tuple(("", f"say word{number}x") for number in range(20)), 20, 0, "s")
    found = scan(Books([lore], "Hilda", "Bram"), talk, 1_000, counted)
    assert ids(found) == ["0", "1"]
    assert looked == ["Of word0.", "Of word1."]
