from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training is an extra")
pytest.importorskip("gguf", reason="training is an extra")
llama_cpp = pytest.importorskip("llama_cpp", reason="the engine is an extra")

from server.bench.model.tokens import SPECIAL_TOKENS, byte_token  # noqa: E402  # after what may be missing
from training.export import write  # noqa: E402  # as above
from training.model import Dimensions, Lfm2  # noqa: E402  # as above
from training.vocabulary import Bpe  # noqa: E402  # as above

BYTES = Bpe([*SPECIAL_TOKENS, *map(byte_token, range(256)), "th"], [("t", "h")])
SHAPE = Dimensions(len(BYTES.tokens), width=64, inner=96, layers=4, attention=(1, 3), heads=4, kv_heads=2, context=512)


def test_llama_cpp_draws_the_tokens_that_torch_draws(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = Lfm2(SHAPE)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    path = tmp_path / "model.gguf"
    write(path, SHAPE, BYTES, {name: p.detach().numpy() for name, p in model.named_parameters()}, {}, kind="F32")
    prompt = [1, *range(20, 60)]
    engine = llama_cpp.Llama(str(path), n_ctx=256, verbose=False, n_threads=1)
    theirs = []
    for token in engine.generate(prompt, temp=0.0, repeat_penalty=1.0):
        theirs.append(token)
        if len(theirs) == 40:
            break
    ours = list(prompt)
    with torch.no_grad():
        for _ in range(40):
            ours.append(int(model.logits(model(torch.tensor([ours])))[0, -1].argmax()))
    assert theirs == ours[len(prompt) :]
