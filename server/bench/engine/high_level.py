"""A contestant: llama-cpp-python's high-level `Llama`, in a process of its own, with its prefix matching as it is."""

from __future__ import annotations

import time

from server.backends.llama.vocab import Vocabulary
from server.bench.engine.child import Child
from server.bench.engine.contestant import Answer
from server.bench.engine.conversation import Reply
from server.bench.engine.setup import Setup
from server.errors import BarkeepError
from server.text.segments import Prompt


class HighLevel:
    """`Llama`, asked with the very token ids that our engine gets."""

    name = "llama-cpp-python"
    prepares = False
    restarts = True

    def __init__(self, setup: Setup, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._child = Child("server.bench.engine.high_level_child", setup.arguments)

    async def start(self) -> None:
        """Load the model."""
        await self._child.start()

    async def close(self) -> None:
        """End its process."""
        await self._child.close()

    async def answer(self, npc: str, prompt: Prompt, max_tokens: int) -> Answer:
        """Have it answer."""
        began = time.perf_counter()
        tokens = self._vocabulary.encode(prompt)
        first_ms = 0.0
        async for said in self._child.stream({"tokens": tokens, "max_tokens": max_tokens}):
            first_ms = first_ms or (time.perf_counter() - began) * 1_000
            if said.get("done"):
                reply = Reply(said["text"], tuple(said["drawn"]), self._vocabulary.fingerprint)
                return Answer(first_ms, reply, said["evaluated"])
        raise BarkeepError("llama-cpp-python's answer had no end.")

    async def warm(self, npc: str, prompt: Prompt, *, background: bool = False) -> None:
        """It has nothing of the kind."""
