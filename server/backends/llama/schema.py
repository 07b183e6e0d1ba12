"""JSON Schema to a grammar that binds a reply (llama.cpp's own converter, as llama-cpp-python carries it)."""

from __future__ import annotations

import json
from typing import Any

from server.backends.llama.native import schema_converter
from server.errors import RouteRejected

MAX_SCHEMA_CHARACTERS = 32_768
MAX_COUNT = 2_000
"""The most that `maxLength`, `minItems` and their like may say: the grammar spells every repetition out."""
MAX_GRAMMAR_CHARACTERS = 262_144
_SIMPLER = "Ask for something simpler."
_MOST_TOLD = 160
"""Characters of what the converter says: it may quote the whole schema."""
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems")


def grammar_of(schema: str) -> str:
    """The GBNF of `schema`, which is JSON text. Blocks for milliseconds.

    Raises:
        RouteRejected: it is no schema, one that the converter does not know, or one whose grammar is too large.
    """
    if len(schema) > MAX_SCHEMA_CHARACTERS:
        raise RouteRejected(f"The JSON schema is longer than {MAX_SCHEMA_CHARACTERS} characters.", _SIMPLER)
    try:
        _check(json.loads(schema))
        grammar = str(schema_converter()(schema))
    except RouteRejected:
        raise
    # The converter checks by assert and by whatever an odd schema runs into.
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError, RecursionError) as error:
        raise RouteRejected(
            f"The JSON schema cannot be made into a grammar: {(str(error) or type(error).__name__)[:_MOST_TOLD]}.",
            _SIMPLER,
        ) from error
    if len(grammar) > MAX_GRAMMAR_CHARACTERS:
        raise RouteRejected("The JSON schema makes too large a grammar.", _SIMPLER)
    return grammar


def _check(node: Any) -> None:
    """No reference leaves the document, and no count is huge.

    Raises:
        RouteRejected: one does.
    """
    if isinstance(node, list):
        for each in node:
            _check(each)
    if not isinstance(node, dict):
        return
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        raise RouteRejected("The JSON schema refers to another document.", "Put it under `$defs`.")
    for name in _COUNTS:
        count = node.get(name)
        if isinstance(count, int) and count > MAX_COUNT:
            raise RouteRejected(f"{name} of {count} in the JSON schema is more than {MAX_COUNT}.", _SIMPLER)
    for each in node.values():
        _check(each)
