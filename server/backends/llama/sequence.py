"""The one sequence in the context: which tokens it holds, and what a prompt still needs.

LFM2's memory is partly a convolution state that cannot be cut back: a sequence only grows, or is cleared whole. So a
prompt that begins with everything the sequence holds costs its new tokens alone, and any other prompt costs all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from server.backends.llama.model import ContextFull, EngineError, Model


class TokenSequence:
    """Grows in the context of `model`, and always knows exactly what was evaluated."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._tokens: list[int] = []

    @property
    def tokens(self) -> tuple[int, ...]:
        """What the context holds, oldest first. The logits at hand follow the last of them."""
        return tuple(self._tokens)

    def begin(self, prompt: Sequence[int]) -> int:
        """Make ready for `prompt`; return how many of its tokens need not be evaluated.

        A prompt that is in the context to its last token returns its whole length: the logits after it are still at
        hand, because nothing was evaluated since.
        """
        held = len(self._tokens)
        if held and list(prompt[:held]) == self._tokens:
            return held
        self.clear()
        return 0

    def read(self, prompt: Sequence[int], chunk: int) -> Iterator[int]:
        """Evaluate what `prompt` still needs, `chunk` tokens at a time; after each, yields how many of it are in.

        May be left between two chunks: the sequence then holds a shorter part of the prompt.

        Raises:
            EngineError: llama.cpp failed; the sequence is empty.
        """
        while len(self._tokens) < len(prompt):
            self.append(prompt[len(self._tokens) : len(self._tokens) + chunk])
            yield len(self._tokens)

    def append(self, tokens: Sequence[int]) -> None:
        """Evaluate `tokens` after what is held.

        Raises:
            ContextFull: nothing was evaluated.
            EngineError: llama.cpp failed; the sequence is empty.
        """
        try:
            self._model.decode(tokens, len(self._tokens))
        except ContextFull:
            raise
        except EngineError:
            self.clear()
            raise
        self._tokens.extend(tokens)

    def clear(self) -> None:
        """Forget everything."""
        self._model.clear()
        self._tokens.clear()
