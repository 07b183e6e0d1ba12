"""`barkeep bench make-model`: a shape and a quantisation to a file, with nothing left behind where it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from server.bench.model.shape import Shape
from server.bench.model.writer import require_gguf, write_f16
from server.bench.progress import Progress
from server.errors import BarkeepError

QUANTS = ("Q4_K_M", "Q4_0", "F16")

_BYTES_OF_F16 = {"F16": 0.0, "Q4_0": 0.33, "Q4_K_M": 0.36}
"""The size of the result beside its f16 form, rounded up."""
_HEADER_BYTES = 16_777_216
_STOP_S = 10.0


def make_model(path: Path, shape: Shape, quant: str, *, seed: int = 0, threads: int = 0) -> Path:
    """Write the model of `shape` in `quant` to `path` and return it; progress goes to stderr.

    The f16 form and the result are written to a temporary folder beside `path` first, so `path` is whole or absent. The
    2.6B shape takes some 2 minutes on two cores and 7 GB of disk meanwhile. `threads` 0 leaves the number to llama.cpp.

    Raises:
        BarkeepError: gguf or llama-cpp-python is missing, the disk is too small, or llama.cpp fails.
    """
    require_gguf()
    try:
        _check_room(path, shape, quant)
        with tempfile.TemporaryDirectory(prefix=".barkeep-model-", dir=path.parent) as folder:
            _make(Path(folder), shape, quant, seed, threads).replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BarkeepError(f"{path} cannot be written: {reason}.", "Name a folder that you may write to.") from error
    return path


def needed_bytes(shape: Shape, quant: str) -> int:
    """The disk that making it needs at its peak, in bytes."""
    f16 = sum(tensor.size_bytes for tensor in shape.tensors()) + _HEADER_BYTES
    return round(f16 * (1 + _BYTES_OF_F16[quant]))


def _make(folder: Path, shape: Shape, quant: str, seed: int, threads: int) -> Path:
    progress = Progress()
    f16 = folder / "f16.gguf"
    try:
        write_f16(f16, shape, seed, progress.show)
        if quant == "F16":
            return f16
        _quantise(f16, folder / "quantised.gguf", quant, threads, progress)
    finally:
        progress.close()
    return folder / "quantised.gguf"


def _check_room(path: Path, shape: Shape, quant: str) -> None:
    needed, free = needed_bytes(shape, quant), shutil.disk_usage(path.parent).free
    if needed > free:
        raise BarkeepError(
            f"{path.parent} has {free / 1e9:.1f} GB free; making the {shape.name} shape needs {needed / 1e9:.1f} GB.",
            "Its f16 form lies there for a while. Name a path on a larger disk.",
        )


def _quantise(source: Path, target: Path, quant: str, threads: int, progress: Progress) -> None:
    """Run the quantising process to its end, or end it when something breaks in.

    Raises:
        BarkeepError: it failed.
    """
    command = [sys.executable, "-P", "-m", "server.bench.model.quantise", str(source), str(target), quant, str(threads)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (
        tempfile.TemporaryFile("w+") as told,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True, env=environment) as child,
    ):
        try:
            for line in child.stdout or ():
                done, total = line.split()
                progress.show(f"quantising to {quant}: tensor {done} of {total}")
            child.wait()
        except BaseException:
            child.kill()
            child.wait(_STOP_S)
            raise
        if child.returncode != 0:
            told.seek(0)
            raise BarkeepError(f"llama.cpp could not quantise the model: {told.read().strip()[-500:]}")
