import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from server import __version__, cli
from server.cli import options, serve, version
from server.errors import BarkeepError, ConfigError, PersonaError

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[[argparse.Namespace], int]


def instead(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(version, "run", run)


def raising(error: BaseException) -> Run:
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code"), [(ConfigError("no", "do"), 2), (PersonaError("no", "do"), 1), (BarkeepError("no", "do"), 1)]
)
def test_an_error_is_told_in_words_with_its_hint(
    error: BarkeepError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    instead(monkeypatch, raising(error))
    assert cli.main(["version"]) == code
    assert capsys.readouterr() == ("", "error: no\nhint: do\n")


def test_an_error_without_a_hint_has_no_empty_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    instead(monkeypatch, raising(BarkeepError("no")))
    cli.main(["version"])
    assert capsys.readouterr().err == "error: no\n"


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    instead(monkeypatch, raising(KeyboardInterrupt()))
    assert cli.main(["version"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_commands_code_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, lambda args: 7)
    assert cli.main(["version"]) == 7


def test_a_reader_that_leaves_is_no_error() -> None:
    code = "import sys; from server.cli import main; sys.exit(main(['version']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == ""
        assert child.wait(20) == 1


@pytest.mark.parametrize(
    "argv", [["sreve"], ["talk"], ["model"], ["model", "push"], ["version", "--verson"], ["--conf", "x"]]
)
def test_a_wrong_command_line_is_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(argv)
    assert exit_.value.code == 2
    assert "usage: barkeep" in capsys.readouterr().err


def test_without_a_command_it_serves() -> None:
    assert cli.build_parser().parse_args([]).run is serve.run


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.__name__.split(".")[-1])
def test_every_command_explains_itself(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    module = getattr(command, "__name__").split(".")[-1]  # noqa: B009  # mypy knows modules only as objects here
    name = "import" if module == "importing" else module  # the word is Python's own
    with pytest.raises(SystemExit) as exit_:
        cli.main([name, "--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: barkeep {name}" in out
    assert "--set KEY=VALUE" in out


@pytest.mark.parametrize(
    "argv",
    [
        ["--config", "a.yaml", "--set", "x=1", "--set", "y=2", "model", "list"],
        ["--set", "x=1", "model", "--set", "y=2", "list", "--config", "a.yaml"],
        ["--config", "other.yaml", "model", "list", "--set", "x=1", "--config", "a.yaml", "--set", "y=2"],
    ],
)
def test_settings_stand_before_or_after_the_command(argv: list[str]) -> None:
    args = cli.build_parser().parse_args(argv)
    assert options.config_of(args) == Path("a.yaml")
    assert options.sets_of(args) == ["x=1", "y=2"]


def test_version_names_what_a_bug_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["barkeep"] == __version__
    assert lines["python"] == sys.version.split()[0]
    assert {"system", "llama-cpp-python"} < set(lines)


def test_help_loads_no_heavy_library() -> None:
    code = "import sys, server.cli; server.cli.build_parser(); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = ("aiohttp", "pydantic", "structlog", "yaml", "numpy", "llama_cpp", "huggingface_hub", "sqlite3")
    assert [name for name in heavy if f"'{name}'" in done.stdout] == []


def test_a_command_starts_at_once() -> None:
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-m", "server", "version"], cwd=ROOT, capture_output=True, check=True)
    assert time.perf_counter() - began_s < 5  # a twentieth of it on an idle machine
