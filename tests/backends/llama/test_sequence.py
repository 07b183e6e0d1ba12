from __future__ import annotations

import ctypes

import pytest

from server.backends.llama.model import BATCH_TOKENS, ContextFull, EngineError, Model
from server.backends.llama.sequence import TokenSequence

pytestmark = pytest.mark.engine


def logits(model: Model) -> list[float]:
    pointer = model.library.llama_get_logits_ith(model.pointer, -1)
    return list(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float * model.vocabulary_size)).contents)


def put(sequence: TokenSequence, prompt: list[int], chunk: int = BATCH_TOKENS) -> list[int]:
    sequence.begin(prompt)
    return list(sequence.read(prompt, chunk))


PROMPT = [20 + index % 90 for index in range(300)]


def test_an_extension_needs_only_its_new_tokens(model: Model) -> None:
    sequence = TokenSequence(model)
    put(sequence, PROMPT[:100])
    assert sequence.begin(PROMPT) == 100
    assert sequence.tokens == tuple(PROMPT[:100])


@pytest.mark.parametrize("other", [[*PROMPT[:50], 30, *PROMPT[51:]], PROMPT[:99], [99, *PROMPT]])
def test_anything_else_starts_from_nothing(model: Model, other: list[int]) -> None:
    sequence = TokenSequence(model)
    put(sequence, PROMPT[:100])
    assert sequence.begin(other) == 0
    assert sequence.tokens == ()


def test_the_same_prompt_again_needs_nothing_and_its_logits_are_at_hand(model: Model) -> None:
    sequence = TokenSequence(model)
    put(sequence, PROMPT)
    before = logits(model)
    assert sequence.begin(PROMPT) == len(PROMPT)
    assert put(sequence, PROMPT) == []
    assert logits(model) == before


def test_however_a_prompt_is_cut_the_next_token_is_as_likely(model: Model) -> None:
    found = []
    for chunk in (BATCH_TOKENS, 32, 7):
        sequence = TokenSequence(model)
        sequence.clear()
        put(sequence, PROMPT[:123], chunk)
        put(sequence, PROMPT, chunk)
        found.append(logits(model))
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=0.02)


def test_progress_counts_what_is_in_the_context(model: Model) -> None:
    sequence = TokenSequence(model)
    put(sequence, PROMPT[:10])
    assert put(sequence, PROMPT, 128) == [138, 266, 300]


def test_reading_may_stop_between_chunks_and_go_on_later(model: Model) -> None:
    sequence = TokenSequence(model)
    sequence.begin(PROMPT)
    next(sequence.read(PROMPT, 64))
    assert sequence.begin(PROMPT) == 64
    assert list(sequence.read(PROMPT, 128)) == [192, 300]


def test_a_full_context_evaluates_nothing_and_keeps_what_it_has(model: Model) -> None:
    sequence = TokenSequence(model)
    with pytest.raises(ContextFull):
        put(sequence, [30] * (model.context + 1))
    held = len(sequence.tokens)
    assert held == model.context // BATCH_TOKENS * BATCH_TOKENS
    assert sequence.begin([30] * held) == held


def test_a_token_that_does_not_exist_clears_the_sequence(model: Model) -> None:
    sequence = TokenSequence(model)
    put(sequence, PROMPT)
    with pytest.raises(EngineError, match="llama_decode"):
        sequence.append([10**6])
    assert sequence.tokens == ()
    assert put(sequence, PROMPT)[-1] == len(PROMPT)


def test_a_model_that_cannot_be_loaded_says_so(model: Model) -> None:
    with pytest.raises(EngineError, match="cannot load"):
        Model(model.library, "/nowhere.gguf", context=512, threads=1, gpu_layers=0)


@pytest.mark.parametrize(("token", "ends"), [(1, True), (7, True), (10, True), (14, False), (120, False)])
def test_control_tokens_end_a_reply_and_say_nothing(model: Model, token: int, ends: bool) -> None:
    assert model.ends_reply(token) is ends
    assert bool(model.piece(token)) is not ends
