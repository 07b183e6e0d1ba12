"""Runs jobs on the model together, a batch at a time; between two batches it can be told anything."""

from __future__ import annotations

import contextlib
import itertools
import time
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

from server.backends.llama.calibration import Calibration
from server.backends.llama.disk import StateFiles
from server.backends.llama.jobs import BadJob, Job
from server.backends.llama.machine import resident_bytes
from server.backends.llama.model import ContextFull, ContextLost, EngineError, Model
from server.backends.llama.pipe import Frame
from server.backends.llama.placement import Placement
from server.backends.llama.run import Run
from server.backends.llama.sampling import Logits
from server.backends.llama.schedule import Plan, first_token_ms, plan, rank
from server.backends.llama.sequences import Sequences
from server.backends.llama.state import Kind
from server.backends.llama.states import NoRoom, States
from server.backends.llama.step_times import StepTimes
from server.backends.llama.voice import Choice, Speech, Voice

RAM_BYTES = 1 << 30

SPEED_STEPS = 64
"""Steps between two `speed` frames."""

GRAMMAR_MS = 2_000
"""A grammar with which one token takes longer ends its job: everybody waits while llama.cpp looks through it."""


class Engine:
    """Answers `generate`, `warm`, `choose`, `cancel` and `stats` frames through `emit`.

    `handle` takes a frame and returns at once; `step` does a batch of work, and `rest` what can wait. The owner calls
    them in turn, so a job is stopped, or overtaken by a more urgent one, between two steps.
    """

    def __init__(
        self,
        model: Model,
        emit: Callable[[Frame], None],
        *,
        ram_bytes: int = RAM_BYTES,
        files: StateFiles | None = None,
        times: StepTimes | None = None,
        now_ms: Callable[[], float] = lambda: time.perf_counter() * 1_000,
    ) -> None:
        self._model = model
        self._emit = emit
        self._now_ms = now_ms
        self._sequences = Sequences(model)
        self._states = States(model, self._sequences, ram_bytes=ram_bytes, files=files)
        self._times = times or StepTimes()
        self._runs: dict[int, Run] = {}
        self._placement = Placement(self._states, self._sequences, model.context, self._runs)
        self._orders = itertools.count()
        self._steps = 0

    @property
    def busy(self) -> bool:
        """True while a job waits or runs."""
        return bool(self._runs)

    @property
    def times(self) -> StepTimes:
        """What is known of this machine."""
        return self._times

    def handle(self, frame: Frame) -> None:
        """Take a job, cancel one, or tell how things are."""
        match frame["op"]:
            case "cancel":
                if run := self._runs.get(frame["id"]):
                    self._finish(run, "cancelled")
            case "stats":
                self._emit({"op": "stats", "id": frame["id"], **self.stats()})
            case _:
                self._take(frame)

    def step(self) -> None:
        """Evaluate one batch of the jobs there are, and draw what can be drawn after it."""
        ready = [run for run in self._runs.values() if not run.waiting]
        if not ready:
            self._placement.wake()
            return
        now = plan(ready, self._times)
        runs = sorted([*now.speaking, *([now.reading] if now.reading else [])], key=rank)
        parts: list[tuple[Run, int]] = []
        for index, run in enumerate(runs):
            planned = sum(count for _, count in parts)
            most = self._model.batch - planned
            if run is now.reading:
                # Those who speak and come after have their part too.
                most = max(min(1, most), most - (len(runs) - index - 1))
            count = self._prepare(run, now, planned, most)
            if count:
                parts.append((run, count))
        if parts:
            self._evaluate(parts)

    def rest(self) -> bool:
        """Do a little of what can wait while there is no job; False when nothing is left."""
        return self._states.tidy()

    def save(self) -> bool:
        """Write a little to disk; False when everything is there."""
        return self._states.save()

    def calibration(self) -> Calibration:
        """A measurement of this machine, to be made while there is no job."""
        token = max(self._model.eos, 0)
        return Calibration(self._sequences, self._times, token, self._model.batch, self._now_ms)

    def tell_times(self) -> None:
        """Send what is known of the machine."""
        self._emit({"op": "speed", **self._times.to_dict(), "cells": self._sequences.used_cells})

    def stats(self) -> dict[str, Any]:
        """Counts and sizes, for the parent."""
        return {
            "jobs": len(self._runs),
            "sequences": self._sequences.taken,
            "cells": self._sequences.used_cells,
            "context": self._model.context,
            "steps": self._steps,
            "rss_bytes": resident_bytes(),
            "states": self._states.stats(),
        }

    def _take(self, frame: Frame) -> None:
        try:
            job = Job.from_frame(frame, self._model.vocabulary_size)
            # A generate draws its first token from the last of the prompt, which is evaluated without it.
            if len(job.tokens) + job.speaks > self._model.context:
                raise ContextFull(f"the prompt has {len(job.tokens)} tokens, the context holds {self._model.context}")
            run = Run(job, next(self._orders), job.tokens[:], self._voice(job), self._now_ms())
        except BadJob as error:
            self._emit({"op": "error", "id": frame["id"], "kind": "refused", "message": str(error)})
        except ContextFull as error:
            self._emit({"op": "error", "id": frame["id"], "kind": "overflow", "message": str(error)})
        else:
            self._runs[job.id] = run
            if job.operation == "generate":
                self._foretell(run)

    def _foretell(self, run: Run) -> None:
        """Say how long the first token will take, as far as it can be known now."""
        new = len(run.tokens) - self._states.longest(run.tokens)
        ms = first_token_ms(self._runs.values(), run, new, self._times)
        self._say(run.job.id, "forecast", ms=round(ms, 1), new=new)

    def _voice(self, job: Job) -> Voice | None:
        if job.operation == "choose":
            return Choice(self._model, job)
        return Speech(self._model, job, partial(self._say, job.id)) if job.speaks else None

    def _prepare(self, run: Run, now: Plan[Run], planned: int, most: int) -> int:
        """Find `run` a sequence, and room for its part of a step beside `planned` other tokens; returns its size.

        0 where it has none in this step: it waits for room, or it has ended.
        """
        try:
            if run.sequence is None:
                self._place(run, planned)
            if run.sequence is None or most < 1:
                return 0
            count = 1 if run.pending == 1 else self._times.chunk(run.to_next_stop, now.budget_ms, most, now.least)
            self._placement.make_room(run, planned + count)
        except NoRoom:
            self._wait_or_give_up(run)
            return 0
        return count

    def _place(self, run: Run, planned: int) -> None:
        """Give `run` a sequence with as much of its tokens as is there; go on at once where that is all of them.

        Raises:
            NoRoom: while more urgent jobs have it.
        """
        start = self._now_ms()
        self._absorb_warms(run)
        base = self._placement.place(run, planned)
        if run.begun_ms is None:
            run.begun_ms, run.cached = start, base.length
            run.restored_ms = self._now_ms() - start
        if not run.pending:
            self._draw(run, Logits(kept=base.logits))

    def _absorb_warms(self, run: Run) -> None:
        """End the warms that read what `run` reads: it does their work on its way."""
        for other in list(self._runs.values()):
            total = len(other.tokens)
            if run.speaks and not other.speaks and other.tokens == run.tokens[:total]:
                self._finish(other, "yielded")

    def _wait_or_give_up(self, run: Run) -> None:
        """`run` has no room: it waits while others have it, and ends where it has all there is."""
        if not self._placement.is_alone(run):
            run.waiting = True
        elif run.speaking:
            self._finish(run, "length")
        else:
            self._fail(run, "overflow", f"the context has no room for {len(run.tokens)} tokens")

    def _evaluate(self, parts: list[tuple[Run, int]]) -> None:
        batch = [(run.sequence or 0, run.tokens[run.evaluated : run.evaluated + count]) for run, count in parts]
        spoken = sum(run.speaking and run.pending == 1 for run, _ in parts)
        start = self._now_ms()
        try:
            rows = self._sequences.evaluate(batch)
        except EngineError as error:
            self._recover(parts, error)
            return
        self._times.seen(sum(count for _, count in parts) - spoken, spoken, self._now_ms() - start)
        for (run, count), row in zip(parts, rows, strict=True):
            self._advance(run, count, row)
        self._steps += 1
        if self._steps % SPEED_STEPS == 0:
            self.tell_times()

    def _recover(self, parts: list[tuple[Run, int]], error: EngineError) -> None:
        """After a batch that failed: its jobs fail, unless room can be made; the others begin again where they may."""
        runs = [run for run, _ in parts]
        if isinstance(error, ContextFull):
            # The ledger saw room where llama.cpp found none.
            if not self._placement.free_something():
                self._wait_or_give_up(runs[0])
            return
        if isinstance(error, ContextLost):
            self._sequences.clear()
            self._states.lose_context()
            for run in self._runs.values():
                run.removed()
        for run in runs:
            self._fail(run, "broken", str(error))

    def _advance(self, run: Run, count: int, row: int) -> None:
        """Note that `count` more tokens of `run` are evaluated; draw where that was all."""
        run.evaluated += count
        run.served += 1
        total = len(run.job.tokens)
        if run.evaluated <= total:
            run.prompt_evaluated += count
            self._say(run.job.id, "progress", done=run.evaluated, total=total)
        if run.stops and run.evaluated == run.stops[0]:
            self._states.fork(run.sequence or 0, run.content, Kind.PART)
            del run.stops[0]
        if not run.pending:
            if run.evaluated == total:
                self._keep_prompt(run, row)
            self._draw(run, Logits(row))

    def _keep_prompt(self, run: Run, row: int) -> None:
        """Keep the end of the prompt, from which a turn starts again when it was not heard as it was said."""
        if run.sequence is None or run.job.operation == "choose":
            return
        total = len(run.job.tokens)
        self._states.fork(run.sequence, run.content, Kind.PROMPT, logits=self._model.logits(row), replaces=total)

    def _draw(self, run: Run, logits: Logits) -> None:
        """The prompt is read, or the last token: go on from its logits."""
        now = self._now_ms()
        run.speaking = True
        if run.read_ms is None:
            run.read_ms = now
        if run.voice is None:
            self._finish(run, "warmed")
            return
        tokens = run.voice.draw(logits) if not run.voice.reason else ()
        if run.first_token_ms is None and run.voice.drawn:
            run.first_token_ms = self._now_ms()
        run.tokens.extend(array("i", tokens))
        if run.job.grammar and self._now_ms() - now > GRAMMAR_MS:
            self._fail(run, "refused", "the grammar takes too long for each token; make it smaller")
        elif run.voice.reason:
            self._finish(run, run.voice.reason)

    def _finish(self, run: Run, reason: str) -> None:
        """Keep what is worth it, and answer the job for good."""
        if run.sequence is not None:
            self._keep_end(run, run.sequence, reason)
            run.sequence = None
        total = len(run.job.tokens)
        counts = {"prompt": total, "cached": run.cached, "evaluated": run.prompt_evaluated}
        drawn = run.voice.drawn if run.voice else 0
        times = run.times(self._now_ms())
        chosen = run.voice.outcome() if run.voice and reason == "stop" else {}
        self._close(run)
        self._say(run.job.id, "done", reason=reason, **counts, reply=drawn, ms=times, **chosen)

    def _keep_end(self, run: Run, sequence: int, reason: str) -> None:
        total = len(run.job.tokens)
        if run.job.operation == "generate" and reason in ("stop", "length") and run.evaluated > total:
            self._states.keep(sequence, run.content, Kind.TURN, replaces=total)
        elif run.cached < run.evaluated < total:
            self._states.keep(sequence, run.content, Kind.PROMPT, replaces=run.evaluated)
        else:
            self._sequences.give_back(sequence)

    def _fail(self, run: Run, kind: str, message: str) -> None:
        if run.sequence is not None:
            self._sequences.give_back(run.sequence)
            run.sequence = None
        self._close(run)
        self._say(run.job.id, "error", kind=kind, message=message)

    def _close(self, run: Run) -> None:
        del self._runs[run.job.id]
        self._placement.wake()
        if run.voice is not None:
            run.voice.close()

    def _say(self, job_id: int, operation: str, **fields: Any) -> None:
        self._emit({"op": operation, "id": job_id, **fields})

    def close(self) -> None:
        """Cancel every job."""
        with contextlib.suppress(OSError):
            for run in list(self._runs.values()):
                self._finish(run, "cancelled")
