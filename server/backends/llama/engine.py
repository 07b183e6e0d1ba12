"""Runs jobs on the model, one at a time, and looks up between steps: a stop is never further away than one of them."""

from __future__ import annotations

from collections.abc import Callable

from server.backends.llama.jobs import BadJob, Job, JobQueue
from server.backends.llama.model import BATCH_TOKENS, ContextFull, EngineError, Model
from server.backends.llama.pipe import Frame
from server.backends.llama.reply import Piece, ReplyText
from server.backends.llama.sampling import Sampler
from server.backends.llama.sequence import TokenSequence

WARM_CHUNK = 32
"""Tokens a warm evaluates between two looks at the queue: 0.4 s of a 2.6B model on two cores; a tenth slower in all."""


class Engine:
    """Answers `generate`, `warm` and `cancel` frames through `emit`, over the one sequence of `model`.

    `handle` takes a frame and returns at once; `run_next` does the work, and calls `look_up` between steps so that its
    owner can pass on, through `handle`, what came in meanwhile.
    """

    def __init__(self, model: Model, emit: Callable[[Frame], None], look_up: Callable[[], None]) -> None:
        self._model = model
        self._emit = emit
        self._look_up = look_up
        self._sequence = TokenSequence(model)
        self._queue = JobQueue()
        self._running: Job | None = None

    @property
    def idle(self) -> bool:
        """True when no job waits."""
        return not len(self._queue)

    def handle(self, frame: Frame) -> None:
        """Queue a `generate` or `warm`; stop a job by `cancel`."""
        if frame["op"] == "cancel":
            self._cancel(frame["id"])
            return
        try:
            self._queue.push(Job.from_frame(frame))
        except BadJob as error:
            self._emit({"op": "error", "id": frame["id"], "kind": "broken", "message": str(error)})

    def run_next(self) -> None:
        """Run the job that is next, to its `done` or `error`."""
        self._running = job = self._queue.pop()
        try:
            self._run(job)
        except ContextFull as error:
            self._emit({"op": "error", "id": job.id, "kind": "overflow", "message": str(error)})
        except EngineError as error:
            self._emit({"op": "error", "id": job.id, "kind": "broken", "message": str(error)})
        finally:
            self._running = None

    def _cancel(self, job_id: int) -> None:
        if self._running is not None and self._running.id == job_id:
            self._running.cancelled = True
            return
        waiting = self._queue.remove(job_id)
        if waiting is not None:
            self._done(waiting, "cancelled", cached=0, reply=0)

    def _run(self, job: Job) -> None:
        total = len(job.tokens)
        if total + job.speaks > self._model.context:
            raise ContextFull(f"the prompt has {total} tokens, the context holds {self._model.context}")
        cached = self._sequence.begin(job.tokens)
        reason = self._read(job)
        reply = 0
        if job.speaks and not reason:
            reason, reply = self._speak(job)
        self._done(job, reason or "warmed", cached=cached, reply=reply)

    def _read(self, job: Job) -> str:
        """Evaluate the prompt; returns why it was left early, or nothing."""
        total = len(job.tokens)
        for done in self._sequence.read(job.tokens, BATCH_TOKENS if job.speaks else WARM_CHUNK):
            self._emit({"op": "progress", "id": job.id, "done": done, "total": total})
            self._look_up()
            if job.cancelled:
                return "cancelled"
            if not job.speaks and self._queue.speaker_waits:
                return "yielded"
        return ""

    def _speak(self, job: Job) -> tuple[str, int]:
        """Decode the reply; returns why it ended and how many tokens were drawn."""
        text = ReplyText(job.stop)
        room = self._model.context - len(job.tokens)
        drawn, reason = 0, "length"
        with Sampler(self._model.library, self._model.vocabulary_size, job.sampling) as sampler:
            while drawn < min(job.max_tokens, room):
                token = sampler.sample(self._model.pointer)
                if self._model.ends_reply(token):
                    reason = "stop"
                    break
                drawn += 1
                self._send(job, text.feed(token, self._model.piece(token)))
                if text.stopped:
                    reason = "stop"
                    break
                self._look_up()
                if job.cancelled:
                    return "cancelled", drawn
                if drawn < min(job.max_tokens, room):
                    self._sequence.append([token])
        self._send(job, text.finish())
        return reason, drawn

    def _send(self, job: Job, piece: Piece | None) -> None:
        if piece is not None:
            self._emit({"op": "text", "id": job.id, "text": piece.text, "tokens": list(piece.tokens)})

    def _done(self, job: Job, reason: str, *, cached: int, reply: int) -> None:
        self._emit(
            {
                "op": "done",
                "id": job.id,
                "reason": reason,
                "prompt": len(job.tokens),
                "cached": cached,
                "reply": reply,
            }
        )
