"""Trains the model on token files: resumable, and the same weights again from the same files, seed and machine."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import distributed, multiprocessing

from training.batches import Reading, batches
from training.copying import Born
from training.losses import Reader, loss_of
from training.model import Dimensions, Lfm2
from training.vocabulary import Bpe

WARM_UP = 40
CLIP = 1.0


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


class Trainer:
    """A model, its optimisers, and where it stands."""

    def __init__(self, tokens: Sequence[str], plan: Plan, folder: Path, worker: int = 0, workers: int = 1) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.folder, self.worker, self.workers = plan, folder, worker, workers
        self.model = Lfm2(Dimensions(len(tokens)))
        self.born = Born(self.model, tokens)
        self.reader = Reader(self.model.of.width)
        named = dict(self.model.named_parameters())
        matrices = [p for name, p in named.items() if p.ndim == 2 and _is_inner(name)]
        last = [named[name] for name in _LAST]
        others = [p for name, p in named.items() if not (p.ndim == 2 and _is_inner(name)) and name not in _LAST]
        self.optimisers = (
            torch.optim.Muon(matrices, lr=plan.muon_rate, momentum=0.95, weight_decay=0.01, adjust_lr_fn="original"),
            torch.optim.AdamW(others, lr=plan.adam_rate, betas=(0.9, 0.95), weight_decay=0.0),
            torch.optim.AdamW(self.reader.parameters(), lr=plan.adam_rate, betas=(0.9, 0.95), weight_decay=0.0),
            torch.optim.AdamW(last, lr=plan.adam_rate, betas=(0.9, 0.95), weight_decay=0.0),
        )
        self.rates = (plan.muon_rate, plan.adam_rate, plan.adam_rate, plan.adam_rate / 10)
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
        self.reader.load_state_dict(state["reader"])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.step = int(state["step"])

    def save(self) -> None:
        """Write where it stands, in one move."""
        state = {
            "model": self.model.state_dict(),
            "reader": self.reader.state_dict(),
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
        reading = Reading(self.plan.batch_tokens, self.plan.seed, self.worker, self.workers)
        began_s, tokens, losses = time.monotonic(), 0, []
        for batch in batches(data, reading, self.step):
            if self.step >= self.plan.steps:
                break
            with torch.autocast("cpu", torch.bfloat16):
                loss, own = loss_of(self.model, self.reader, batch)
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
        gradients = [p.grad for each in (self.model, self.reader) for p in each.parameters() if p.grad is not None]
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
