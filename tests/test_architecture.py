import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SERVER = sorted((ROOT / "server").rglob("*.py"))
MODS = sorted((ROOT / "mods").rglob("*.py"))
OURS = [*SERVER, *MODS, ROOT / "bootstrap.py"]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MOD_MAY_IMPORT = ("server.plugins", "server.protocol")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def test_there_is_something_to_look_at() -> None:
    assert len(SERVER) > 50


@pytest.mark.parametrize("path", [*OURS, *TESTS], ids=name)
def test_a_file_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("path", OURS, ids=name)
def test_a_function_does_one_thing(path: Path) -> None:
    lengths = {each.name: (each.end_lineno or 0) - each.lineno + 1 for each in functions(path)}
    assert {each: lines for each, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", SERVER, ids=name)
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree(path))


@pytest.mark.parametrize("path", [*SERVER, *MODS], ids=name)
def test_nothing_sleeps_on_a_thread(path: Path) -> None:
    assert "time.sleep" not in calls(path)
    assert "time.sleep" not in imported(path)


@pytest.mark.parametrize("path", [*SERVER, *MODS], ids=name)
def test_only_commands_print(path: Path) -> None:
    # `client` is what a mod gives to a game; `worker.py` is a program whose stderr the supervisor reads.
    speaks = {"cli", "bench", "client", "worker.py"} & set(path.relative_to(ROOT).parts)
    if not speaks:
        assert {"print", "sys.stdout.write"}.isdisjoint(calls(path))


@pytest.mark.parametrize("path", [path for path in MODS if "client" not in path.parts], ids=name)
def test_a_mod_knows_the_hooks_and_the_protocol_alone(path: Path) -> None:
    ours = [module for module in imported(path) if module.split(".")[0] in ("server", "tests")]
    assert [module for module in ours if not module.startswith(MOD_MAY_IMPORT)] == []


@pytest.mark.parametrize("path", SERVER, ids=name)
def test_the_server_imports_nothing_from_mods(path: Path) -> None:
    assert not any(module.split(".")[0] in ("mods", "tests") for module in imported(path))


@pytest.mark.timeout(120)  # a cold cache parses every module
def test_rooms_import_only_what_lies_below() -> None:
    linter = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    done = subprocess.run(linter, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
