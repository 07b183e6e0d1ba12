"""A loaded model and its context, over llama.cpp's low-level API. Not thread-safe: one owner, one call at a time."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from server.backends.llama.machine import has_amx
from server.backends.llama.pipe import Frame

MAX_SEQUENCES = 256
"""llama.cpp's own limit (LLAMA_MAX_SEQ)."""

_NO_ROOM = 1
_BAD_INPUT = -1
_KV_TYPES = {"f32": "GGML_TYPE_F32", "f16": "GGML_TYPE_F16", "q8_0": "GGML_TYPE_Q8_0", "q4_0": "GGML_TYPE_Q4_0"}
_FLASH = {"auto": -1, "off": 0, "on": 1}  # enum llama_flash_attn_type


class EngineError(Exception):
    """llama.cpp could not do what it was asked; the message says what."""


class ContextFull(EngineError):
    """The context has no room for more tokens; nothing was evaluated."""


class ContextLost(EngineError):
    """An evaluation failed in the middle: what any sequence holds is unknown, and only `clear` is safe."""


@dataclass(frozen=True, slots=True)
class ContextSettings:
    """How a context is made. `context` and `batch` in tokens; `flash_attention` is `auto`, `on` or `off`.

    A quantised `kv_type` needs flash attention, and a head size that is a multiple of 32.
    """

    context: int
    threads: int
    sequences: int = 64
    batch: int = 512
    kv_type: str = "f16"
    flash_attention: str = "auto"

    @classmethod
    def from_frame(cls, frame: Frame) -> ContextSettings:
        """What a `load` frame asks for; what it leaves out has its default."""
        names = ("sequences", "batch", "kv_type", "flash_attention")
        given = {name: frame[name] for name in names if frame.get(name) is not None}
        if given.get("flash_attention", "auto") == "auto":
            given["flash_attention"] = _best_attention(frame)
        return cls(context=frame["context"], threads=frame["threads"], **given)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tokens to evaluate next in one sequence, from `position` on."""

    sequence: int
    position: int
    tokens: Sequence[int]


class Model:
    """A GGUF with one context over it, held until `close`. Sequences are numbers below `sequences`."""

    def __init__(self, binding: Any, path: str, settings: ContextSettings, *, gpu_layers: int = 0) -> None:
        """Load the file at `path` and make a context.

        Raises:
            EngineError: the model cannot be loaded or the context not made, for want of memory among other reasons.
        """
        self.library = binding
        parameters = binding.llama_model_default_params()
        parameters.n_gpu_layers = gpu_layers
        parameters.use_extra_bufts = not has_amx()
        wanted = _context_parameters(binding, settings)
        self._model = binding.llama_model_load_from_file(path.encode(), parameters)
        if not self._model:
            raise EngineError(f"llama.cpp cannot load {path}")
        self.pointer = binding.llama_init_from_model(self._model, wanted)
        if not self.pointer:
            binding.llama_model_free(self._model)
            raise EngineError(f"no context of {settings.context} tokens can be made; a smaller one needs less memory")
        self.vocab = binding.llama_model_get_vocab(self._model)
        self._memory = binding.llama_get_memory(self.pointer)
        self.context = int(binding.llama_n_ctx(self.pointer))
        self.batch = int(binding.llama_n_batch(self.pointer))
        self.sequences = int(binding.llama_n_seq_max(self.pointer))
        self.vocabulary_size = int(binding.llama_vocab_n_tokens(self.vocab))
        self.eos = int(binding.llama_vocab_eos(self.vocab))
        self._batch = binding.llama_batch_init(self.batch, 0, 1)
        self._text = ctypes.create_string_buffer(256)
        self.can_cut = self._try_to_cut()

    def decode(self, chunks: Sequence[Chunk]) -> list[int]:
        """Evaluate `chunks`, each of another sequence, at most `batch` tokens in all, in one call.

        Returns the row of each chunk's last token: its logits are there until the next call.

        Raises:
            ContextFull: nothing was evaluated, for want of room.
            ContextLost: the state of the context is unknown.
            EngineError: nothing was evaluated, because a token or a position is impossible.
        """
        rows = self._fill(chunks)
        result = int(self.library.llama_decode(self.pointer, self._batch))
        # On a GPU llama_decode returns before it is done; a step ends when its work does.
        self.library.llama_synchronize(self.pointer)
        if result == _NO_ROOM:
            raise ContextFull(f"no room for {self._batch.n_tokens} tokens")
        if result == _BAD_INPUT:
            raise EngineError("llama_decode refused the batch")
        if result:
            raise ContextLost(f"llama_decode failed with {result}")
        return rows

    def fork(self, source: int, target: int) -> None:
        """Make `target`, which must be empty, what `source` is; they share their cells."""
        self.library.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def drop(self, sequence: int) -> None:
        """Empty `sequence`."""
        self.library.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def cut(self, sequence: int, length: int) -> bool:
        """Take everything after the first `length` tokens away; False, and no change, where the memory cannot."""
        return bool(self.library.llama_memory_seq_rm(self._memory, sequence, length, -1))

    def clear(self) -> None:
        """Empty every sequence."""
        self.library.llama_memory_clear(self._memory, True)

    def state_bytes(self, sequence: int) -> int:
        """How many bytes `save` would give."""
        return int(self.library.llama_state_seq_get_size(self.pointer, sequence))

    def save(self, sequence: int) -> Any:
        """What `sequence` holds, as a ctypes array of bytes; it can be restored into any context made alike."""
        size = self.state_bytes(sequence)
        data = (ctypes.c_uint8 * size)()
        written = int(self.library.llama_state_seq_get_data(self.pointer, data, size, sequence))
        if written != size:
            raise EngineError(f"a state of {size} bytes came out as {written}")
        return data

    def restore(self, sequence: int, data: Any) -> bool:
        """Fill `sequence`, which must be empty, from what `save` gave; False, and nothing held, where it does not fit.

        `data` is a ctypes array.
        """
        size = len(data)
        if size and self.library.llama_state_seq_set_data(self.pointer, data, size, sequence) == size:
            return True
        self.drop(sequence)
        return False

    def logits(self, row: int) -> bytes:
        """A copy of the logits in `row`: one native float for each token of the vocabulary."""
        return ctypes.string_at(
            self.library.llama_get_logits_ith(self.pointer, row), self.vocabulary_size * ctypes.sizeof(ctypes.c_float)
        )

    def piece(self, token: int) -> bytes:
        """The bytes of `token`; control tokens have none. They need not be whole UTF-8."""
        length = self._piece_length(token)
        if length < 0:
            self._text = ctypes.create_string_buffer(-length)
            length = self._piece_length(token)
        return self._text.raw[: max(length, 0)]

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """The tokens of `text`; no spelling in it becomes a control token, unless `special`."""
        data = text.encode()
        tokens = (ctypes.c_int32 * (len(data) + 8))()
        count = self.library.llama_tokenize(self.vocab, data, len(data), tokens, len(tokens), False, special)
        return tokens[: max(int(count), 0)]

    def control_token(self, name: str) -> int | None:
        """The id of the control token that is written `<|name|>`; None where the vocabulary has none."""
        tokens = self.tokenize(f"<|{name}|>", special=True)
        return tokens[0] if len(tokens) == 1 and self.library.llama_vocab_is_control(self.vocab, tokens[0]) else None

    def ends_reply(self, token: int) -> bool:
        """True for end-of-generation tokens, and for every other control token: nobody speaks those."""
        ends = self.library.llama_vocab_is_eog(self.vocab, token)
        return bool(ends or self.library.llama_vocab_is_control(self.vocab, token))

    def close(self) -> None:
        """Free everything native."""
        self.library.llama_batch_free(self._batch)
        self.library.llama_free(self.pointer)
        self.library.llama_model_free(self._model)

    def _fill(self, chunks: Sequence[Chunk]) -> list[int]:
        batch, rows, row = self._batch, [], 0
        for chunk in chunks:
            for index, token in enumerate(chunk.tokens):
                batch.token[row] = token
                batch.pos[row] = chunk.position + index
                batch.n_seq_id[row] = 1
                batch.seq_id[row][0] = chunk.sequence
                batch.logits[row] = index == len(chunk.tokens) - 1
                row += 1
            rows.append(row - 1)
        batch.n_tokens = row
        return rows

    def _try_to_cut(self) -> bool:
        """Whether the memory can take a tail away, found out on two tokens; they also warm the caches."""
        self.decode([Chunk(0, 0, array("i", [self.eos if self.eos >= 0 else 0] * 2))])
        can = self.cut(0, 1)
        self.clear()
        # A sliding window has forgotten what a shorter sequence would still see.
        return can and not self.library.llama_model_n_swa(self._model)

    def _piece_length(self, token: int) -> int:
        """Write the bytes of `token` to the buffer; a negative result is the size that it would need."""
        return int(self.library.llama_token_to_piece(self.vocab, token, self._text, len(self._text), 0, False))


def _best_attention(frame: Frame) -> str:
    """What `auto` means here: llama.cpp's own choice, but plain attention on a processor, unless the cache forbids it.

    llama.cpp takes flash attention wherever it runs. On a processor its kernel reads the 16 to 40 tokens of a turn at
    half the speed of the plain one; only beyond some 64 tokens in a batch it is faster.
    """
    plain = not frame.get("gpu_layers") and frame.get("kv_type", "f16") in ("f16", "f32")
    return "off" if plain else "auto"


def _context_parameters(binding: Any, settings: ContextSettings) -> Any:
    if settings.kv_type not in _KV_TYPES or settings.flash_attention not in _FLASH:
        raise EngineError(f"no context with kv_type {settings.kv_type}, flash_attention {settings.flash_attention}")
    sequences = max(2, min(settings.sequences, MAX_SEQUENCES))
    parameters = binding.llama_context_default_params()
    parameters.n_ctx = settings.context
    parameters.n_batch = parameters.n_ubatch = min(settings.batch, settings.context)
    parameters.n_seq_max = sequences
    parameters.kv_unified = True  # forks share their cells only in one cache for all
    parameters.n_outputs_max = sequences  # one row of logits for each sequence; the default reserves one for each token
    parameters.n_threads = parameters.n_threads_batch = settings.threads
    parameters.flash_attn_type = _FLASH[settings.flash_attention]
    parameters.type_k = parameters.type_v = getattr(binding, _KV_TYPES[settings.kv_type])
    parameters.no_perf = True
    return parameters
