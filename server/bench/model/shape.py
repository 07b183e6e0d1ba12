"""The shapes of LFM2: which tensors a model has, and how large they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

CONVOLUTION_WINDOW = 3
"""`shortconv.l_cache`: a convolution layer sees a token and the two before it."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: rows by columns as numpy sees them; a vector has no rows. `wide` ones stay in f32, as norms do."""

    name: str
    rows: int
    columns: int
    wide: bool = False

    @property
    def dimensions(self) -> tuple[int, ...]:
        """As numpy sees them."""
        return (self.rows, self.columns) if self.rows else (self.columns,)

    @property
    def is_norm(self) -> bool:
        """A vector of factors, all 1 in a model that was not trained."""
        return not self.rows

    @property
    def values(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.dimensions)

    @property
    def size_bytes(self) -> int:
        """Its bytes before quantisation."""
        return self.values * (4 if self.wide else 2)


@dataclass(frozen=True, slots=True)
class Shape:
    """An LFM2 by its dimensions. `attention` are the layers with attention; the others are convolutions."""

    name: str
    width: int
    inner: int
    layers: int
    attention: frozenset[int]
    heads: int
    kv_heads: int
    vocabulary: int
    context: int

    @property
    def head_width(self) -> int:
        """Values of one attention head."""
        return self.width // self.heads

    @property
    def kv_heads_by_layer(self) -> list[int]:
        """`attention.head_count_kv`: 0 marks a convolution layer."""
        return [self.kv_heads if layer in self.attention else 0 for layer in range(self.layers)]

    @property
    def parameters(self) -> int:
        """How many numbers the model holds."""
        return sum(tensor.values for tensor in self.tensors())

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor in the order of the file; the output matrix is the embedding's own."""
        yield Tensor("token_embd.weight", self.vocabulary, self.width)
        yield _norm("token_embd_norm", self.width)
        for layer in range(self.layers):
            block = f"blk.{layer}"
            yield _norm(f"{block}.attn_norm", self.width)
            yield _norm(f"{block}.ffn_norm", self.width)
            yield Tensor(f"{block}.ffn_gate.weight", self.inner, self.width)
            yield Tensor(f"{block}.ffn_up.weight", self.inner, self.width)
            yield Tensor(f"{block}.ffn_down.weight", self.width, self.inner)
            yield from self._attention(block) if layer in self.attention else self._convolution(block)

    def _attention(self, block: str) -> Iterator[Tensor]:
        keys = self.kv_heads * self.head_width
        yield Tensor(f"{block}.attn_q.weight", self.width, self.width)
        yield Tensor(f"{block}.attn_k.weight", keys, self.width)
        yield Tensor(f"{block}.attn_v.weight", keys, self.width)
        yield Tensor(f"{block}.attn_output.weight", self.width, self.width)
        yield _norm(f"{block}.attn_q_norm", self.head_width)
        yield _norm(f"{block}.attn_k_norm", self.head_width)

    def _convolution(self, block: str) -> Iterator[Tensor]:
        yield Tensor(f"{block}.shortconv.conv.weight", self.width, CONVOLUTION_WINDOW, wide=True)
        yield Tensor(f"{block}.shortconv.in_proj.weight", 3 * self.width, self.width)
        yield Tensor(f"{block}.shortconv.out_proj.weight", self.width, self.width)


def _norm(name: str, width: int) -> Tensor:
    return Tensor(f"{name}.weight", 0, width, wide=True)


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("tiny", 256, 512, 4, frozenset({1, 3}), 4, 2, 4_096, 32_768),
        Shape("350M", 1_024, 4_608, 16, frozenset({2, 5, 8, 10, 12, 14}), 16, 8, 65_536, 128_000),
        Shape("2.6B", 2_048, 10_752, 30, frozenset({2, 5, 9, 13, 17, 21, 24, 27}), 32, 8, 65_536, 128_000),
    )
}
"""The two published ones are of true size; `tiny` has 3 million parameters and every kind of layer."""
