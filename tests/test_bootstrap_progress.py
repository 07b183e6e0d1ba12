import io
import os
import sys
import time
from pathlib import Path

import pytest

import bootstrap
from bootstrap import Meter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_counts_packages_and_then_compile_steps() -> None:
    out = Terminal()
    meter = Meter("engine", 2, out)
    for line in ("Collecting numpy==2.0", "  Downloading numpy", "Requirement already satisfied: x", "Collecting y"):
        meter.read(line + "\n")
    meter.show()
    for line in ("[1/2] trying the compiler", "  [97/193] Building CXX object x.o"):
        meter.read(line + "\n")
    meter.show()
    meter.show(last=True)
    assert [" ".join(line.split()) for line in out.getvalue().split("\r")[1:]] == [
        "engine: 100 %, step 2 of 2, 0:00 min",
        "engine: 50 %, step 97 of 193, 0:00 min",
        "engine: done, 0:00 min",
    ]


def test_progress_in_a_file_is_a_line_now_and_then() -> None:
    out = io.StringIO()
    meter = Meter("engine", 0, out)
    for _ in range(100):
        meter.show()
    meter.said_s -= Meter.quiet_s
    meter.show()
    assert out.getvalue() == "  engine: working, 0:00 min\n"


def test_what_a_command_prints_goes_to_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"]
    assert bootstrap.run(command, dict(os.environ), tmp_path / "log", Meter("x", 0, io.StringIO())) == 3
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are a matter of POSIX")
def test_what_breaks_in_ends_the_command_and_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $$ $! > '{pids}.new'; mv '{pids}.new' '{pids}'; wait"

    class Impatient(Meter):
        def show(self, *, last: bool = False) -> None:
            if pids.exists():
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bootstrap.run(["sh", "-c", script], dict(os.environ), tmp_path / "log", Impatient("x", 0, io.StringIO()))
    assert gone(*map(int, pids.read_text().split()))


def gone(*pids: int) -> bool:
    for _ in range(500):
        if not any(is_running(pid) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
