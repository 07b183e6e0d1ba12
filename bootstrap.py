"""Sets Barkeep up in `.venv` beside this file, and runs it there. Standard library only; Python 3.11 or newer.

Its syntax is that of Python 3.6, so that an older Python can say in one sentence that it is too old.

    python bootstrap.py start [arguments of barkeep]   as start.sh and start.bat call it
    python bootstrap.py test [arguments of pytest]     as test.sh calls it

What is installed comes from requirements/*.lock, pinned and hashed. `.venv/barkeep.json` remembers the locks that are
in, so a second run starts at once and needs no network. The local engine (llama-cpp-python) is compiled where no wheel
is at hand; where that fails, the rest goes on without it, and the failure is remembered until something changes.

    --retry-engine   try the local engine again, even though the last try failed
    --skip-engine    leave the local engine out from now on
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # an older Python gets this far, and is told what is wrong
    sys.exit(f"Barkeep needs Python 3.11 or newer; this is {sys.version.split()[0]}. Get one from python.org.")

import contextlib
import hashlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ENGINE_COMMANDS = ("serve", "talk", "check")
OPTIONS_WITH_VALUE = ("--config", "--set")
PREBUILT = "https://abetlen.github.io/llama-cpp-python/whl"  # llama-cpp-python's README, "Pre-built Wheel"
COMPILERS = ("c++", "g++", "clang++", "cl")
GET_A_COMPILER = {
    "linux": "sudo apt install build-essential   (Fedora: sudo dnf install gcc-c++, Arch: sudo pacman -S base-devel)",
    "darwin": "xcode-select --install",
    "win32": "Visual Studio Build Tools, with 'Desktop development with C++'",
}


class SetupError(Exception):
    """Setting up cannot go on; the text is for the person at the terminal."""


@dataclass(frozen=True)
class Checkout:
    """A checkout of Barkeep: where its parts are, and what has been installed beside it."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The virtual environment's own Python."""
        return self.venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def lock(self, name: str) -> Path:
        """The lock file of that name: base, local or dev."""
        return self.root / "requirements" / f"{name}.lock"

    def fingerprint(self, name: str) -> str:
        """Changes when what that lock installs changes: its text, or the Python it is installed for."""
        with contextlib.suppress(OSError):
            python = re.findall(r"^version.*", (self.venv / "pyvenv.cfg").read_text("utf-8"), re.MULTILINE)
            return hashlib.sha256(f"{python} {self.lock(name).read_text('utf-8')}".encode()).hexdigest()
        return ""

    def engine_version(self) -> str:
        """The installed llama-cpp-python, whoever installed it; empty where there is none."""
        pattern = "Lib/site-packages" if sys.platform == "win32" else "lib/python*/site-packages"
        found = next(self.venv.glob(f"{pattern}/llama_cpp_python-*.dist-info"), None)
        return found.name.removeprefix("llama_cpp_python-").removesuffix(".dist-info") if found else ""

    def read_state(self) -> dict[str, Any]:
        """What earlier runs remember; empty where nothing readable is left."""
        with contextlib.suppress(OSError, ValueError):
            state = json.loads((self.venv / "barkeep.json").read_text("utf-8"))
            if isinstance(state, dict):
                return state
        return {}

    def remember(self, **changes: Any) -> None:
        """Changes the state in one step; a value of None takes the key out."""
        state = {key: value for key, value in {**self.read_state(), **changes}.items() if value is not None}
        beside = self.venv / "barkeep.json.new"
        beside.write_text(json.dumps(state, indent=2), "utf-8")
        beside.replace(self.venv / "barkeep.json")


def say(text: str) -> None:
    """Tells the person at the terminal; stdout stays free for what Barkeep itself prints."""
    print(text, file=sys.stderr, flush=True)


def is_installed(checkout: Checkout, name: str) -> bool:
    """Whether that lock is in the environment, whole and unchanged."""
    state = checkout.read_state()
    is_whole = "installing" not in state and checkout.python.exists()
    return is_whole and state.get(name) == checkout.fingerprint(name) != ""


def engine_key(checkout: Checkout) -> str:
    """Changes when another try to build the engine may end otherwise: its lock, or the compiler."""
    return f"{checkout.fingerprint('local')} {find_compiler()} {os.environ.get('CMAKE_ARGS', '')}"


def is_engine_settled(checkout: Checkout) -> bool:
    """Whether nothing is to be done for the engine: it is in, or the same try has failed, or it was declined."""
    memory = checkout.read_state().get("engine") or {}
    if memory.get("outcome") == "installed":
        return memory.get("lock") == checkout.fingerprint("local") and checkout.engine_version() != ""
    if checkout.engine_version():  # put there by hand, from a prebuilt wheel for instance: theirs to keep
        return True
    return memory.get("outcome") == "skipped" or memory == {"outcome": "failed", "key": engine_key(checkout)}


def find_compiler() -> str:
    """A C++ compiler's path, or empty. On macOS and Windows a name on PATH is no proof, and its absence neither."""
    if os.environ.get("CXX"):
        return shutil.which(os.environ["CXX"]) or ""
    if sys.platform == "darwin":
        real = ("/Library/Developer/CommandLineTools/usr/bin/c++", "/Applications/Xcode.app")
        return next((path for path in real if os.path.exists(path)), "")
    studio = Path(os.environ.get("PROGRAMFILES(X86)", ""), "Microsoft Visual Studio", "Installer", "vswhere.exe")
    found = [shutil.which(name) for name in COMPILERS] + [str(studio) if studio.exists() else ""]
    return next(filter(None, found), "")


def ensure_venv(checkout: Checkout) -> None:
    """Makes the environment where there is none, and again where an installation broke off in the middle."""
    if "installing" in checkout.read_state():
        say("The last installation broke off in the middle; starting it afresh.")
        shutil.rmtree(checkout.venv)
    if checkout.python.exists() and (checkout.venv / "pyvenv.cfg").exists():
        return
    say(f"Setting up Barkeep in {checkout.venv} (once).")
    base = getattr(sys, "_base_executable", sys.executable)  # this may be the Python of the environment that is gone
    made = subprocess.run([base, "-m", "venv", "--clear", checkout.venv], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        shutil.rmtree(checkout.venv, ignore_errors=True)
        said = (made.stdout + made.stderr).strip()
        hint = "\nOn Debian and Ubuntu: sudo apt install python3-venv" if "ensurepip" in said else ""
        raise SetupError(f"The virtual environment could not be made: {said}{hint}")


def pip(checkout: Checkout, title: str, total: int, *arguments: str, log: Path) -> bool:
    """Runs pip, showing how far it is; what it prints goes to `log`. True where it succeeded."""
    elsewhere = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX")  # these would install somewhere else
    environment = {key: value for key, value in os.environ.items() if key not in elsewhere}
    environment |= {"PIP_USER": "0", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    command = [str(checkout.python), "-m", "pip", *arguments, "--no-input", "--disable-pip-version-check"]
    return run(command, environment, log, Meter(title, total)) == 0


class Meter:
    """Shows how far pip is: one line that rewrites itself on a terminal, else a line now and then."""

    quiet_s = 20.0
    package = re.compile(r"^(?:Collecting|Requirement already satisfied:) ")
    step = re.compile(r"\[(\d+)/(\d+)\]")  # ninja's count of compile steps

    def __init__(self, title: str, total: int, stream: IO[str] | None = None) -> None:
        self.title, self.total, self.done = title, total, 0
        self.stream = stream or sys.stderr
        self.began_s = time.monotonic()
        self.said_s = self.began_s

    def read(self, line: str) -> None:
        """Takes one line of what pip prints."""
        step = self.step.search(line)
        if self.package.match(line):
            self.done = min(self.done + 1, self.total)
        elif step and int(step[2]) >= 20:  # smaller counts are cmake trying the compiler
            self.done, self.total = int(step[1]), int(step[2])

    def show(self, *, last: bool = False) -> None:
        """Tells the state of things, where it is time to."""
        now_s = time.monotonic()
        elapsed_s = int(now_s - self.began_s)
        share = f"{100 * self.done // self.total:3d} %, step {self.done} of {self.total}" if self.total else "working"
        text = f"  {self.title}: {'done' if last else share}, {elapsed_s // 60}:{elapsed_s % 60:02d} min"
        if self.stream.isatty():
            self.stream.write(f"\r{text:<70}" + ("\n" if last else ""))
        elif last or now_s - self.said_s >= self.quiet_s:
            self.said_s = now_s
            self.stream.write(text + "\n")
        self.stream.flush()


def run(command: list[str], environment: dict[str, str], log: Path, meter: Meter) -> int:
    """Runs a command to its end with its output in `log`. Whatever breaks in ends the command and all it started."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def pump() -> None:
        for line in child.stdout or ():
            lines.put(line)
        lines.put(None)

    with contextlib.ExitStack() as stack:
        file = stack.enter_context(log.open("w", encoding="utf-8"))
        child = stack.enter_context(
            subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        )
        try:
            threading.Thread(target=pump, daemon=True).start()
            line: str | None = ""
            while line is not None:
                meter.show()
                with contextlib.suppress(queue.Empty):
                    line = lines.get(timeout=1)
                    file.write(line or "")
                    meter.read(line or "")
        except BaseException:
            end(child)
            raise
    meter.show(last=child.returncode == 0)
    return child.returncode


def end(child: "subprocess.Popen[str]") -> None:
    """Ends a command and all that it started; first as Ctrl-C does, so that pip and ninja can clear up."""
    if sys.platform == "win32":
        return child.terminate()
    for order, patience_s in ((signal.SIGINT, 10), (signal.SIGKILL, 1)):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(child.pid, order)
            child.wait(patience_s)


def install_lock(checkout: Checkout, name: str, title: str) -> None:
    """Installs one lock into the environment."""
    lock, log = checkout.lock(name), checkout.venv / f"{name}.log"
    total = len(re.findall(r"^\S+==", lock.read_text("utf-8"), re.MULTILINE))
    checkout.remember(installing=name)
    if not pip(checkout, title, total, "install", "--require-hashes", "--requirement", str(lock), log=log):
        checkout.remember(installing=None)  # pip takes back what it had begun
        raise SetupError(f"Packages could not be installed; is there an internet connection? The reason is in {log}")
    checkout.remember(installing=None, **{name: checkout.fingerprint(name)})


def install_engine(checkout: Checkout, *, insist: bool) -> None:
    """Builds and installs the local engine; where that cannot be done, says so and remembers it."""
    if not (find_compiler() or insist):
        return give_up_engine(checkout, "There is no C++ compiler on this machine")
    wheels, log, lock = checkout.venv / "wheels", checkout.venv / "engine.log", str(checkout.lock("local"))
    say("Compiling the local engine, 3 to 6 minutes on two cores (at once where it was compiled before).")
    shutil.rmtree(wheels, ignore_errors=True)
    build = ("wheel", "--verbose", "--require-hashes", "--no-deps", "--requirement", lock, "--wheel-dir", str(wheels))
    if not pip(checkout, "local engine", 0, *build, log=log):
        if "Building wheel for llama" not in log.read_text("utf-8"):
            return say(f"The local engine could not be fetched (see {log}). The next start tries again.")
        return give_up_engine(checkout, f"The local engine could not be compiled (the compiler's words: {log})")
    checkout.remember(installing="local")
    built = map(str, wheels.glob("*.whl"))
    if not pip(checkout, "installing it", 0, "install", "--no-index", "--no-deps", *built, log=log):
        raise SetupError(f"The local engine was built but could not be installed; the reason is at the end of {log}")
    checkout.remember(installing=None, engine={"outcome": "installed", "lock": checkout.fingerprint("local")})
    shutil.rmtree(wheels, ignore_errors=True)


def give_up_engine(checkout: Checkout, why: str) -> None:
    """Says that there is no local engine, what works all the same, and how to get it."""
    checkout.remember(engine={"outcome": "failed", "key": engine_key(checkout)})
    pinned = next(line for line in checkout.lock("local").read_text("utf-8").splitlines() if line.startswith("llama"))
    flavour = "metal" if sys.platform == "darwin" else "cpu"
    say(
        f"\n{why}.\n"
        "Barkeep runs without the local engine: hosted models and the personas' own lines still answer.\n"
        "To get it, do one of these and start again:\n"
        f"  compile it:        {GET_A_COMPILER.get(sys.platform, 'install a C++ compiler')}\n"
        f'  take a prebuilt:   "{checkout.python}" -m pip install --prefer-binary {pinned.split()[0]}'
        f" --extra-index-url {PREBUILT}/{flavour}\n"
        "                     (for an NVIDIA card cu124 in place of cpu, where CUDA is 12.4)\n"
        "A changed compiler is noticed; --retry-engine tries again in any case.\n"
    )


@contextlib.contextmanager
def only_one(checkout: Checkout) -> Iterator[None]:
    """Lets one process at a time install; a second waits, and says so. The system frees the lock of a dead process."""
    with (checkout.root / ".setup.lock").open("w") as file:
        if not _try_lock(file.fileno()):
            say("Another start is setting up; waiting for it.")
            while not _try_lock(file.fileno()):
                time.sleep(0.5)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def set_up(checkout: Checkout, locks: Sequence[str], *, engine: bool, retry: bool = False, skip: bool = False) -> None:
    """Brings the environment to what the locks say. Touches neither disk nor network where it is there already."""
    is_there = all(is_installed(checkout, name) for name in locks)
    if is_there and not (skip or retry) and (not engine or is_engine_settled(checkout)):
        return
    with only_one(checkout):
        ensure_venv(checkout)
        if skip:
            checkout.remember(engine={"outcome": "skipped"})
        for name in locks:
            if not is_installed(checkout, name):
                install_lock(checkout, name, "packages" if name == "base" else "packages for the tests")
        if retry and not checkout.engine_version():
            checkout.remember(engine=None)
        if engine and not is_engine_settled(checkout):
            install_engine(checkout, insist=retry)


def wants_engine(arguments: Sequence[str]) -> bool:
    """Whether what is to be run may ask the local engine; help, schema and the like must not wait for a compiler."""
    if {"-h", "--help", "--version"} & set(arguments):
        return False
    rest = iter(arguments)
    for argument in rest:
        if argument in OPTIONS_WITH_VALUE:
            next(rest, None)
        elif not argument.startswith("-"):
            return argument in ENGINE_COMMANDS
    return True  # no command: barkeep serves


def launch(checkout: Checkout, *arguments: str) -> int:
    """Becomes the environment's Python (so that signals reach the server itself); on Windows, waits for it."""
    environment = {**os.environ, "PYTHONPATH": str(checkout.root)}
    environment.pop("PYTHONHOME", None)
    command = [str(checkout.python), *arguments]
    if sys.platform != "win32":
        os.execve(checkout.python, command, environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the child as well; its exit status is the answer
    return subprocess.run(command, env=environment, check=False).returncode


def start(checkout: Checkout, arguments: list[str]) -> int:
    """Sets up, then runs barkeep."""
    retry, skip = "--retry-engine" in arguments, "--skip-engine" in arguments
    rest = [argument for argument in arguments if argument not in ("--retry-engine", "--skip-engine")]
    set_up(checkout, ["base"], engine=wants_engine(rest), retry=retry, skip=skip)
    return launch(checkout, "-P", "-m", "server", *rest)  # -P: a folder `server` in the current folder is not ours


def test(checkout: Checkout, arguments: list[str]) -> int:
    """Sets up what the tests need too, then runs them, one process for each core."""
    set_up(checkout, ["base", "dev"], engine=True)
    os.chdir(checkout.root)
    return launch(checkout, "-m", "pytest", "-n", "auto", *arguments)


def main(arguments: Sequence[str]) -> int:
    """Runs `start` or `test`, and turns what goes wrong into words and an exit status."""
    commands = {"start": start, "test": test}
    if not arguments or arguments[0] not in commands:
        print(__doc__)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be ended is to be stopped, compilers and all
    try:
        return commands[arguments[0]](Checkout(Path(__file__).resolve().parent), list(arguments[1:]))
    except KeyboardInterrupt:
        say("\nStopped. The next start goes on from here.")
        return 130
    except (SetupError, OSError) as error:
        say(f"\nerror: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
