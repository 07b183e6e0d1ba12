"""What a model and its context take of the memory, before either is loaded.

The formulas are those of llama.cpp's allocations for a unified cache; the estimate of its working memory was fitted to
what it reports for LFM2 (within 10 % from 350M to 2.6B, batches of 128 to 512, contexts of 4,096 to 32,768).
"""

from __future__ import annotations

from dataclasses import dataclass

from server.backends.llama.gguf_file import Dimensions
from server.config import LlamaRoute

_KV_BYTES = {"f16": 2.0, "q8_0": 34 / 32}
"""Bytes of a value; q8_0 has a scale for each block of 32."""
_CELL_GRAIN = 256
_FLOAT_BYTES = 4
_MASK_BYTES = 2
_VALUES_OF_INNER = _VALUES_OF_WIDTH = 3
"""Vectors of the feed-forward network, and of the layer around it, that are alive at once for each token."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes. `ram_cache` and `disk_cache` are the most that states outside the context may take."""

    weights: int
    kv_per_token: int
    kv: int
    recurrent_per_sequence: int
    recurrent: int
    compute: int
    ram_cache: int
    disk_cache: int

    @property
    def memory(self) -> int:
        """All that may be in memory at once."""
        return self.weights + self.kv + self.recurrent + self.compute + self.ram_cache


def cost_of(size_bytes: int, dimensions: Dimensions, route: LlamaRoute, context: int) -> Cost:
    """What a file of `size_bytes` takes with the settings of `route` and a context of `context` tokens."""
    of_token = sum(dimensions.kv_heads) * (dimensions.key_width + dimensions.value_width) * _KV_BYTES[route.kv_type]
    convolutions = dimensions.kv_heads.count(0) if dimensions.window else 0
    of_sequence = convolutions * max(0, dimensions.window - 1) * dimensions.width * _FLOAT_BYTES
    cells = -(-context // _CELL_GRAIN) * _CELL_GRAIN
    return Cost(
        weights=size_bytes,
        kv_per_token=round(of_token),
        kv=round(of_token * cells),
        recurrent_per_sequence=of_sequence,
        recurrent=of_sequence * route.sequences,
        compute=_compute(dimensions, route, cells),
        ram_cache=route.ram_cache_mb * 1_048_576,
        disk_cache=route.disk_cache_mb * 1_048_576,
    )


def _compute(dimensions: Dimensions, route: LlamaRoute, cells: int) -> int:
    batch = min(route.batch, cells)
    layer = batch * (_VALUES_OF_INNER * dimensions.inner + _VALUES_OF_WIDTH * dimensions.width) * _FLOAT_BYTES
    logits = route.sequences * dimensions.vocabulary * _FLOAT_BYTES
    return max(layer, logits) + cells * batch * _MASK_BYTES
