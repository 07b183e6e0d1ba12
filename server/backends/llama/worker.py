"""The engine's process, `python -m server.backends.llama.worker`: frames on stdin and stdout, the log on stderr.

A thread reads commands; the main thread owns the model and does everything else. It ends when stdin closes, so it
never outlives the server, however the server dies.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from typing import BinaryIO

from server.backends.llama.engine import Engine
from server.backends.llama.model import EngineError, Model
from server.backends.llama.native import library
from server.backends.llama.pipe import Frame, FrameError, read_frame, write_frame
from server.errors import RouteUnavailable

Inbox = queue.SimpleQueue[Frame]


def main() -> None:
    """Load the model that the first frame names, then answer frames until stdin closes."""
    # A terminal sends Ctrl-C to its whole group; the server decides when its worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    commands, answers = _take_stdio()
    inbox: Inbox = queue.SimpleQueue()
    threading.Thread(target=_read_commands, args=(commands, inbox), name="commands", daemon=True).start()
    try:
        model = _load(inbox.get(), answers)
        if model is not None:
            _serve(model, inbox, answers)
    except OSError as error:
        # Nobody reads the answers any more.
        print(f"answer pipe: {error}", file=sys.stderr, flush=True)


def _serve(model: Model, inbox: Inbox, answers: BinaryIO) -> None:
    def look_up() -> None:
        while not inbox.empty():
            engine.handle(inbox.get())

    engine = Engine(model, emit=lambda frame: write_frame(answers, frame), look_up=look_up)
    while True:
        look_up()
        if engine.idle:
            engine.handle(inbox.get())
        else:
            engine.run_next()


def _load(frame: Frame, answers: BinaryIO) -> Model | None:
    try:
        binding = library()
        # The binding logs through Python; without a callback llama.cpp writes to stderr by itself.
        binding.llama_log_set(binding.llama_log_callback(), None)
        model = Model(
            binding,
            frame["path"],
            context=frame["context"],
            threads=frame["threads"],
            gpu_layers=frame["gpu_layers"],
        )
    except RouteUnavailable as error:
        write_frame(answers, {"op": "failed", "message": f"{error.message}. {error.hint}"})
        return None
    except EngineError as error:
        write_frame(answers, {"op": "failed", "message": str(error)})
        return None
    write_frame(answers, {"op": "ready", "context": model.context})
    return model


def _take_stdio() -> tuple[BinaryIO, BinaryIO]:
    """Streams for frames; afterwards whatever native code prints to stdout goes to stderr and cannot garble them."""
    commands = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        for stream in (commands, answers):
            msvcrt.setmode(stream.fileno(), os.O_BINARY)
    return commands, answers


def _read_commands(commands: BinaryIO, inbox: Inbox) -> None:
    """Fill the inbox; when no more commands can come end the process, in the middle of an evaluation if need be."""
    try:
        while (frame := read_frame(commands)) is not None:
            inbox.put(frame)
    except FrameError as error:
        print(f"command pipe: {error}", file=sys.stderr, flush=True)
    # The main thread may be inside llama.cpp for seconds; there is nothing to tidy that the system does not.
    os._exit(0)


if __name__ == "__main__":
    main()
