"""LFM2 in torch: the same numbers as llama.cpp's architecture `lfm2`, and a convolution that is fast on a processor.

Layers are short convolutions and grouped-query attention in turn, each followed by a gated feed-forward; the output
matrix is the embedding's own. Names of parameters are those of the GGUF, with `_` for the dots inside a block.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5
SHARPNESS = 1.6
"""Where factors of queries and keys start: at 1, no score can be above the root of a head's width, which is too little
to single out one token of a thousand."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The shape of a model. `attention` are the layers with attention; the others are convolutions."""

    vocabulary: int
    width: int = 288
    inner: int = 640
    layers: int = 6
    attention: tuple[int, ...] = (1, 2, 4, 5)
    heads: int = 4
    kv_heads: int = 4
    window: int = 3
    rope_base: float = 1e12
    context: int = 8_192

    @property
    def head_width(self) -> int:
        """Values of one attention head."""
        return self.width // self.heads

    def as_dict(self) -> dict[str, object]:
        """Plain values, for a checkpoint."""
        return asdict(self)


def dimensions_of(state: dict[str, str]) -> Dimensions:
    """The shape that a checkpoint was written with."""
    values = json.loads(state["dimensions"])
    return Dimensions(**{**values, "attention": tuple(values["attention"])})


class Norm(nn.Module):
    """Root mean square normalisation with a learnt factor."""

    def __init__(self, width: int, start: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), start))

    def forward(self, x: Tensor) -> Tensor:
        """Shape in, shape out."""
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), EPSILON)


class Convolution(nn.Module):
    """A gated convolution over a token and the two before it."""

    def __init__(self, of: Dimensions) -> None:
        super().__init__()
        self.in_proj = nn.Linear(of.width, 3 * of.width, bias=False)
        self.conv = nn.Parameter(torch.zeros(of.width, of.window))
        self.out_proj = nn.Linear(of.width, of.width, bias=False)

    def forward(self, x: Tensor, rope: Tensor) -> Tensor:
        """(batch, tokens, width) to the same; `rope` is not used."""
        before, after, value = self.in_proj(x).chunk(3, dim=-1)
        gated = before * value
        taps = self.conv.to(x.dtype)
        length, last = x.shape[1], taps.shape[1] - 1
        mixed = gated * taps[:, last]
        for back in range(1, last + 1):  # sums of shifted copies: as fast as a matrix product, unlike conv1d
            mixed = mixed + F.pad(gated, (0, 0, back, 0))[:, :length] * taps[:, last - back]
        out: Tensor = self.out_proj(after * mixed)
        return out


class Attention(nn.Module):
    """Causal attention with fewer keys than queries; queries and keys are normalised, then turned by their place."""

    def __init__(self, of: Dimensions) -> None:
        super().__init__()
        keys = of.kv_heads * of.head_width
        self.heads, self.kv_heads, self.head_width = of.heads, of.kv_heads, of.head_width
        self.q = nn.Linear(of.width, of.width, bias=False)
        self.k = nn.Linear(of.width, keys, bias=False)
        self.v = nn.Linear(of.width, keys, bias=False)
        self.output = nn.Linear(of.width, of.width, bias=False)
        self.q_norm = Norm(of.head_width, SHARPNESS)
        self.k_norm = Norm(of.head_width, SHARPNESS)

    def forward(self, x: Tensor, rope: Tensor) -> Tensor:
        """(batch, tokens, width) to the same; `rope` is (2, tokens, half of a head)."""
        batch, length, width = x.shape
        q = turned(self.q_norm(self.q(x).view(batch, length, self.heads, -1)).transpose(1, 2), rope)
        k = turned(self.k_norm(self.k(x).view(batch, length, self.kv_heads, -1)).transpose(1, 2), rope)
        v = self.v(x).view(batch, length, self.kv_heads, -1).transpose(1, 2)
        times = self.heads // self.kv_heads
        k, v = k.repeat_interleave(times, 1), v.repeat_interleave(times, 1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.output(mixed.transpose(1, 2).reshape(batch, length, width))
        return out


def turned(x: Tensor, rope: Tensor) -> Tensor:
    """Rotary positions, a head's first half with its second (llama.cpp's NEOX form)."""
    cos, sin = rope[0].to(x.dtype), rope[1].to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class Block(nn.Module):
    """One layer."""

    def __init__(self, of: Dimensions, layer: int) -> None:
        super().__init__()
        self.attn_norm = Norm(of.width)
        self.mix: Attention | Convolution = Attention(of) if layer in of.attention else Convolution(of)
        self.ffn_norm = Norm(of.width)
        self.ffn_gate = nn.Linear(of.width, of.inner, bias=False)
        self.ffn_up = nn.Linear(of.width, of.inner, bias=False)
        self.ffn_down = nn.Linear(of.inner, of.width, bias=False)

    def forward(self, x: Tensor, rope: Tensor) -> Tensor:
        """(batch, tokens, width) to the same."""
        x = x + self.mix(self.attn_norm(x), rope)
        normed = self.ffn_norm(x)
        out: Tensor = x + self.ffn_down(F.silu(self.ffn_gate(normed)) * self.ffn_up(normed))
        return out


class Lfm2(nn.Module):
    """The whole model."""

    def __init__(self, of: Dimensions) -> None:
        super().__init__()
        self.of = of
        self.token_embd = nn.Embedding(of.vocabulary, of.width)
        self.blk = nn.ModuleList(Block(of, layer) for layer in range(of.layers))
        self.token_embd_norm = Norm(of.width)

    def forward(self, tokens: Tensor, inputs: list[Tensor] | None = None) -> Tensor:
        """(batch, tokens) ids to (batch, tokens, width): what `logits` reads. `inputs` takes what each layer reads."""
        rope = self.rope(tokens.shape[1])
        x = self.token_embd(tokens)
        for block in self.blk:
            if inputs is not None:
                inputs.append(x)
            x = block(x, rope)
        out: Tensor = self.token_embd_norm(x)
        return out

    def scores(self, layer: int, x: Tensor, where: Tensor, first: int = 2) -> Tensor:
        """Of head `first` of a layer of attention and the next, from the places `where`, (places, 2) of talk and token.

        `x` is what the layer reads; (places, 2, tokens), -inf for what comes later.
        """
        block = self.blk[layer]
        mix, width = block.mix, self.of.head_width
        assert isinstance(mix, Attention)
        talks, at = where.T
        rope, normed = self.rope(x.shape[1]), block.attn_norm(x)
        heads = slice(first * width, (first + 2) * width)
        q = F.linear(normed[talks, at], mix.q.weight[heads]).view(len(where), 2, width)
        k = F.linear(normed, mix.k.weight[heads]).view(*x.shape[:2], 2, width).transpose(1, 2)
        q, k = turned(mix.q_norm(q), rope[:, at, None]), turned(mix.k_norm(k), rope)
        scores = (q[:, :, None] @ k[talks].mT)[:, :, 0].float() / width**0.5
        later = torch.arange(x.shape[1]) > at[:, None]
        return scores.masked_fill(later[:, None], -torch.inf)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token of the vocabulary."""
        return F.linear(hidden, self.token_embd.weight)

    def rope(self, length: int) -> Tensor:
        """Cosines and sines, (2, length, half of a head)."""
        half = self.of.head_width // 2
        rates = self.of.rope_base ** (-torch.arange(half, dtype=torch.float32) / half)
        angles = torch.arange(length, dtype=torch.float32)[:, None] * rates
        return torch.stack((angles.cos(), angles.sin()))
