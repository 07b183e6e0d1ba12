"""Token counts for hosted models: whose vocabulary is not here, and whose provider says afterwards what was right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from server.backends.base import Backend
from server.memory.spend import KnownRatio
from server.prompt.calibration import LEAST_MARGIN, Ratio, stepped
from server.prompt.tokens import EstimatedTokenizer, ScaledTokenizer, Tokenizer, count_segments
from server.text.segments import Prompt

LEAST_COUNTED = 128
"""Tokens: a shorter prompt says more about its frame than about the vocabulary."""
_LFM2 = re.compile(r"lfm-?2")
_VOCABULARY = "vocabulary: "
_BY_VOCABULARY = Ratio(margin=LEAST_MARGIN)
_BY_ESTIMATE = Ratio()


@dataclass(slots=True)
class _Known:
    ratio: Ratio
    in_use: float


class HostedCounting:
    """A tokenizer for each hosted model, on the high side, and closer the more its provider has reported.

    A model of the LFM2 family is counted with a local model's vocabulary where that is of the same family; only what
    the provider wraps around the texts is then learnt. Every other model is counted by estimate.
    """

    def __init__(
        self,
        lfm2_vocabulary: Callable[[], Tokenizer | None] = lambda: None,
        known: Iterable[KnownRatio] = (),
        keep: Callable[[KnownRatio], None] = lambda known: None,
    ) -> None:
        """`known` is from earlier runs; `keep` is told of each ratio that has changed."""
        self._lfm2_vocabulary = lfm2_vocabulary
        self._keep = keep
        self._estimate = EstimatedTokenizer()
        self._known: dict[str, _Known] = {}
        for each in known:
            start = _BY_VOCABULARY if each.model.startswith(_VOCABULARY) else _BY_ESTIMATE
            ratio = Ratio(each.reports, each.mean, each.spread, each.peak, start.margin)
            self._known[each.model] = _Known(ratio, stepped(0.0, ratio.factor))

    def tokenizer_for(self, backend: Backend) -> ScaledTokenizer:
        """The tokenizer for this route's prompts from now on; the same object's equal as long as nothing has moved."""
        name, base = self._base(backend)
        return ScaledTokenizer(base, self._of(name).in_use)

    def estimate(self, backend: Backend, prompt: Prompt, said: str) -> tuple[int, int]:
        """Prompt and reply tokens of a call whose provider did not say, as likely too high as too low."""
        name, base = self._base(backend)
        mean = self._of(name).ratio.mean
        return round(_count(prompt, base) * mean), round(base.count(said) * mean)

    def knows(self, backend: Backend) -> bool:
        """Whether the provider has said of any prompt how many tokens it had."""
        name, _ = self._base(backend)
        return self._of(name).ratio.reports > 0

    def learn(self, backend: Backend, prompt: Prompt, prompt_tokens: int) -> None:
        """The provider says that this prompt had so many tokens."""
        name, base = self._base(backend)
        counted = _count(prompt, base)
        if counted < LEAST_COUNTED or prompt_tokens <= 0:
            return
        known = self._of(name)
        known.ratio = ratio = known.ratio.learn(counted, prompt_tokens)
        known.in_use = stepped(known.in_use, ratio.factor)
        self._keep(KnownRatio(name, ratio.reports, ratio.mean, ratio.spread, ratio.peak))

    def _base(self, backend: Backend) -> tuple[str, Tokenizer]:
        """Under which name a ratio is known, and to what counts it belongs."""
        model = backend.state().model
        vocabulary = self._lfm2_vocabulary() if _LFM2.search(model.lower()) else None
        return (model, self._estimate) if vocabulary is None else (_VOCABULARY + model, vocabulary)

    def _of(self, name: str) -> _Known:
        if name not in self._known:
            start = _BY_VOCABULARY if name.startswith(_VOCABULARY) else _BY_ESTIMATE
            self._known[name] = _Known(start, start.factor)
        return self._known[name]


def _count(prompt: Prompt, tokenizer: Tokenizer) -> int:
    return 1 + count_segments(prompt.segments, tokenizer)
