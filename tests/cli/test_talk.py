"""`talk` as people use it: odd words, odd ports, Ctrl-C; never a stack trace."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from server.cli import main

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    settings = {
        "server": {"port": 1},
        "data_dir": str(tmp_path / "data"),
        "personas": [str(ROOT / "personas")],
        "mods": {"folders": [], "enabled": []},
        "routes": {"authored": {"kind": "authored"}},
        "dialogue": {"order": ["authored"]},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return ["--config", str(path)]


def test_nothing_to_say_is_told(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "talk", "hilda", " "]) == 1
    assert "nothing to say" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no bytes in its command line")
def test_bytes_that_are_no_text_are_said_as_well_as_they_can_be(command: list[str]) -> None:
    line: list[str | bytes] = [sys.executable, "-m", "server", *command, "talk", "hilda", b"A beer \xff please"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout != b"") == (0, True), done.stderr


async def test_another_program_on_the_port_is_told(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(16)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        code = await asyncio.to_thread(main, [*command, "--set", f"server.port={port}", "talk", "hilda", "Hello?"])
    assert code == 1
    assert "not as Barkeep does" in capsys.readouterr().err


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    openpty = pytest.importorskip("pty", reason="no pseudo-terminals here").openpty
    ours, theirs = openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("piped", [False, True])
def test_ctrl_c_ends_a_conversation_at_once(command: list[str], terminal: tuple[int, int], piped: bool) -> None:
    stdin = subprocess.PIPE if piped else terminal[1]
    line = [sys.executable, "-m", "server", *command, "talk", "hilda"]
    with subprocess.Popen(line, cwd=ROOT, stdin=stdin, stdout=terminal[1], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert b"You talk to hilda" in said
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130, process.stderr.read()
        assert process.stderr.read() in (b"", b"> ")  # at most the prompt
