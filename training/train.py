"""Trains the model on token files: resumable, and the same weights again from the same files, seed and machine."""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, distributed, multiprocessing

from training.copying import Born
from training.model import Dimensions, Lfm2
from training.tokens import KEY, SAID, SOUGHT, Document, Shard
from training.vocabulary import Bpe

LENGTHS = (432, 576, 864, 1_152, 1_728)
"""Talks are padded to one of these: each is compiled once."""
PAD = 0
WARM_UP = 40
CLIP = 1.0
OTHERS_COUNT = 0.2
SOUGHT_COUNTS = 3.0
LOOKS_COUNT = 0.2
"""How much what others say, the first two tokens of a line that is told, and looking at the right place count."""


class Batch(NamedTuple):
    """Tokens and marks, each (talks, length), and lookups, (lookups, 5): the talk, and the rest as in `Shard`."""

    ids: Tensor
    marks: Tensor
    lookups: Tensor


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast.

    `batch_tokens` is what each worker reads in a step; `cooling` the share of all steps in which the rates fall to
    nothing.
    """

    steps: int
    batch_tokens: int = 3_456
    muon_rate: float = 0.01
    adam_rate: float = 6e-3
    cooling: float = 0.45
    seed: int = 1
    save_every: int = 100


def rate_at(step: int, plan: Plan) -> float:
    """The factor on all rates in this step: a short rise, level, and a straight line to nothing."""
    risen = min(1.0, (step + 1) / WARM_UP)
    left = (plan.steps - step) / (plan.steps * plan.cooling)
    return min(risen, max(left, 0.0))


def batches(folder: Path, plan: Plan, start: int, worker: int, workers: int) -> Iterator[Batch]:
    """What one worker reads; from step `start` on, and for ever."""
    number = 0
    epoch = 0
    while True:
        shards = sorted(folder.glob("*.npz"))
        rng = random.Random(f"{plan.seed}/{epoch}")
        order = shards[:]
        if epoch:  # the first time in order: drills stand before whole talks
            rng.shuffle(order)
        for path in order:
            made = _batches_of(Shard.load(path), plan, rng)
            for batch in made:
                if number // workers >= start and number % workers == worker:
                    yield _padded(batch)
                number += 1
        epoch += 1


def _batches_of(shard: Shard, plan: Plan, rng: random.Random) -> list[list[Document]]:
    buckets: dict[int, list[Document]] = {length: [] for length in LENGTHS}
    made = []
    talks = list(shard)
    rng.shuffle(talks)
    for talk in talks:
        if len(talk.tokens) > LENGTHS[-1]:
            continue
        length = next(each for each in LENGTHS if len(talk.tokens) <= each)
        buckets[length].append(talk)
        if len(buckets[length]) == plan.batch_tokens // length:
            made.append(buckets[length])
            buckets[length] = []
    rng.shuffle(made)
    return made


def _padded(batch: list[Document]) -> Batch:
    length = next(each for each in LENGTHS if max(len(talk.tokens) for talk in batch) <= each)
    ids = np.full((len(batch), length), PAD, np.int64)
    marks = np.zeros((len(batch), length), np.uint8)
    lookups = []
    for row, talk in enumerate(batch):
        ids[row, : len(talk.tokens)] = talk.tokens
        marks[row, : len(talk.learnt)] = talk.learnt
        lookups += [(row, *map(int, one)) for one in talk.lookups]
    return Batch(torch.from_numpy(ids), torch.from_numpy(marks), torch.tensor(lookups, dtype=torch.long).reshape(-1, 5))


def loss_of(model: Lfm2, batch: Batch) -> tuple[Tensor, Tensor]:
    """What is minimised, and the mean cross-entropy of the model's own words alone, each from what stands before it.

    What others say counts a little: names and things come again in it, and looking them up is learnt from that first.
    Where a line begins to be told counts more: all the rest is copied from there.
    """
    inputs: list[Tensor] = []
    hidden = model(batch.ids, inputs)
    kinds = (batch.marks & 3)[:, 1:]
    wanted = kinds > 0
    losses = F.cross_entropy(model.logits(hidden[:, :-1][wanted]).float(), batch.ids[:, 1:][wanted], reduction="none")
    kinds = kinds[wanted]
    said = kinds >= SAID
    own = losses[said]
    weights = 1.0 + (SOUGHT_COUNTS - 1.0) * (kinds[said] == SOUGHT)
    loss = (own * weights).sum() / weights.sum()
    others = losses[~said]
    if len(others):
        loss = loss + OTHERS_COUNT * others.mean()
    if len(batch.lookups):
        loss = loss + LOOKS_COUNT * looks_loss(model, batch, inputs)
    return loss, own.mean().detach()


def looks_loss(model: Lfm2, batch: Batch, inputs: list[Tensor]) -> Tensor:
    """How little the heads that look things up look where they should: minus the logarithm of the share that is right.

    Where a line begins to be told, the one that fetches looks at the words of the question which that line holds, and
    those that find look at the line: the third head before its first token, the fourth before its second. What has
    nothing to do looks at the beginning of the text.
    """
    fetch, find = model.of.attention[-2:]
    talks, first, begin, end, question = batch.lookups.T
    where = torch.cat((torch.stack((talks, first)), torch.stack((talks, first + 1))), dim=1).T
    places = torch.arange(batch.ids.shape[1])
    keys = (batch.marks[talks] & KEY > 0) & (places >= question[:, None]) & (places <= first[:, None])
    line = (places > begin[:, None]) & (places < end[:, None])
    nothing = (places == 0).expand_as(line)
    keys = torch.where(keys.any(dim=1, keepdim=True), keys, nothing)
    fetched = _missed(model.scores(fetch, inputs[fetch], where)[:, 0], keys.repeat(2, 1))
    found = model.scores(find, inputs[find], where)
    one = _missed(found[:, 0], torch.cat((line, nothing)))
    two = _missed(found[:, 1], torch.cat((nothing, line)))
    return fetched + one + two


def _missed(scores: Tensor, right: Tensor) -> Tensor:
    """The mean of minus the logarithm of the share of attention, (places, tokens), that is where it is right."""
    share = scores.masked_fill(~right, -torch.inf).logsumexp(dim=1) - scores.logsumexp(dim=1)
    return -share.mean()


class Trainer:
    """A model, its optimisers, and where it stands."""

    def __init__(self, tokens: Sequence[str], plan: Plan, folder: Path, worker: int = 0, workers: int = 1) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.folder, self.worker, self.workers = plan, folder, worker, workers
        self.model = Lfm2(Dimensions(len(tokens)))
        self.born = Born(self.model, tokens)
        named = dict(self.model.named_parameters())
        matrices = [p for name, p in named.items() if p.ndim == 2 and _is_inner(name)]
        last = [named[name] for name in _LAST]
        others = [p for name, p in named.items() if not (p.ndim == 2 and _is_inner(name)) and name not in _LAST]
        self.optimisers = (
            torch.optim.Muon(matrices, lr=plan.muon_rate, momentum=0.95, weight_decay=0.01, adjust_lr_fn="original"),
            torch.optim.AdamW(others, lr=plan.adam_rate, betas=(0.9, 0.95), weight_decay=0.0),
            torch.optim.AdamW(last, lr=plan.adam_rate, betas=(0.9, 0.95), weight_decay=0.0),
        )
        self.rates = (plan.muon_rate, plan.adam_rate, plan.adam_rate / 10)
        self.step = 0
        self._resume()

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def _resume(self) -> None:
        if not self._checkpoint.exists():
            return
        state = torch.load(self._checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.step = int(state["step"])

    def save(self) -> None:
        """Write where it stands, in one move."""
        state = {
            "model": self.model.state_dict(),
            "optimisers": [each.state_dict() for each in self.optimisers],
            "step": self.step,
            "dimensions": json.dumps(self.model.of.as_dict()),
        }
        beside = self._checkpoint.with_suffix(".new")
        torch.save(state, beside)
        beside.replace(self._checkpoint)

    def run(self, data: Path) -> None:
        """Train to the end of the plan."""
        torch._dynamo.config.recompile_limit = 64  # two kinds of layers, each at every length
        for block in self.model.blk:
            block.compile(dynamic=False)  # layers of a kind share what is compiled
        began_s, tokens, losses = time.monotonic(), 0, []
        for batch in batches(data, self.plan, self.step, self.worker, self.workers):
            if self.step >= self.plan.steps:
                break
            with torch.autocast("cpu", torch.bfloat16):
                loss, own = loss_of(self.model, batch)
            loss.backward()
            self._share()
            self._update()
            losses.append(own.item())
            tokens += batch.ids.numel() * self.workers
            if self.worker == 0 and self.step % 10 == 0:
                speed = tokens / (time.monotonic() - began_s)
                print(
                    f"step {self.step} of {self.plan.steps}: loss {sum(losses) / len(losses):.4f}, "
                    f"{speed:.0f} tokens/s",
                    flush=True,
                )
                losses.clear()
                began_s, tokens = time.monotonic(), 0
            if self.worker == 0 and self.step % self.plan.save_every == 0:
                self.save()
        if self.worker == 0:
            self.save()

    def _share(self) -> None:
        """The mean of all workers' gradients; a sum of two is the same in any order."""
        if self.workers == 1:
            return
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.workers
        for gradient, part in zip(gradients, flat.split([each.numel() for each in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def _update(self) -> None:
        self.born.still()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        factor = rate_at(self.step, self.plan)
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.born.restore()
        self.step += 1


_LAST = ("token_embd_norm.weight",)
"""Factors before the output; they begin so small that steps of the usual size would throw them about."""


def _is_inner(name: str) -> bool:
    return name.startswith("blk") and not name.endswith("conv")


def work(worker: int, given: argparse.Namespace) -> None:
    """One worker's whole run, on one thread: two threads would wait for each other wherever the machine is shared."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if given.workers > 1:
        distributed.init_process_group(
            "gloo", f"file://{given.out.resolve()}/meeting", rank=worker, world_size=given.workers
        )
    plan = Plan(given.steps, cooling=given.cooling, seed=given.seed)
    Trainer(Bpe.load(given.vocabulary).tokens, plan, given.out, worker, given.workers).run(given.data)


def main() -> None:
    """`python -m training.train`."""
    parser = argparse.ArgumentParser(description="Train the house model.")
    parser.add_argument("--data", type=Path, required=True, help="a folder of token files")
    parser.add_argument(
        "--out", type=Path, required=True, help="where checkpoints go; a run that stopped goes on from there"
    )
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument(
        "--cooling", type=float, default=0.45, help="the share of the steps in which the rates fall to nothing"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vocabulary", type=Path, required=True, help="bpe.json, as `training.vocabulary` writes it")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "meeting").unlink(missing_ok=True)
    os.environ.update(_KEEP_MEMORY)  # read by the C library when a worker starts
    if given.workers == 1:
        work(0, given)
    else:
        multiprocessing.start_processes(work, (given,), nprocs=given.workers, start_method="spawn")


_KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_TOP_PAD_": "500000000",
    "OMP_NUM_THREADS": "1",
}  # fmt: skip


if __name__ == "__main__":
    main()
