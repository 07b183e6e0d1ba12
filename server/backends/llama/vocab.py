"""The model's own vocabulary in the server process: exact counts, and prompts as token ids.

It is loaded without the weights, so counting never waits for the worker. Control tokens are put in by id; every text is
tokenised with special parsing off, so no text can open or close a turn.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from server.backends.llama.gguf_file import ModelFile, read_model_file
from server.backends.llama.native import library, native_log
from server.errors import ModelFileError
from server.text.segments import Close, Open, Prompt, Segment, Text

_CACHED_TEXTS = 8_192
_LONGEST_CACHED = 16_384
"""Characters: one hostile text must not fill the memory many times over."""


class Vocabulary:
    """Counts and encodes with the vocabulary of one model file; a `server.prompt.tokens.Tokenizer`.

    Thread-safe: llama.cpp's tokenizer is, and so is the cache.
    """

    exact = True

    def __init__(self, file: ModelFile) -> None:
        """Load the vocabulary of `file`; takes some 100 ms for 65,536 tokens.

        Raises:
            ModelFileError: llama.cpp does not accept the vocabulary.
            RouteUnavailable: llama-cpp-python is not installed.
        """
        self.file = file
        self._library: Any = library()
        self._model = _load(self._library, file.path)
        self._vocab = self._library.llama_model_get_vocab(self._model)
        self._size = int(self._library.llama_vocab_n_tokens(self._vocab))
        adds_bos = self._library.llama_vocab_get_add_bos(self._vocab)
        self._start = (int(self._library.llama_vocab_bos(self._vocab)),) if adds_bos else ()
        self._control = self._which(self._library.llama_vocab_is_control)
        self._ends = self._control | self._which(self._library.llama_vocab_is_eog)
        # On the instance, not on the method: a cache on the class would keep every vocabulary alive.
        self._cached = functools.lru_cache(maxsize=_CACHED_TEXTS)(self._tokenise)

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read and check the file at `path`, then load its vocabulary; raises what `read_model_file` and this do."""
        return cls(read_model_file(path))

    @property
    def fingerprint(self) -> str:
        """Names the vocabulary; token ids are valid only under the same fingerprint."""
        return self.file.fingerprint

    @property
    def control_tokens(self) -> frozenset[int]:
        """Ids that mean something to the model's format and are never made from text."""
        return self._control

    @property
    def end_tokens(self) -> frozenset[int]:
        """The tokens that end a reply: those of the model's format, whatever they mean, as none of them is text."""
        return self._ends

    def count(self, text: str) -> int:
        """The number of tokens of `text`, special parsing off."""
        return len(self._tokens(text))

    def tokenise(self, text: str) -> tuple[int, ...]:
        """The token ids of `text`, special parsing off, nothing added."""
        return self._tokens(text)

    def text_of(self, tokens: Sequence[int]) -> str:
        """What `tokens` spell, control tokens left out. Broken UTF-8 becomes U+FFFD.

        Raises:
            ValueError: a token is none of this vocabulary.
        """
        if any(not 0 <= token < self._size for token in tokens):
            raise ValueError("a token outside the vocabulary")
        return b"".join(map(self.bytes_of, tokens)).decode("utf-8", "replace")

    def bytes_of(self, token: int) -> bytes:
        """What a token spells, which need not be whole UTF-8; nothing for a control token."""
        room = ctypes.create_string_buffer(64)
        length = int(self._library.llama_token_to_piece(self._vocab, token, room, len(room), 0, False))
        if length < 0:
            room = ctypes.create_string_buffer(-length)
            length = int(self._library.llama_token_to_piece(self._vocab, token, room, len(room), 0, False))
        return room.raw[: max(length, 0)]

    def encode(self, prompt: Prompt) -> list[int]:
        """The token ids of a whole prompt, in ChatML.

        The start-of-text token (where the model has one), then for each segment exactly as many tokens as
        `server.prompt.tokens.count_segments` counts.
        """
        return [*self._start, *self.encode_segments(prompt.segments)]

    def encode_bounded(self, prompt: Prompt) -> tuple[list[int], list[int]]:
        """The ids of `encode`, and where each part of the prompt ends: token counts, rising, the last one all."""
        tokens = list(self._start)
        bounds: list[int] = []
        for part in prompt.parts:
            tokens += self.encode_segments(part.segments)
            if not bounds or len(tokens) > bounds[-1]:
                bounds.append(len(tokens))
        return tokens, bounds

    def encode_segments(self, segments: Iterable[Segment]) -> list[int]:
        """The token ids of `segments`, without a start-of-text token."""
        return list(itertools.chain.from_iterable(self._segment(segment) for segment in segments))

    def _segment(self, segment: Segment) -> tuple[int, ...]:
        match segment:
            case Open(role=role):
                return (self.file.im_start, *self._tokens(f"{role}\n"))
            case Close():
                return (self.file.im_end, *self._tokens("\n"))
            case Text(text=text, fingerprint=fingerprint, token_ids=ids):
                known = bool(ids) and fingerprint == self.fingerprint
                return ids if known and self._harmless(ids) else self._tokens(text)

    def _which(self, holds: Any) -> frozenset[int]:
        """The ids of which a test of llama.cpp's holds."""
        return frozenset(token for token in range(self._size) if holds(self._vocab, token))

    def _harmless(self, ids: tuple[int, ...]) -> bool:
        """False for stored ids that this vocabulary cannot have given to a text: an altered database."""
        return all(0 <= token < self._size for token in ids) and self._control.isdisjoint(ids)

    def _tokens(self, text: str) -> tuple[int, ...]:
        return self._cached(text) if len(text) <= _LONGEST_CACHED else self._tokenise(text)

    def _tokenise(self, text: str) -> tuple[int, ...]:
        data = text.encode("utf-8", "replace")
        room = len(data) + 1  # no token stands for less than a byte
        tokens = (ctypes.c_int32 * room)()
        count = int(self._library.llama_tokenize(self._vocab, data, len(data), tokens, room, False, False))
        return tuple(tokens[: max(count, 0)])

    def __del__(self) -> None:
        """Give the native memory back."""
        model, self._model = getattr(self, "_model", None), None
        if model is not None:
            self._library.llama_model_free(model)


def _load(binding: Any, path: Path) -> Any:
    log = native_log()
    parameters = binding.llama_model_default_params()
    parameters.vocab_only = True
    model = binding.llama_model_load_from_file(str(path).encode(), parameters)
    if not model:
        raise ModelFileError(
            f"llama.cpp cannot read the vocabulary of {path}: {' '.join(log.last_lines()[-2:])}",
            "A newer llama-cpp-python may know this model: pip install --upgrade llama-cpp-python",
        )
    return model
