"""`python -m server.bench.engine.floor_child MODEL CONTEXT THREADS GPU_LAYERS`: llama.cpp alone.

It takes the faster of llama.cpp's two kernels of attention: on a processor flash attention reads a turn's few tokens at
half the speed, and a long prompt a little faster. For each question {"cells", "tokens"} it fills one sequence with
`cells` tokens, then times one `llama_decode` of `tokens` new ones and one decode step after it, with nothing around
them. Filling is helped by states kept in memory.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
import time
from typing import Any

from server.backends.llama.machine import has_amx
from server.backends.llama.native import library, native_log
from server.bench.engine.child import say_line, serve_lines

UBATCH_TOKENS = 512
KEPT_STATES = 24
PLAIN, FLASH = 0, 1
"""`llama_flash_attn_type` of llama.h."""
TRIAL = (512, 40)
"""Cells and tokens by which the faster kernel is found: those of a turn."""
CELL_GRAIN = 32
"""Cells are filled to the multiple below what was asked: fewer fillings, and never a slower floor."""


class BareModel:
    """One context over one file, and the two calls that a reply cannot do without."""

    def __init__(self, path: str, context: int, threads: int, gpu_layers: int) -> None:
        self._states: dict[int, Any] = {}
        self._library: Any = library()
        native_log()
        self._model = self._library.llama_model_load_from_file(path.encode(), self._model_parameters(gpu_layers))
        if not self._model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        vocab = self._library.llama_model_get_vocab(self._model)
        self._vocabulary = int(self._library.llama_vocab_n_tokens(vocab))
        self._batch = self._library.llama_batch_init(context, 0, 1)
        times_ms = {kernel: self._try(context, threads, kernel) for kernel in (PLAIN, FLASH)}
        self._open(context, threads, min(times_ms, key=lambda kernel: times_ms[kernel]))

    def time(self, cells: int, tokens: int) -> tuple[float, float]:
        """Milliseconds of one batch of `tokens` beside `cells`, and of one step after it."""
        cells = cells // CELL_GRAIN * CELL_GRAIN
        self._fill(cells)
        batch_ms = self._decode(cells, tokens)
        return batch_ms, self._decode(cells + tokens, 1)

    def _open(self, context: int, threads: int, kernel: int) -> None:
        parameters = self._context_parameters(context, threads, kernel)
        self._context = self._library.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise SystemExit(f"no context of {context} tokens can be made")
        self._memory = self._library.llama_get_memory(self._context)

    def _try(self, context: int, threads: int, kernel: int) -> float:
        """Milliseconds of a turn's batch with that kernel."""
        self._open(context, threads, kernel)
        cells = min(TRIAL[0], context - 2 * TRIAL[1])
        took_ms = min(self.time(cells, TRIAL[1])[0] for _ in range(2))
        self._states.clear()
        self._library.llama_free(self._context)
        return took_ms

    def _fill(self, cells: int) -> None:
        self._library.llama_memory_clear(self._memory, True)
        begin = max((kept for kept in self._states if kept <= cells), default=0)
        if begin:
            state = self._states[begin]
            self._library.llama_state_seq_set_data(self._context, state, len(state), 0)
        if begin < cells:
            self._decode(begin, cells - begin)
            self._keep(cells)

    def _keep(self, cells: int) -> None:
        if len(self._states) >= KEPT_STATES:
            self._states.pop(next(iter(self._states)))
        size = int(self._library.llama_state_seq_get_size(self._context, 0))
        state = (ctypes.c_uint8 * size)()
        self._library.llama_state_seq_get_data(self._context, state, size, 0)
        self._states[cells] = state

    def _decode(self, position: int, count: int) -> float:
        batch = self._batch
        batch.n_tokens = count
        for index in range(count):
            # Any tokens do: what they cost does not depend on which they are.
            batch.token[index] = 300 + (position + index) * 7919 % (self._vocabulary - 300)
            batch.pos[index] = position + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = index == count - 1
        began = time.perf_counter()
        failed = self._library.llama_decode(self._context, batch)
        self._library.llama_synchronize(self._context)
        took_ms = (time.perf_counter() - began) * 1_000
        if failed:
            raise SystemExit(f"llama_decode failed with {failed} at {position} + {count} tokens")
        return took_ms

    def _model_parameters(self, gpu_layers: int) -> Any:
        parameters = self._library.llama_model_default_params()
        parameters.n_gpu_layers = gpu_layers
        parameters.use_extra_bufts = not has_amx()
        return parameters

    def _context_parameters(self, context: int, threads: int, kernel: int) -> Any:
        parameters = self._library.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = context
        parameters.n_ubatch = UBATCH_TOKENS
        parameters.flash_attn_type = kernel
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.no_perf = True
        return parameters


def main(path: str, context: str, threads: str, gpu_layers: str) -> None:
    """Answer until stdin closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the bench ends its processes itself
    questions, answers = serve_lines()
    model = BareModel(path, int(context), int(threads), int(gpu_layers))
    say_line(answers, {"ready": True})
    for line in questions:
        asked = json.loads(line)
        batch_ms, step_ms = model.time(asked["cells"], asked["tokens"])
        say_line(answers, {"batch_ms": batch_ms, "step_ms": step_ms, "done": True})


if __name__ == "__main__":
    main(*sys.argv[1:])
