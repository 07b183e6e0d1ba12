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
EMBEDDED = 0.5
"""Deviation of the embeddings at the start."""
LOUDNESS = 0.35
"""Where factors before the output start: small embeddings could not make any token certain otherwise."""
SHARPNESS = 1.6
"""Where factors of queries and keys start: at 1, no score can be above the root of a head's width, which is too little
to single out one token of a thousand."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The shape of a model. `attention` are the layers with attention; the others are convolutions."""

    vocabulary: int
    width: int = 192
    inner: int = 512
    layers: int = 6
    attention: tuple[int, ...] = (1, 3, 5)
    heads: int = 6
    kv_heads: int = 3
    window: int = 3
    rope_base: float = 10_000_000.0
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
        self.token_embd_norm = Norm(of.width, LOUDNESS)
        self._start_values()

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens) ids to (batch, tokens, width): what `logits` reads."""
        rope = self.rope(tokens.shape[1])
        x = self.token_embd(tokens)
        for block in self.blk:
            x = block(x, rope)
        out: Tensor = self.token_embd_norm(x)
        return out

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token of the vocabulary."""
        return F.linear(hidden, self.token_embd.weight)

    def rope(self, length: int) -> Tensor:
        """Cosines and sines, (2, length, half of a head)."""
        half = self.of.head_width // 2
        rates = self.of.rope_base ** (-torch.arange(half, dtype=torch.float32) / half)
        angles = torch.arange(length, dtype=torch.float32)[:, None] * rates
        return torch.stack((angles.cos(), angles.sin()))

    def _start_values(self) -> None:
        for name, parameter in self.named_parameters():
            if name.endswith("conv"):
                nn.init.uniform_(parameter, -0.5, 0.5)
            elif parameter.ndim == 2:
                spread = EMBEDDED if name.startswith("token_embd") else parameter.shape[1] ** -0.5
                closes = name.endswith(("out_proj.weight", "output.weight", "ffn_down.weight"))
                nn.init.normal_(parameter, std=0.0 if closes else spread)
        with torch.no_grad():
            _start_looking_back(self)


_FIRST_SLOW_PAIR = 7
"""Of a head's 16 pairs; from this one on a position of 1,000 turns them by less than a radian: what they hold is found
again at any distance."""


def _start_looking_back(model: Lfm2) -> None:
    """Let the first two layers begin as what they would take an hour to become: an induction head.

    The first half of the width holds the token and a constant; the first layer writes codes of the two tokens before
    into the second half; the second layer looks for a place that came after this token (and after the one before it),
    and says what stood there. Known as mimetic initialisation: start where trained models are found to be.
    """
    half, width = model.of.width // 2, model.of.head_width
    code = half // 2
    embedded = model.token_embd.weight
    embedded[:, 0] = 5 * EMBEDDED
    embedded[:, half:] = 0
    level = 5 * EMBEDDED / embedded.pow(2).mean(-1).sqrt().mean()  # of the constant, once normalised

    first, second = model.blk[0].mix, model.blk[1].mix
    assert isinstance(first, Convolution)
    assert isinstance(second, Attention)
    encode = _orthogonal(code, half)
    gates, value = first.in_proj.weight[: 4 * half], first.in_proj.weight[4 * half :]
    gates *= 0.1
    gates[:, 0] += 1 / level
    first.conv.zero_()
    first.conv[:, -1] = 0.0
    for place, back in enumerate((1, 2)):
        rows = slice(place * code, (place + 1) * code)
        value[rows] = 0
        value[rows, :half] = encode
        first.conv[rows, -1 - back] = 1
    first.out_proj.weight[:, :half] = 0
    first.out_proj.weight[half:, :half] = EMBEDDED * torch.eye(half)

    times = second.heads // second.kv_heads
    read = _orthogonal(2 * width, half)
    slow = [pair + side for side in (0, width // 2) for pair in range(_FIRST_SLOW_PAIR, width // 2)]
    for head in range(2):  # the first: this token; the second: the one before
        look = torch.zeros(width, code)
        look[slow] = _orthogonal(len(slow), code)
        keys = slice(head * width, (head + 1) * width)
        second.k.weight[keys] = 0
        second.k.weight[keys, half + head * code : half + (head + 1) * code] = look
        second.v.weight[keys] = 0
        second.v.weight[keys, :half] = read[keys]
        second.v.weight[keys, 0] = 0
        for query in range(head * times, (head + 1) * times):
            rows = slice(query * width, (query + 1) * width)
            second.q.weight[rows] = 0
            if head == 0:
                second.q.weight[rows, :half] = look @ encode
            else:
                second.q.weight[rows, half : half + code] = look
            second.q.weight[rows, 0] = 0
            second.output.weight[:, rows] = 0
            second.output.weight[:half, rows] = 2 * EMBEDDED * read[keys].T


def _orthogonal(rows: int, columns: int) -> Tensor:
    made = torch.empty(rows, columns)
    nn.init.orthogonal_(made)
    return made
