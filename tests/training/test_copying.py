from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training is an extra")

from training.copying import FOUND, HINT, LEARNT, SAID, SELF, Born  # noqa: E402  # after what may be missing
from training.model import Dimensions, Lfm2  # noqa: E402  # as above

SHAPE = Dimensions(2_000)
TOKENS = [str(number) for number in range(SHAPE.vocabulary)]


def test_what_stood_after_two_tokens_before_is_said_again_from_the_start() -> None:
    torch.manual_seed(1)
    model = Lfm2(SHAPE)
    Born(model, TOKENS)
    assert share_copied(model) > 0.95


def test_a_token_knows_how_the_line_began_in_which_it_stood_before() -> None:
    torch.manual_seed(1)
    model = Lfm2(SHAPE)
    stop = 5
    codes = Born(model, ["." if number == stop else token for number, token in enumerate(TOKENS)])._codes[:, :HINT]
    lines = torch.randint(20, 2_000, (12, 8))
    told = torch.cat((lines, torch.full((12, 1), stop)), 1).flatten()
    asked = lines[:, 4]
    ids = torch.cat((torch.tensor([1, stop]), told, torch.randint(20, 2_000, (40,)), asked))[None]
    x = model.token_embd(ids)
    with torch.no_grad():
        for block in model.blk[:3]:
            x = block(x, model.rope(ids.shape[1]))
    found = (x[0, -len(asked) :, FOUND] @ codes.T).argmax(-1)
    assert (codes[found] == codes[lines[:, 0]]).all(-1).float().mean() > 0.8


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
