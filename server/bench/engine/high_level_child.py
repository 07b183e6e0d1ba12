"""`python -m server.bench.engine.high_level_child MODEL CONTEXT THREADS GPU_LAYERS`: llama-cpp-python's own `Llama`.

It is given token ids and keeps its one sequence by its own prefix matching, as any program that uses it does.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from typing import Any

import llama_cpp

from server.backends.llama.machine import has_amx
from server.bench.engine.child import say_line, serve_lines


class CountingLlama(llama_cpp.Llama):
    """Counts the tokens that it evaluates."""

    evaluated = 0

    def eval(self, tokens: Sequence[int]) -> None:
        """Evaluate, and count."""
        self.evaluated += len(tokens)
        super().eval(tokens)


def main(path: str, context: str, threads: str, gpu_layers: str) -> None:
    """Answer until stdin closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the bench ends its processes itself
    questions, answers = serve_lines()
    if has_amx():
        _leave_out_extra_buffers()
    llama = CountingLlama(
        path,
        n_ctx=int(context),
        n_threads=int(threads),
        n_threads_batch=int(threads),
        n_gpu_layers=int(gpu_layers),
        verbose=False,
    )
    say_line(answers, {"ready": True})
    for line in questions:
        asked = json.loads(line)
        llama.evaluated = 0
        evaluated = 0
        drawn: list[int] = []
        for token in llama.generate(asked["tokens"], temp=0.0, top_k=1, repeat_penalty=1.0):
            if not drawn:
                evaluated = llama.evaluated
                say_line(answers, {"first": True})
            drawn.append(int(token))
            if len(drawn) >= asked["max_tokens"]:
                break
        text = llama.detokenize(drawn, prev_tokens=asked["tokens"]).decode("utf-8", "replace")
        say_line(answers, {"drawn": drawn, "text": text, "evaluated": evaluated, "done": True})


def _leave_out_extra_buffers() -> None:
    """As the engine does it on such a machine, so that both run the same kernels; `Llama` has no option for it."""
    defaults = llama_cpp.llama_cpp.llama_model_default_params

    def without() -> Any:
        parameters = defaults()
        parameters.use_extra_bufts = False
        return parameters

    llama_cpp.llama_cpp.llama_model_default_params = without


if __name__ == "__main__":
    main(*sys.argv[1:])
