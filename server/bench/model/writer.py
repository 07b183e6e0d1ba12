"""Writes the f16 GGUF of a shape with random weights, one tensor at a time.

The keys are those that llama.cpp reads for the architecture `lfm2`. gguf and numpy are imported when they are needed:
they come with the extra `bench`, not with Barkeep itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.bench.model.shape import CONVOLUTION_WINDOW, Shape, Tensor
from server.bench.model.tokens import BOS, CHATML, EOS, PAD, SPECIAL_TOKENS, Vocabulary
from server.errors import BarkeepError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GGUF_HINT = "Run `pip install 'barkeep[bench]'`, or in a checkout `pip install gguf`."

_CHUNK_VALUES = 4_194_304
_QUIET = 0.05
"""Factor on the embeddings of all tokens but whole words: their logits stay near 0, so that replies are words and never
end by themselves."""
_RMS_EPSILON = 1e-5
_ROPE_BASE = 1_000_000.0


def write_f16(path: Path, shape: Shape, seed: int, tell: Callable[[str], None]) -> None:
    """Write the model of `shape` to `path`, matrices in f16; `tell` hears how far it is.

    The same shape and seed give the same bytes. Needs memory for the largest tensor: 0.3 GB for the 2.6B shape.

    Raises:
        BarkeepError: the package gguf is not installed.
        OSError: the file cannot be written.
    """
    import numpy as np

    vocabulary = Vocabulary.of_size(shape.vocabulary, seed)
    writer = _writer(path)
    try:
        _write_keys(writer, shape, vocabulary)
        tensors = list(shape.tensors())
        for tensor in tensors:
            kind = np.dtype(np.float32 if tensor.wide else np.float16)
            writer.add_tensor_info(tensor.name, tensor.dimensions, kind, tensor.size_bytes)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        total, done = shape.parameters, 0
        for tensor in tensors:
            tell(f"weights: {100 * done // total:3d} % of {total / 1e6:,.0f} million")
            writer.write_tensor_data(_weights(tensor, vocabulary, seed))
            done += tensor.values
    finally:
        writer.close()


def require_gguf() -> None:
    """Say what is missing before any work is done.

    Raises:
        BarkeepError: gguf, or numpy that it needs, cannot be imported.
    """
    try:
        import gguf  # noqa: F401  # only whether it is there
    except ImportError as error:
        raise BarkeepError(f"Making a model needs the package gguf: {error}.", GGUF_HINT) from error


def _writer(path: Path) -> Any:
    require_gguf()
    import gguf

    return gguf.GGUFWriter(path, "lfm2")


def _write_keys(writer: Any, shape: Shape, vocabulary: Vocabulary) -> None:
    import gguf

    writer.add_name(f"LFM2 {shape.name} shape, random weights")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads_by_layer)
    writer.add_layer_norm_rms_eps(_RMS_EPSILON)
    writer.add_rope_freq_base(_ROPE_BASE)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_shortconv_l_cache(CONVOLUTION_WINDOW)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("lfm2")
    writer.add_token_list(vocabulary.tokens)
    normal = len(vocabulary.tokens) - len(SPECIAL_TOKENS)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL_TOKENS) + [gguf.TokenType.NORMAL] * normal)
    writer.add_token_merges([" ".join(pair) for pair in vocabulary.merges])
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_pad_token_id(PAD)
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHATML)


def _weights(tensor: Tensor, vocabulary: Vocabulary, seed: int) -> NDArray[Any]:
    """Norms are 1; matrices are normal with deviation 1/√columns, each from a stream of its own."""
    import numpy as np

    if tensor.is_norm:
        return np.ones(tensor.dimensions, dtype=np.float32)
    stream = np.random.default_rng([seed, zlib.crc32(tensor.name.encode())])
    weights = np.empty(tensor.dimensions, dtype=np.float32 if tensor.wide else np.float16)
    rows = max(1, _CHUNK_VALUES // tensor.columns)
    loudness = _loudness(vocabulary) if tensor.name == "token_embd.weight" else None
    for begin in range(0, tensor.rows, rows):
        part = stream.standard_normal((min(rows, tensor.rows - begin), tensor.columns), dtype=np.float32)
        part /= np.float32(tensor.columns**0.5)
        if loudness is not None:
            part *= loudness[begin : begin + rows, None]
        weights[begin : begin + rows] = part
    return weights


def _loudness(vocabulary: Vocabulary) -> NDArray[np.float32]:
    import numpy as np

    return np.where(vocabulary.words, np.float32(1.0), np.float32(_QUIET))
