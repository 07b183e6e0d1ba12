"""The engine's process, `python -m server.backends.llama.worker`: frames on stdin and stdout, the log on stderr.

A thread reads commands; the main thread owns the model and does everything else. It ends when stdin closes, so it
never outlives the server, however the server dies.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

from server.backends.llama.calibration import load_times, store_times
from server.backends.llama.disk import StateFiles
from server.backends.llama.engine import RAM_BYTES, Engine
from server.backends.llama.model import ContextSettings, EngineError, Model
from server.backends.llama.native import library
from server.backends.llama.pipe import Frame, FrameError, read_frame, write_frame
from server.errors import RouteUnavailable

DISK_BYTES = 4 << 30

QUIET_S = 10.0
"""Without a job for so long, the ends of the last turns are written to disk: a talk that goes on replaces them soon."""

FAREWELL_S = 1.5
"""What may be spent on writing them once stdin has closed. The parent kills who takes longer than its grace."""

Inbox = queue.SimpleQueue[Frame | None]
"""Commands as they came; None when no more can come."""


def main() -> None:
    """Load the model that the first frame names, then answer frames until stdin closes."""
    # A terminal sends Ctrl-C to its whole group; the server decides when its worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    commands, answers = _take_stdio()
    inbox: Inbox = queue.SimpleQueue()
    threading.Thread(target=_read_commands, args=(commands, inbox), name="commands", daemon=True).start()
    frame = inbox.get()
    try:
        model = _load(frame, answers) if frame else None
        if frame and model:
            _serve(model, frame, inbox, answers)
    except OSError as error:
        # Nobody reads the answers any more.
        _log(f"answer pipe: {error}")
    sys.stderr.flush()
    os._exit(0)


def _serve(model: Model, load: Frame, inbox: Inbox, answers: BinaryIO) -> None:
    engine, times_file = _engine(model, load, answers)
    open_ = _calibrate(engine, times_file, inbox)
    quiet_since = time.monotonic()
    while open_:
        while open_ and not inbox.empty():
            open_ = _pass_on(inbox.get(), engine)
        if engine.busy:
            engine.step()
            quiet_since = time.monotonic()
        elif not engine.rest():
            open_ = open_ and _wait(engine, inbox, quiet_since)
    _say_farewell(engine, times_file)


def _pass_on(frame: Frame | None, engine: Engine) -> bool:
    """Give `frame` to `engine`; False when it was the last."""
    if frame is not None:
        engine.handle(frame)
    return frame is not None


def _calibrate(engine: Engine, times_file: Path | None, inbox: Inbox) -> bool:
    """Find out how fast this machine is, unless it is known, between jobs; False when no more commands can come."""
    calibration = None if engine.times.measured else engine.calibration()
    while calibration is not None:
        while not inbox.empty():
            if not _pass_on(inbox.get(), engine):
                return False
        if engine.busy:
            engine.step()
        elif not calibration.step():
            calibration = None
            if times_file:
                store_times(times_file, engine.times)
    engine.tell_times()
    return True


def _wait(engine: Engine, inbox: Inbox, quiet_since: float) -> bool:
    """Wait for a command; write what is not on disk once it was quiet for long enough. False when no more can come."""
    quiet_left = quiet_since + QUIET_S - time.monotonic()
    if quiet_left <= 0 and engine.save():
        return True
    try:
        return _pass_on(inbox.get(timeout=quiet_left if quiet_left > 0 else None), engine)
    except queue.Empty:
        return True


def _say_farewell(engine: Engine, times_file: Path | None) -> None:
    """Nobody asks any more: what was learnt stays for the next time."""
    until = time.monotonic() + FAREWELL_S
    engine.close()
    if times_file and engine.times.measured:
        store_times(times_file, engine.times)
    while time.monotonic() < until and engine.save():
        pass


def _engine(model: Model, load: Frame, answers: BinaryIO) -> tuple[Engine, Path | None]:
    """The engine, and the file that keeps its times."""
    folder = Path(load["disk_folder"]) if load.get("disk_folder") else None
    layout = (load.get("fingerprint"), load.get("kv_type"), ContextSettings.from_frame(load).flash_attention)
    key = json.dumps([importlib.metadata.version("llama-cpp-python"), *layout])
    files = StateFiles(folder, key, load.get("disk_bytes", DISK_BYTES), _log) if folder else None
    speed_key = hashlib.sha256(f"{key} {load['threads']} {load['gpu_layers']}".encode()).hexdigest()[:16]
    times_file = folder / f"{speed_key}.times" if folder else None
    times = load_times(times_file) if times_file else None
    engine = Engine(
        model,
        emit=lambda frame: write_frame(answers, frame),
        ram_bytes=load.get("ram_bytes", RAM_BYTES),
        files=files,
        times=times,
    )
    return engine, times_file


def _load(frame: Frame, answers: BinaryIO) -> Model | None:
    try:
        binding = library()
        # The binding logs through Python; without a callback llama.cpp writes to stderr by itself.
        binding.llama_log_set(binding.llama_log_callback(), None)
        settings = ContextSettings.from_frame(frame)
        model = Model(binding, frame["path"], settings, gpu_layers=frame["gpu_layers"])
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
        _log(f"command pipe: {error}")
    inbox.put(None)
    # The main thread ends the process when it has put things away; it may also be inside llama.cpp for seconds.
    threading.Event().wait(FAREWELL_S)
    os._exit(0)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
