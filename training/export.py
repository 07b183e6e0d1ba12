"""From a checkpoint to a GGUF that llama.cpp runs as `lfm2`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np

from server.bench.model.tokens import BOS, CHATML, EOS, PAD, SPECIAL_TOKENS
from training.vocabulary import Bpe

if TYPE_CHECKING:
    from training.model import Dimensions

EPSILON = 1e-5


def write(
    path: Path, of: Dimensions, bpe: Bpe, weights: Mapping[str, Any], about: Mapping[str, str], *, kind: str = "Q8_0"
) -> None:
    """Write the model to `path`; matrices are quantised to `kind` (`Q8_0`, `F16` or `F32`), vectors stay in f32.

    `weights` are numpy arrays under the names of `training.model`; `about` becomes metadata `barkeep.*`.
    """
    writer = gguf.GGUFWriter(path, "lfm2")
    _write_keys(writer, of, bpe, about)
    for name, values in weights.items():
        _write_tensor(writer, gguf_name(name), np.asarray(values, dtype=np.float32), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_vocabulary(path: Path, of: Dimensions, bpe: Bpe) -> None:
    """A GGUF without weights: what the server's tokenizer needs."""
    writer = gguf.GGUFWriter(path, "lfm2")
    _write_keys(writer, of, bpe, {})
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_name(name: str) -> str:
    """The GGUF's name of a parameter of `training.model`."""
    for ours, theirs in _NAMES:
        name = name.replace(ours, theirs)
    return name if name.endswith(".weight") else f"{name}.weight"


_NAMES = (
    ("mix.in_proj", "shortconv.in_proj"), ("mix.out_proj", "shortconv.out_proj"), ("mix.conv", "shortconv.conv"),
    ("mix.q_norm", "attn_q_norm"), ("mix.k_norm", "attn_k_norm"), ("mix.output", "attn_output"),
    ("mix.q.", "attn_q."), ("mix.k.", "attn_k."), ("mix.v.", "attn_v."),
)  # fmt: skip


def _write_tensor(writer: gguf.GGUFWriter, name: str, values: np.ndarray[Any, Any], kind: str) -> None:
    if values.ndim < 2 or "shortconv.conv" in name or kind == "F32":
        writer.add_tensor(name, values)
    elif kind == "F16":
        writer.add_tensor(name, values.astype(np.float16))
    else:
        quantised = gguf.quants.quantize(values, gguf.GGMLQuantizationType[kind])
        writer.add_tensor(name, quantised, raw_dtype=gguf.GGMLQuantizationType[kind])


def _write_keys(writer: gguf.GGUFWriter, of: Dimensions, bpe: Bpe, about: Mapping[str, str]) -> None:
    writer.add_name("Barkeep house model")
    writer.add_context_length(of.context)
    writer.add_embedding_length(of.width)
    writer.add_block_count(of.layers)
    writer.add_feed_forward_length(of.inner)
    writer.add_head_count(of.heads)
    writer.add_head_count_kv([of.kv_heads if layer in of.attention else 0 for layer in range(of.layers)])
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_freq_base(of.rope_base)
    writer.add_vocab_size(of.vocabulary)
    writer.add_shortconv_l_cache(of.window)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("lfm2")
    writer.add_token_list(bpe.tokens)
    normal = len(bpe.tokens) - len(SPECIAL_TOKENS)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL_TOKENS) + [gguf.TokenType.NORMAL] * normal)
    writer.add_token_merges([" ".join(pair) for pair in bpe.merges])
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_pad_token_id(PAD)
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHATML)
    for key, value in about.items():
        writer.add_string(f"barkeep.{key}", value)
