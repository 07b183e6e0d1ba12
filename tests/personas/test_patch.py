from typing import Any

import pytest

from server.errors import PersonaError
from server.personas.patch import MAX_DEPTH, generic, merged, patched
from server.personas.persona import Persona, SamplingOverride

TAM = Persona(
    id="tam",
    name="Tam",
    core="You keep goats.",
    knowledge=("Goats bite.",),
    relations={"bo": "Your cousin.", "cy": "Owes you a goat."},
    sampling=SamplingOverride(temperature=0.5),
)


@pytest.mark.parametrize(
    ("persona_id", "name", "expected"),
    [
        ("old_tom", None, "Old Tom"),
        ("guard-7", None, "Guard 7"),
        ("x", "  Sir Ambrel ", "Sir Ambrel"),
        ("x", "   ", "X"),
        ("_", None, "_"),
        ("x", "n" * 200, "n" * 64),
    ],
)
def test_an_unknown_npc_gets_a_name(persona_id: str, name: str | None, expected: str) -> None:
    persona = generic(persona_id, name)
    assert (persona.id, persona.name) == (persona_id, expected)
    assert persona.core


def test_a_patch_changes_what_it_names_and_nothing_else() -> None:
    made = patched(
        TAM, "tam", {"name": "Tam the Elder", "knowledge": ["Goats swim."], "relations": {"bo": "Your wife."}}
    )
    assert made == TAM.model_copy(
        update={
            "name": "Tam the Elder",
            "knowledge": ("Goats swim.",),
            "relations": {"bo": "Your wife.", "cy": "Owes you a goat."},
        }
    )


def test_null_takes_a_field_back_to_its_default() -> None:
    made = patched(TAM, "tam", {"knowledge": None, "relations": {"cy": None}, "sampling": None})
    assert (made.knowledge, made.relations, made.sampling) == ((), {"bo": "Your cousin."}, SamplingOverride())


def test_an_empty_patch_changes_nothing() -> None:
    assert patched(TAM, "tam", {}) == TAM


def test_a_patch_defines_an_unknown_npc() -> None:
    made = patched(None, "fay", {"core": "You dance."})
    assert (made.id, made.name, made.core) == ("fay", "Fay", "You dance.")
    assert patched(None, "fay", {"name": "Fay Ann"}).core == generic("fay").core


@pytest.mark.parametrize(
    ("patch", "message", "hint"),
    [
        ({"knowlege": ["x"]}, "tam: knowlege: unknown key", "did you mean 'knowledge'?"),
        ({"authored": {"greeting": ["x"]}}, "tam: authored.greeting: unknown key", "did you mean 'greetings'?"),
        ({"sampling": {"temperature": 9}}, "tam: sampling.temperature: must be at most 2", ""),
        ({"name": None}, "tam: name: is missing", ""),
        ({"name": 5, "core": 5}, "and 1 more", ""),
        ({"id": "bo"}, "tam: id: a patch cannot change it", ""),
        ({"core": "x" * 4_001}, "tam: core: is longer than 4000 characters", ""),
    ],
)
def test_a_wrong_patch_is_explained(patch: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(PersonaError) as refused:
        patched(TAM, "tam", patch)
    assert message in refused.value.message
    assert hint in refused.value.hint


def test_a_deep_patch_is_refused() -> None:
    patch: dict[str, Any] = {}
    for _ in range(MAX_DEPTH + 1):
        patch = {"authored": patch}
    with pytest.raises(PersonaError, match="nested"):
        patched(TAM, "tam", patch)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": "foo"}, ["c"], ["c"]),
    ],
)
def test_merging_follows_the_examples_of_rfc_7396(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result
