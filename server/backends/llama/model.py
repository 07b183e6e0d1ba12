"""A loaded model and its context, over llama.cpp's low-level API. Not thread-safe: one owner, one call at a time."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from server.backends.llama.machine import has_amx

BATCH_TOKENS = 128
"""The most tokens evaluated in one call: 1.4 s of a 2.6B model on two cores, and the longest that a stop may wait."""

_NO_ROOM = 1


class EngineError(Exception):
    """llama.cpp could not do what it was asked; the message says what."""


class ContextFull(EngineError):
    """The context has no room for more tokens."""


class Model:
    """A GGUF with one context over it, held until `close`."""

    def __init__(self, binding: Any, path: str, *, context: int, threads: int, gpu_layers: int) -> None:
        """Load the file at `path` and make a context of `context` tokens.

        Raises:
            EngineError: the model cannot be loaded or the context not made, for want of memory among other reasons.
        """
        self.library = binding
        parameters = binding.llama_model_default_params()
        parameters.n_gpu_layers = gpu_layers
        parameters.use_extra_bufts = not has_amx()
        self._model = binding.llama_model_load_from_file(path.encode(), parameters)
        if not self._model:
            raise EngineError(f"llama.cpp cannot load {path}")
        self.pointer = binding.llama_init_from_model(self._model, _context_parameters(binding, context, threads))
        if not self.pointer:
            binding.llama_model_free(self._model)
            raise EngineError(f"no context of {context} tokens can be made; a smaller `context` needs less memory")
        self._vocab = binding.llama_model_get_vocab(self._model)
        self._memory = binding.llama_get_memory(self.pointer)
        self._batch = binding.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._text = ctypes.create_string_buffer(256)
        self.context = int(binding.llama_n_ctx(self.pointer))
        self.vocabulary_size = int(binding.llama_vocab_n_tokens(self._vocab))

    def decode(self, tokens: Sequence[int], position: int, sequence: int = 0) -> None:
        """Evaluate `tokens` (at most `BATCH_TOKENS`) of `sequence` from `position` on, with logits after the last one.

        Raises:
            ContextFull: nothing was evaluated, for want of room.
            EngineError: the state of the context is unknown; only `clear` is safe.
        """
        batch = self._batch
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = position + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = sequence
            batch.logits[index] = index == len(tokens) - 1
        result = int(self.library.llama_decode(self.pointer, batch))
        if result == _NO_ROOM:
            raise ContextFull(f"no room for {len(tokens)} tokens at position {position}")
        if result:
            raise EngineError(f"llama_decode failed with {result}")

    def clear(self) -> None:
        """Forget every sequence."""
        self.library.llama_memory_clear(self._memory, True)

    def piece(self, token: int) -> bytes:
        """The bytes of `token`; control tokens have none. They need not be whole UTF-8."""
        length = self._piece_length(token)
        if length < 0:
            self._text = ctypes.create_string_buffer(-length)
            length = self._piece_length(token)
        return self._text.raw[: max(length, 0)]

    def ends_reply(self, token: int) -> bool:
        """True for end-of-generation tokens, and for every other control token: nobody speaks those."""
        ends = self.library.llama_vocab_is_eog(self._vocab, token)
        return bool(ends or self.library.llama_vocab_is_control(self._vocab, token))

    def close(self) -> None:
        """Free everything native."""
        self.library.llama_batch_free(self._batch)
        self.library.llama_free(self.pointer)
        self.library.llama_model_free(self._model)

    def _piece_length(self, token: int) -> int:
        """Write the bytes of `token` to the buffer; a negative result is the size that it would need."""
        return int(self.library.llama_token_to_piece(self._vocab, token, self._text, len(self._text), 0, False))


def _context_parameters(binding: Any, context: int, threads: int) -> Any:
    parameters = binding.llama_context_default_params()
    parameters.n_ctx = context
    parameters.n_batch = BATCH_TOKENS
    parameters.n_ubatch = BATCH_TOKENS
    parameters.n_seq_max = 1
    parameters.n_threads = threads
    parameters.n_threads_batch = threads
    parameters.no_perf = True
    return parameters
