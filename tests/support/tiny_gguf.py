"""Writes a 1 MB LFM2 GGUF with random weights: the real architecture, a byte-level vocabulary, the real special tokens.

What such a model says is noise, but llama.cpp treats it as any LFM2: hybrid memory, special tokens, chat template.
By default the noise is printable ASCII and never ends by itself, so that tests of counts do not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from server.bench.model.tokens import BOS, CHATML, EOS, PAD, SPECIAL_TOKENS

IM_START = SPECIAL_TOKENS.index("<|im_start|>")
OTHER_TEMPLATE = "{% for message in messages %}[INST] {{ message['content'] }} [/INST]{% endfor %}"

_MERGES = ("Ġ t", "h e", "Ġt he", "i n", "e r", "o n", "a n", "Ġ a", "o u", "y ou", "Ġ you", "s t", "u s", "us er")
_WIDTH, _INNER, _HEADS, _KV_HEADS, _HEAD = 64, 128, 2, 1, 32
_ATTENTION = (False, True, False, True)  # one entry a layer; the others are convolutions
_SHARPNESS, _LOUD_ATTENTION = 3.0, 6.0
"""Factors that let a single token far back change what is said: random attention would average everything away."""
_QUIET = 0.05
"""Factor on the embeddings of tokens that must not be said: their logits stay near 0, under the best of the others."""


@dataclass(frozen=True, slots=True)
class TinyModel:
    """What may differ from the plain tiny model.

    `plain`: a Llama, which has attention in every layer and no convolution, so its memory can cut a tail.
    `ends`: the end-of-turn token is said often. `raw_bytes`: every byte may be said, so the text holds broken UTF-8.
    """

    seed: int = 0
    context: int = 4096
    plain: bool = False
    template: str | None = CHATML
    ends: bool = False
    raw_bytes: bool = False
    without: str = ""
    im_start_type: gguf.TokenType = gguf.TokenType.CONTROL


def write_tiny_lfm2(
    path: Path, seed: int = 0, context: int = 4096, *, ends: bool = False, raw_bytes: bool = False
) -> Path:
    """Write a working model to `path` and return it."""
    return write(path, TinyModel(seed=seed, context=context, ends=ends, raw_bytes=raw_bytes))


def write_tiny_llama(path: Path, seed: int = 0, context: int = 4096) -> Path:
    """Write a working model of plain attention to `path` and return it."""
    return write(path, TinyModel(seed=seed, context=context, plain=True))


def write_unknown_template(path: Path, template: str | None = OTHER_TEMPLATE) -> Path:
    """Write a model whose chat template is not ChatML, or is absent."""
    return write(path, TinyModel(template=template))


def write_missing_tensor(path: Path, without: str = "blk.1.ffn_down.weight") -> Path:
    """Write a model whose header is right, but which lacks one tensor that its architecture needs."""
    return write(path, TinyModel(without=without))


def write_truncated(path: Path, lost_bytes: int = 1_000) -> Path:
    """Write a model whose last `lost_bytes` are missing, as after a download that was cut."""
    write(path, TinyModel())
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - lost_bytes)
    return path


def write(path: Path, model: TinyModel) -> Path:
    """Write `model` to `path` and return it."""
    tokens, types = _vocabulary(model)
    writer = gguf.GGUFWriter(path, "llama" if model.plain else "lfm2")
    _write_shape(writer, model, len(tokens))
    _write_vocabulary(writer, model, tokens, types)
    for name, tensor in _tensors(model, tokens):
        if name != model.without:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def byte_token(byte: int) -> str:
    """The character that stands for `byte` in a byte-level vocabulary (GPT-2's table)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    if byte in printable:
        return chr(byte)
    return chr(0x100 + [other for other in range(256) if other not in printable].index(byte))


def _vocabulary(model: TinyModel) -> tuple[list[str], list[gguf.TokenType]]:
    words = [byte_token(byte) for byte in range(256)] + [merge.replace(" ", "") for merge in _MERGES]
    types = [gguf.TokenType.CONTROL] * len(SPECIAL_TOKENS) + [gguf.TokenType.NORMAL] * len(words)
    types[IM_START] = model.im_start_type
    return [*SPECIAL_TOKENS, *words], types


def _write_shape(writer: gguf.GGUFWriter, model: TinyModel, vocabulary: int) -> None:
    writer.add_name("Tiny LFM2")
    writer.add_context_length(model.context)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(len(_ATTENTION))
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS if model.plain else [_KV_HEADS if each else 0 for each in _ATTENTION])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_vocab_size(vocabulary)
    if model.plain:
        writer.add_rope_dimension_count(_HEAD)
    else:
        writer.add_shortconv_l_cache(3)


def _write_vocabulary(
    writer: gguf.GGUFWriter, model: TinyModel, tokens: list[str], types: list[gguf.TokenType]
) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("lfm2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(list(_MERGES))
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_pad_token_id(PAD)
    writer.add_add_bos_token(True)
    if model.template is not None:
        writer.add_chat_template(model.template)


def _tensors(model: TinyModel, tokens: list[str]) -> list[tuple[str, NDArray[np.float32]]]:
    random = np.random.default_rng(model.seed)

    def matrix(rows: int, columns: int) -> NDArray[np.float32]:
        values: NDArray[np.float32] = (random.standard_normal((rows, columns)) / columns**0.5).astype(np.float32)
        return values

    def ones(size: int) -> NDArray[np.float32]:
        return np.ones(size, dtype=np.float32)

    embedding = matrix(len(tokens), _WIDTH) * _loudness(model, tokens)[:, None]
    norm = "output_norm" if model.plain else "token_embd_norm"
    tensors = [("token_embd.weight", embedding), (f"{norm}.weight", ones(_WIDTH))]
    for layer, attention in enumerate((True,) * len(_ATTENTION) if model.plain else _ATTENTION):
        parts = {
            "attn_norm": ones(_WIDTH),
            "ffn_norm": ones(_WIDTH),
            "ffn_gate": matrix(_INNER, _WIDTH),
            "ffn_up": matrix(_INNER, _WIDTH),
            "ffn_down": matrix(_WIDTH, _INNER),
        }
        if attention:
            parts |= {
                "attn_q": matrix(_WIDTH, _WIDTH),
                "attn_k": matrix(_KV_HEADS * _HEAD, _WIDTH),
                "attn_v": matrix(_KV_HEADS * _HEAD, _WIDTH),
                "attn_output": matrix(_WIDTH, _WIDTH) * np.float32(_LOUD_ATTENTION),
            }
            if not model.plain:
                parts |= {"attn_q_norm": ones(_HEAD) * np.float32(_SHARPNESS), "attn_k_norm": ones(_HEAD)}
        else:
            parts |= {
                "shortconv.conv": matrix(_WIDTH, 3),
                "shortconv.in_proj": matrix(3 * _WIDTH, _WIDTH),
                "shortconv.out_proj": matrix(_WIDTH, _WIDTH),
            }
        tensors += [(f"blk.{layer}.{name}.weight", tensor) for name, tensor in parts.items()]
    return tensors


def _loudness(model: TinyModel, tokens: list[str]) -> NDArray[np.float32]:
    """Factor on each token's embedding; input and output share it, so it also scales the token's logit."""
    said = {byte_token(byte) for byte in range(0x20, 0x7F)} | {merge.replace(" ", "") for merge in _MERGES}
    if model.raw_bytes:
        said |= {byte_token(byte) for byte in range(256)}
    factors = np.array([1.0 if token in said else _QUIET for token in tokens], dtype=np.float32)
    if model.ends:
        factors[EOS] = 2.0
    return factors
