"""Drawing the next token: a llama.cpp sampler chain, so the vocabulary-wide work stays in C."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

PENALTY_WINDOW = 64
"""How many of the reply's last tokens the repetition penalty looks at.

It sees the reply alone: names and phrases of the prompt are there to be said.
"""

_RANDOM_SEED = 0xFFFFFFFF
"""llama.cpp draws a seed of its own when it is given this one."""


class Sampler:
    """Penalties → top k → top p → min p → temperature → draw; at temperature 0 penalties → the likeliest.

    `settings` are the fields of `server.backends.base.Sampling`; one that is absent has no effect. A context manager:
    leaving it frees the native chain.
    """

    def __init__(self, binding: Any, vocabulary_size: int, settings: Mapping[str, Any]) -> None:
        self._library = binding
        parameters = binding.llama_sampler_chain_default_params()
        parameters.no_perf = True
        self._chain = binding.llama_sampler_chain_init(parameters)
        for link in _links(binding, vocabulary_size, settings):
            binding.llama_sampler_chain_add(self._chain, link)

    def sample(self, context: Any) -> int:
        """Draw from the last logits of `context`, and remember the token for the penalties."""
        return int(self._library.llama_sampler_sample(self._chain, context, -1))

    def __enter__(self) -> Self:
        """Nothing to do: the chain is there from the start."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the chain and its links."""
        self._library.llama_sampler_free(self._chain)


def _links(binding: Any, vocabulary_size: int, settings: Mapping[str, Any]) -> list[Any]:
    links = []
    repeat_penalty = float(settings.get("repeat_penalty", 1.0))
    if repeat_penalty != 1.0:
        links.append(binding.llama_sampler_init_penalties(vocabulary_size, PENALTY_WINDOW, repeat_penalty, 0.0, 0.0))
    temperature = float(settings.get("temperature", 0.0))
    if temperature <= 0.0:
        return [*links, binding.llama_sampler_init_greedy()]
    seed = settings.get("seed")
    return [
        *links,
        binding.llama_sampler_init_top_k(int(settings.get("top_k", 0))),
        binding.llama_sampler_init_top_p(float(settings.get("top_p", 1.0)), 1),
        binding.llama_sampler_init_min_p(float(settings.get("min_p", 0.0)), 1),
        binding.llama_sampler_init_temp(temperature),
        binding.llama_sampler_init_dist(_RANDOM_SEED if seed is None else int(seed) & 0xFFFFFFFF),
    ]
