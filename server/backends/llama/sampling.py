"""Drawing the next token: a llama.cpp sampler chain, so the vocabulary-wide work stays in C."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.backends.llama.jobs import BadJob
from server.backends.llama.model import Model

PENALTY_WINDOW = 64
"""How many of the reply's last tokens the repetition penalty looks at.

It sees the reply alone: names and phrases of the prompt are there to be said.
"""

MAX_PENALTY_WINDOW = 1024
"""The most that a request may ask for; -1, which asks for everything, is this."""

MIROSTAT_TOKENS = 100
"""Over how many of the likeliest tokens the first Mirostat estimates the shape of the vocabulary, as its paper does."""

_PENALTIES = (("repeat_penalty", 1.0), ("frequency_penalty", 0.0), ("presence_penalty", 0.0))

DRY_WINDOW = 1024
"""How many of the reply's last tokens DRY looks for repeated runs in."""

DRY_BREAKERS = (b"\n", b":", b'"', b"*")
"""Where a run ends for DRY: a name before a colon, and the marks of speech and gesture, may come again."""

_RANDOM_SEED = 0xFFFFFFFF
"""llama.cpp draws a seed of its own when it is given this one."""

_IMPOSSIBLE = float("-inf")


@dataclass(frozen=True, slots=True)
class Logits:
    """Where to draw from: a row of the last batch, or a copy of one that was kept."""

    row: int = -1
    kept: bytes | None = None


class Sampler:
    """Bias → penalties → DRY → top sigma, top k, typical, top p, min p, XTC → temperature → draw.

    At temperature 0 the likeliest is taken. `settings` are the fields of `server.backends.base.Sampling`; `logit_bias`
    is pairs of token and bias, or a map; what is absent has no effect. With
    `grammar` (GBNF, its root `root`) only what it allows is drawn. `close` frees the native chains.
    """

    def __init__(self, model: Model, settings: Mapping[str, Any], grammar: str | None = None) -> None:
        """Build the chains.

        Raises:
            BadJob: the grammar cannot be read.
        """
        self._model = model
        self._library = model.library
        self._grammar = self._read_grammar(grammar) if grammar else None
        parameters = self._library.llama_sampler_chain_default_params()
        parameters.no_perf = True
        self._chain = self._library.llama_sampler_chain_init(parameters)
        for link in _links(model, settings):
            self._library.llama_sampler_chain_add(self._chain, link)

    def draw(self, logits: Logits) -> int:
        """Draw from the whole vocabulary, and remember the token."""
        if self._grammar is None and logits.kept is None:
            return int(self._library.llama_sampler_sample(self._chain, self._model.pointer, logits.row))
        values = self.values(logits)
        token, _ = self._pick(_all_tokens(values))
        if self._grammar is not None and not self._allowed(token):
            # Checking one token is cheap, the whole vocabulary is not: most tokens drawn are allowed.
            candidates = _all_tokens(values)
            self._library.llama_sampler_apply(self._grammar, ctypes.byref(_view(self._library, candidates)))
            token, logit = self._pick(candidates)
            if logit == _IMPOSSIBLE:
                return self._model.eos
        self._remember(token)
        return token

    def draw_among(self, tokens: Sequence[int], logits: Logits) -> int:
        """Draw one of `tokens`, and remember it."""
        values = memoryview(self.values(logits)).cast("f")
        token, _ = self._pick(_candidates(tokens, array("f", (values[token] for token in tokens))))
        self._remember(token)
        return token

    def close(self) -> None:
        """Free the chains; a second call does nothing."""
        for chain in (self._chain, self._grammar):
            if chain is not None:
                self._library.llama_sampler_free(chain)
        self._chain = self._grammar = None

    def values(self, logits: Logits) -> bytes:
        """The logits themselves: a native float for each token."""
        return logits.kept if logits.kept is not None else self._model.logits(logits.row)

    def _pick(self, candidates: bytearray) -> tuple[int, float]:
        """Apply the chain; returns the token and its logit."""
        view = _view(self._library, candidates)
        self._library.llama_sampler_apply(self._chain, ctypes.byref(view))
        picked = view.data[view.selected]
        return int(picked.id), float(picked.logit)

    def _allowed(self, token: int) -> bool:
        view = _view(self._library, _candidates([token], array("f", [0.0])))
        self._library.llama_sampler_apply(self._grammar, ctypes.byref(view))
        return bool(view.data[0].logit != _IMPOSSIBLE)

    def _remember(self, token: int) -> None:
        for chain in (self._chain, self._grammar):
            if chain is not None:
                self._library.llama_sampler_accept(chain, token)

    def _read_grammar(self, text: str) -> Any:
        chain = self._library.llama_sampler_init_grammar(self._model.vocab, text.encode(), b"root")
        if not chain:
            raise BadJob("the grammar cannot be read; it is GBNF, and its first rule is called root")
        return chain


def _all_tokens(values: bytes) -> bytearray:
    return _candidates(range(len(values) // 4), values)


def _candidates(tokens: Sequence[int], logits: bytes | array[float]) -> bytearray:
    """The bytes of a C array of `llama_token_data`: an id, a logit and a probability, four bytes each."""
    data = bytearray(12 * len(tokens))
    view = memoryview(data)
    view.cast("i")[0::3] = memoryview(array("i", tokens))
    view.cast("f")[1::3] = memoryview(logits).cast("B").cast("f")
    return data


def _view(library: Any, candidates: bytearray) -> Any:
    """`candidates` as a `llama_token_data_array`, which the chain may sort and shorten."""
    count = len(candidates) // 12
    items = (library.llama_token_data * count).from_buffer(candidates)
    view = library.llama_token_data_array(
        data=ctypes.cast(items, library.llama_token_data_p), size=count, selected=-1, sorted=False
    )
    view.items = items  # keeps the memory alive as long as the view
    return view


def _links(model: Model, settings: Mapping[str, Any]) -> Iterator[Any]:
    library = model.library
    if bias := _pairs(settings.get("logit_bias")):
        items = (library.llama_logit_bias * len(bias))(*bias)
        yield library.llama_sampler_init_logit_bias(model.vocabulary_size, len(bias), items)
    penalties = tuple(_number(settings, name, off) for name, off in _PENALTIES)
    if penalties != tuple(off for _, off in _PENALTIES):
        window = max(-1, min(int(_number(settings, "repeat_last_n", PENALTY_WINDOW)), MAX_PENALTY_WINDOW))
        yield library.llama_sampler_init_penalties(
            model.vocabulary_size, MAX_PENALTY_WINDOW if window < 0 else window, *penalties
        )
    if dry := float(settings.get("dry_multiplier") or 0.0):
        yield _dry(model, dry, settings)
    temperature = float(settings.get("temperature") or 0.0)
    if temperature <= 0.0:
        yield library.llama_sampler_init_greedy()
        return
    seed = _RANDOM_SEED if settings.get("seed") is None else int(settings["seed"]) & 0xFFFFFFFF
    if settings.get("mirostat"):
        yield library.llama_sampler_init_temp(temperature)
        yield _mirostat(model, settings, seed)
        return
    yield from _cuts(library, settings, seed)
    if spread := _number(settings, "dynatemp_range", 0.0):
        exponent = _number(settings, "dynatemp_exponent", 1.0)
        yield library.llama_sampler_init_temp_ext(temperature, spread, exponent)
    else:
        yield library.llama_sampler_init_temp(temperature)
    yield library.llama_sampler_init_dist(seed)


def _cuts(library: Any, settings: Mapping[str, Any], seed: int) -> Iterator[Any]:
    """What leaves only a part of the vocabulary to draw from."""
    if sigma := max(0.0, _number(settings, "top_n_sigma", 0.0)):
        yield library.llama_sampler_init_top_n_sigma(sigma)
    if (top_k := int(settings.get("top_k") or 0)) > 0:
        yield library.llama_sampler_init_top_k(top_k)
    if (typical_p := _number(settings, "typical_p", 1.0)) < 1.0:
        yield library.llama_sampler_init_typical(typical_p, 1)
    if (top_p := float(settings.get("top_p") or 1.0)) < 1.0:
        yield library.llama_sampler_init_top_p(top_p, 1)
    if min_p := float(settings.get("min_p") or 0.0):
        yield library.llama_sampler_init_min_p(min_p, 1)
    if chance := _number(settings, "xtc_probability", 0.0):
        yield library.llama_sampler_init_xtc(chance, _number(settings, "xtc_threshold", 0.1), 1, seed)


def _mirostat(model: Model, settings: Mapping[str, Any], seed: int) -> Any:
    tau, eta = _number(settings, "mirostat_tau", 5.0), _number(settings, "mirostat_eta", 0.1)
    if settings["mirostat"] == 1:
        return model.library.llama_sampler_init_mirostat(model.vocabulary_size, seed, tau, eta, MIROSTAT_TOKENS)
    return model.library.llama_sampler_init_mirostat_v2(seed, tau, eta)


def _number(settings: Mapping[str, Any], name: str, default: float) -> float:
    value = settings.get(name)
    return default if value is None else float(value)


def _dry(model: Model, multiplier: float, settings: Mapping[str, Any]) -> Any:
    base = max(1.0, float(settings.get("dry_base") or 1.75))
    length = max(1, int(settings.get("dry_allowed_length") or 2))
    breakers = (ctypes.c_char_p * len(DRY_BREAKERS))(*DRY_BREAKERS)
    return model.library.llama_sampler_init_dry(
        model.vocab, multiplier, base, length, DRY_WINDOW, breakers, len(breakers)
    )


def _pairs(bias: Any) -> list[tuple[int, float]]:
    items = bias.items() if isinstance(bias, Mapping) else bias or ()
    return [(int(token), float(value)) for token, value in items]
