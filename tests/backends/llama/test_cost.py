from pathlib import Path

import pytest

from server.backends.llama.cost import cost_of
from server.backends.llama.gguf_file import Dimensions, read_model_file
from server.config import LlamaRoute
from tests.support.tiny_gguf import write_tiny_lfm2

KV_HEADS = tuple(8 if layer in {2, 5, 9, 13, 17, 21, 24, 27} else 0 for layer in range(30))
LFM2_2600M = Dimensions(2_048, 10_752, KV_HEADS, key_width=64, value_width=64, window=3, vocabulary=65_536)
MIB = 1_048_576


def route(**fields: object) -> LlamaRoute:
    return LlamaRoute.model_validate({"kind": "llama", **fields})


def test_attention_and_convolutions_cost_what_llama_cpp_allocates() -> None:
    cost = cost_of(1_563_668_704, LFM2_2600M, route(), 16_384)
    assert cost.kv_per_token == 16_384
    assert cost.kv == 256 * MIB
    assert cost.recurrent_per_sequence == 22 * 2 * 2_048 * 4
    assert cost.recurrent == 64 * cost.recurrent_per_sequence
    assert cost.memory == cost.weights + cost.kv + cost.recurrent + cost.compute + cost.ram_cache


@pytest.mark.parametrize(
    ("batch", "context", "measured_mib"),
    [(512, 4_096, 80.0), (512, 16_384, 92.0), (512, 32_768, 108.0), (128, 16_384, 23.8)],
)
def test_working_memory_is_what_llama_cpp_reports(batch: int, context: int, measured_mib: float) -> None:
    cost = cost_of(0, LFM2_2600M, route(batch=batch), context)
    assert cost.compute / MIB == pytest.approx(measured_mib, rel=0.1)


def test_a_quantised_cache_takes_half_and_its_scales() -> None:
    halves = cost_of(0, LFM2_2600M, route(kv_type="q8_0"), 16_384).kv / cost_of(0, LFM2_2600M, route(), 16_384).kv
    assert halves == pytest.approx(34 / 64)


def test_a_context_is_rounded_up_to_whole_blocks_of_cells() -> None:
    assert cost_of(0, LFM2_2600M, route(), 513).kv == cost_of(0, LFM2_2600M, route(), 768).kv


def test_plain_attention_has_no_convolution_state() -> None:
    plain = Dimensions(2_048, 8_192, (8,) * 16, key_width=128, value_width=128, vocabulary=100)
    assert cost_of(0, plain, route(), 512).recurrent == 0


def test_a_file_tells_its_dimensions(tmp_path: Path) -> None:
    file = read_model_file(write_tiny_lfm2(tmp_path / "tiny.gguf"))
    assert file.dimensions == Dimensions(64, 128, (0, 1, 0, 1), key_width=32, value_width=32, window=3, vocabulary=284)
