from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training is an extra")

from training.copying import FIRST, KEY, LEARNT, SAID, SECOND, SELF, Born  # noqa: E402  # after what may be missing
from training.model import Dimensions, Lfm2  # noqa: E402  # as above

SHAPE = Dimensions(2_000)
TOKENS = [str(number) for number in range(SHAPE.vocabulary)]


def test_what_stood_after_two_tokens_before_is_said_again_from_the_start() -> None:
    torch.manual_seed(1)
    model = Lfm2(SHAPE)
    Born(model, TOKENS)
    assert share_copied(model) > 0.95


def test_a_token_knows_how_its_line_begins_and_a_word_that_is_fetched_finds_its_line() -> None:
    torch.manual_seed(1)
    stop = 5
    model = Lfm2(SHAPE)
    born = Born(model, ["." if number == stop else token for number, token in enumerate(TOKENS)])
    lines = torch.randint(20, 2_000, (12, 8))
    told = torch.cat((lines, torch.full((12, 1), stop)), 1)
    ids = torch.cat((torch.tensor([1, stop]), told.flatten(), torch.randint(20, 2_000, (40,))))[None]
    inputs: list[Any] = []
    find = SHAPE.attention[-1]
    with torch.no_grad():
        model(ids, inputs)
        x = inputs[find]
        knows = x[0, 2 : 2 + told.numel()].view(12, 9, -1)[:, 2:8]
        for where, begins in ((FIRST, lines[:, 0]), (SECOND, lines[:, 1])):
            codes = born._codes @ born._short.T
            said = (knows[..., where] @ codes.T).argmax(-1)
            assert (said == begins[:, None]).float().mean() > 0.8
        asked = ids.shape[1] - 12 + torch.arange(12)
        x[0, asked, KEY] = SHAPE.width**0.5 / 5 * born._codes[lines[:, 4]] @ born._short.T
        scores = model.scores(find, x, torch.stack((torch.zeros_like(asked), asked), dim=1))
    assert (scores.argmax(-1) == (2 + 4 + 9 * torch.arange(12))[:, None]).float().mean() > 0.8


def test_learning_moves_everything_but_what_copies() -> None:
    torch.manual_seed(1)
    model = Lfm2(SHAPE)
    born = Born(model, TOKENS)
    copies = 2 * SHAPE.width // SHAPE.heads
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    tokens = torch.randint(20, 2_000, (1, 50))
    loss = torch.nn.functional.cross_entropy(model.logits(model(tokens))[0, :-1], tokens[0, 1:])
    loss.backward()
    born.still()
    optimiser.step()
    born.restore()
    now = dict(model.named_parameters())
    assert not torch.equal(now["token_embd.weight"][:, LEARNT], before["token_embd.weight"][:, LEARNT])
    assert torch.equal(now["token_embd.weight"][:, SELF], before["token_embd.weight"][:, SELF])
    assert not torch.equal(now["blk.1.mix.output.weight"], before["blk.1.mix.output.weight"])
    assert torch.equal(now["blk.1.mix.output.weight"][SAID, :copies], before["blk.1.mix.output.weight"][SAID, :copies])
    lengths = model.token_embd.weight.norm(dim=1)[2:]
    assert torch.allclose(lengths, torch.full_like(lengths, SHAPE.width**0.5), atol=0.01, rtol=0)


def share_copied(model: Lfm2) -> float:
    once = torch.randint(20, 2_000, (1, 100))
    once[0, 0] = 1
    twice = torch.cat((once, once[:, 1:]), 1)
    with torch.no_grad():
        scores = model.logits(model(twice))[0, 101:-1]
    return float((scores.argmax(-1) == twice[0, 102:]).float().mean())
