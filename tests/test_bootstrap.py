import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bootstrap
from bootstrap import Checkout, Meter, SetupError

ROOT = Path(__file__).resolve().parent.parent
LLAMA = "llama-cpp-python==0.3.36"


def test_an_older_python_can_read_it_as_far_as_its_refusal() -> None:
    ast.parse((ROOT / "bootstrap.py").read_text("utf-8"), feature_version=(3, 7))


class Pip:
    """Stands in for `bootstrap.run`: notes what pip was asked, and plays its part in the folder."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.asked: list[str] = []
        self.fails: dict[str, str] = {}
        self.breaks_in = ""

    def __call__(self, command: list[str], environment: dict[str, str], log: Path, meter: Meter) -> int:
        locks = [Path(word).stem for word in command if word.endswith(".lock")]
        what = f"{command[3]} {' '.join(locks)}".strip()
        self.asked.append(what)
        if what == self.breaks_in:
            raise KeyboardInterrupt
        if what in self.fails:
            log.write_text(self.fails[what])
            return 1
        if what == "wheel local":
            wheels = self.checkout.venv / "wheels"
            wheels.mkdir()
            (wheels / "llama.whl").touch()
        if what == "install":
            put_engine(self.checkout, "0.3.36")
        return 0


def put_engine(checkout: Checkout, version: str) -> None:
    site = "Lib/site-packages" if sys.platform == "win32" else "lib/python3.11/site-packages"
    (checkout.venv / site / f"llama_cpp_python-{version}.dist-info").mkdir(parents=True, exist_ok=True)


def make_venv(checkout: Checkout) -> None:
    checkout.python.parent.mkdir(parents=True, exist_ok=True)
    checkout.python.touch()
    (checkout.venv / "pyvenv.cfg").write_text("home = /usr\nversion = 3.11.7\n")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    checkout = Checkout(tmp_path)
    (tmp_path / "requirements").mkdir()
    for name in ("base", "local", "dev"):
        checkout.lock(name).write_text(f"{LLAMA if name == 'local' else name + '==1'} \\\n    --hash=sha256:00\n")

    def venv(command: list[object], **options: object) -> subprocess.CompletedProcess[str]:
        assert command[1:3] == ["-m", "venv"]
        make_venv(checkout)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(bootstrap.subprocess, "run", venv)
    monkeypatch.setattr(bootstrap, "find_compiler", lambda: "/usr/bin/c++")
    monkeypatch.delenv("CMAKE_ARGS", raising=False)
    return checkout


@pytest.fixture
def pip(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Pip:
    pip = Pip(checkout)
    monkeypatch.setattr(bootstrap, "run", pip)
    return pip


def set_up(checkout: Checkout, *locks: str, **options: bool) -> None:
    bootstrap.set_up(checkout, locks or ["base"], **{"engine": True, **options})


def test_the_first_run_installs_and_the_second_asks_nothing(checkout: Checkout, pip: Pip) -> None:
    set_up(checkout, "base", "dev")
    assert pip.asked == ["install base", "install dev", "wheel local", "install"]
    set_up(checkout, "base", "dev")
    assert len(pip.asked) == 4
    assert not (checkout.venv / "wheels").exists()


@pytest.mark.parametrize(("lock", "again"), [("base", ["install base"]), ("local", ["wheel local", "install"])])
def test_a_changed_lock_is_installed_alone(checkout: Checkout, pip: Pip, lock: str, again: list[str]) -> None:
    set_up(checkout)
    pip.asked.clear()
    with checkout.lock(lock).open("a") as file:
        file.write("more==1 --hash=sha256:00\n")
    set_up(checkout)
    assert pip.asked == again


def test_another_python_installs_everything_again(checkout: Checkout, pip: Pip) -> None:
    set_up(checkout)
    pip.asked.clear()
    (checkout.venv / "pyvenv.cfg").write_text("version = 3.12.0\n")
    set_up(checkout)
    assert pip.asked == ["install base", "wheel local", "install"]


def test_an_installation_that_broke_off_starts_afresh(
    checkout: Checkout, pip: Pip, capsys: pytest.CaptureFixture[str]
) -> None:
    pip.breaks_in = "install base"
    with pytest.raises(KeyboardInterrupt):
        set_up(checkout)
    half_written = checkout.venv / "half"
    half_written.touch()
    pip.breaks_in = ""
    set_up(checkout)
    assert not half_written.exists()
    assert "broke off" in capsys.readouterr().err
    assert "installing" not in checkout.read_state()


def test_a_compilation_that_was_stopped_costs_nothing_else(checkout: Checkout, pip: Pip) -> None:
    pip.breaks_in = "wheel local"
    with pytest.raises(KeyboardInterrupt):
        set_up(checkout)
    pip.asked.clear()
    pip.breaks_in = ""
    set_up(checkout)
    assert pip.asked == ["wheel local", "install"]


def test_packages_that_cannot_be_had_end_it_with_a_reason(checkout: Checkout, pip: Pip) -> None:
    pip.fails["install base"] = "no network"
    with pytest.raises(SetupError, match=r"internet connection.*base\.log"):
        set_up(checkout)
    pip.fails.clear()
    set_up(checkout)
    assert pip.asked == ["install base", "install base", "wheel local", "install"]


def failed_engine(checkout: Checkout, pip: Pip) -> None:
    pip.fails["wheel local"] = "Building wheel for llama-cpp-python\nerror"
    set_up(checkout)
    pip.asked.clear()


def test_an_engine_that_cannot_be_compiled_is_left_out_with_advice(
    checkout: Checkout, pip: Pip, capsys: pytest.CaptureFixture[str]
) -> None:
    failed_engine(checkout, pip)
    err = capsys.readouterr().err
    assert "could not be compiled" in err
    assert "engine.log" in err
    assert f"--prefer-binary {LLAMA} --extra-index-url {bootstrap.PREBUILT}/" in err
    set_up(checkout)
    assert pip.asked == []


def test_a_compiler_that_came_later_is_tried(checkout: Checkout, pip: Pip, monkeypatch: pytest.MonkeyPatch) -> None:
    failed_engine(checkout, pip)
    monkeypatch.setattr(bootstrap, "find_compiler", lambda: "/opt/new/c++")
    set_up(checkout)
    assert pip.asked == ["wheel local"]


def test_a_failed_engine_is_tried_again_when_told_to(checkout: Checkout, pip: Pip) -> None:
    failed_engine(checkout, pip)
    pip.fails.clear()
    set_up(checkout, retry=True)
    assert pip.asked == ["wheel local", "install"]


def test_what_could_not_be_fetched_is_tried_at_the_next_start(checkout: Checkout, pip: Pip) -> None:
    pip.fails["wheel local"] = "ERROR: No matching distribution found"
    set_up(checkout)
    pip.fails.clear()
    set_up(checkout)
    assert pip.asked == ["install base", "wheel local", "wheel local", "install"]


def test_without_a_compiler_nothing_is_fetched(
    checkout: Checkout, pip: Pip, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "find_compiler", lambda: "")
    set_up(checkout)
    set_up(checkout)
    assert pip.asked == ["install base"]
    assert capsys.readouterr().err.count("There is no C++ compiler") == 1


def test_a_declined_engine_stays_out_until_it_is_asked_for(checkout: Checkout, pip: Pip) -> None:
    set_up(checkout, skip=True)
    set_up(checkout)
    assert pip.asked == ["install base"]
    set_up(checkout, retry=True)
    assert pip.asked == ["install base", "wheel local", "install"]


def test_a_wheel_put_there_by_hand_is_kept(checkout: Checkout, pip: Pip) -> None:
    failed_engine(checkout, pip)
    put_engine(checkout, "0.3.36")
    with checkout.lock("local").open("a") as file:
        file.write("# changed\n")
    set_up(checkout)
    assert pip.asked == []


def test_an_engine_that_was_taken_out_is_put_back(checkout: Checkout, pip: Pip) -> None:
    set_up(checkout)
    pip.asked.clear()
    next(checkout.venv.glob("**/llama_cpp_python-*")).rmdir()
    set_up(checkout)
    assert pip.asked == ["wheel local", "install"]


@pytest.mark.parametrize("left", ["", "{", "[]", '{"engine": null}', "\x00"])
def test_a_state_that_cannot_be_read_is_no_state(checkout: Checkout, pip: Pip, left: str) -> None:
    make_venv(checkout)
    (checkout.venv / "barkeep.json").write_text(left)
    set_up(checkout)
    assert "install base" in pip.asked


@pytest.mark.parametrize(
    ("arguments", "wants"),
    [
        ([], True),
        (["serve"], True),
        (["--set", "a=model", "--config", "x", "talk", "hilda"], True),
        (["check"], True),
        (["--help"], False),
        (["talk", "-h"], False),
        (["--version"], False),
        (["model", "pull"], False),
        (["schema"], False),
        (["--set", "serve"], True),
    ],
)
def test_only_what_may_ask_the_engine_waits_for_it(arguments: list[str], wants: bool) -> None:
    assert bootstrap.wants_engine(arguments) is wants


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no exec that keeps the console")
def test_start_hands_everything_else_on(checkout: Checkout, pip: Pip, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[Path, list[str], dict[str, str]]] = []

    def become(*call: Any) -> None:
        ran.append(call)
        raise SystemExit

    monkeypatch.setattr(os, "execve", become)
    monkeypatch.setenv("PYTHONHOME", "/elsewhere")
    with pytest.raises(SystemExit):
        bootstrap.start(checkout, ["--skip-engine", "talk", "hilda", "Any rooms left?"])
    [(program, command, environment)] = ran
    assert command == [str(program), "-P", "-m", "server", "talk", "hilda", "Any rooms left?"]
    assert program == checkout.python
    assert environment["PYTHONPATH"] == str(checkout.root)
    assert "PYTHONHOME" not in environment


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"]])
def test_without_a_task_it_explains_itself(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(arguments) == 2
    assert "bootstrap.py start" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "words"), [(KeyboardInterrupt(), 130, "Stopped"), (SetupError("no"), 1, "error: no")]
)
def test_what_goes_wrong_is_told_in_words(
    error: BaseException, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(bootstrap, "set_up", fail)
    monkeypatch.setattr(bootstrap.signal, "signal", lambda *args: None)
    assert bootstrap.main(["start"]) == code
    assert words in capsys.readouterr().err


def test_a_second_start_waits_for_the_first(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    waits = iter([False, False, True])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "_try_lock", lambda descriptor: next(waits))
        patch.setattr(bootstrap.time, "sleep", lambda seconds: None)
        with bootstrap.only_one(checkout):
            assert capsys.readouterr().err.count("waiting") == 1


def test_the_lock_keeps_a_second_process_out(checkout: Checkout) -> None:
    with bootstrap.only_one(checkout), (checkout.root / ".setup.lock").open() as file:
        assert not bootstrap._try_lock(file.fileno())
    with (checkout.root / ".setup.lock").open("w") as file:
        assert bootstrap._try_lock(file.fileno())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep compilers in places of their own")
def test_a_compiler_is_what_path_or_cxx_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert bootstrap.find_compiler() == ""
    for name in ("g++", "my-c++"):
        (tmp_path / name).touch(0o755)
    assert bootstrap.find_compiler() == str(tmp_path / "g++")
    monkeypatch.setenv("CXX", "my-c++")
    assert bootstrap.find_compiler() == str(tmp_path / "my-c++")
    monkeypatch.setenv("CXX", "not-there")
    assert bootstrap.find_compiler() == ""
