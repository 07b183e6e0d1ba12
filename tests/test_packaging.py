import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

from server import __version__

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("base", "local", "dev")
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ; (.*?))? \\$", re.MULTILINE)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what an installed wheel puts into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    site = folder / "site-packages"
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    return site


def barkeep(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed), "HOME": str(folder), "LOCALAPPDATA": str(folder)}
    environment.pop("XDG_DATA_HOME", None)
    command = [sys.executable, "-P", "-c", "import sys; from server.cli import main; sys.exit(main())", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def tracked() -> list[str]:
    return subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def pins(lock: str) -> set[tuple[str, str]]:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text("utf-8")
    return {(name, version) for name, version, _ in PIN.findall(text)}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[=<>~ ]", name)[0]).lower()


def test_a_wheel_says_who_it_is(installed: Path) -> None:
    dist_info = next(installed.glob("barkeep-*.dist-info"))
    metadata = Parser().parsestr((dist_info / "METADATA").read_text("utf-8"))
    assert (metadata["Name"], metadata["Version"]) == ("barkeep", __version__)
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "barkeep = server.cli:main" in (dist_info / "entry_points.txt").read_text("utf-8")
    assert (dist_info / "licenses" / "LICENSE").is_file()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a clone knows which files belong")
def test_a_wheel_holds_all_of_the_program_and_nothing_else(installed: Path) -> None:
    packed = {file.relative_to(installed).as_posix() for file in installed.rglob("*") if file.is_file()}
    packed = {name for name in packed if ".dist-info/" not in name}
    ours = {name for name in tracked() if (ROOT / name).is_file()}
    expected = {name for name in ours if name.startswith("server/")}
    expected |= {f"server/_defaults/{name}" for name in ours if name.startswith(("mods/", "personas/"))}
    assert expected - packed == set()
    assert {name for name in packed if "__pycache__" in name or name.startswith("tests")} == set()
    assert "server/_defaults/config.yaml" in packed


def test_an_installed_barkeep_finds_its_own_personas_and_mods(installed: Path, tmp_path: Path) -> None:
    done = barkeep(installed, tmp_path, "check")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "mods: tavern" in done.stderr


def test_an_installed_barkeep_keeps_data_with_the_user(installed: Path, tmp_path: Path) -> None:
    done = barkeep(installed, tmp_path, "model", "list")
    assert done.returncode == 0, done.stderr
    assert f"Models lie in {tmp_path}" in done.stdout


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_and_hashes_everything(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text("utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert len(entries) == len(PIN.findall(text)) > 5
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text("utf-8")
    assert re.findall(r"://|--(?:extra-)?index-url|--find-links", text) == []


@pytest.mark.parametrize("lock", ["base", "local"])
def test_no_lock_undoes_another(lock: str) -> None:
    assert {pin for pin in pins(lock) - pins("dev") if pin[0] != "llama-cpp-python"} == set()


@pytest.mark.parametrize("platform", ["win32", "darwin", "linux"])
def test_the_locks_are_for_every_system(platform: str) -> None:
    text = "".join((ROOT / "requirements" / f"{lock}.lock").read_text("utf-8") for lock in LOCKS)
    only_there = {name for name, _, marker in PIN.findall(text) if f"sys_platform == '{platform}'" in marker}
    assert only_there == ({"colorama"} if platform == "win32" else set())


def test_what_the_project_asks_for_is_in_the_lock(project: dict[str, Any]) -> None:
    base = {name for name, _ in pins("base")}
    assert {normal(each) for each in project["project"]["dependencies"]} <= base
    dev = {name for name, _ in pins("dev")}
    assert {normal(each) for each in project["dependency-groups"]["dev"]} - {"llama-cpp-python"} <= dev


def test_the_engine_is_in_its_own_lock_alone(project: dict[str, Any]) -> None:
    [pin] = project["project"]["optional-dependencies"]["local"]
    assert tuple(pin.split("==")) in pins("local")
    assert all(name != "llama-cpp-python" for lock in ("base", "dev") for name, _ in pins(lock))
    assert pin.replace("==", "[server]==") in project["dependency-groups"]["dev"]


def test_no_exception_from_a_rule_is_without_its_reason() -> None:
    bare = re.compile(r"#\s*(?:noqa: [A-Z0-9, ]+|type: ignore\[[a-z-, ]+\])\s*$")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("server", "mods", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if bare.search(line)
    ]
    assert found == []


def test_every_ignored_rule_has_its_reason(project: dict[str, Any]) -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    block = text[text.index("\nignore = [") : text.index("[tool.ruff.lint.pydocstyle]")]
    rules = [line for line in block.splitlines() if re.search(r'"[A-Z]+\d*"', line)]
    assert len(rules) == len(project["tool"]["ruff"]["lint"]["ignore"]) + len(
        project["tool"]["ruff"]["lint"]["per-file-ignores"]
    )
    assert all("#" in line for line in rules)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no executable bit")
@pytest.mark.parametrize("name", ["start.sh", "test.sh", ".ci/run", "requirements/relock.sh"])
def test_what_is_to_be_run_can_be_run(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)


def test_line_ends_are_those_of_the_system_a_file_is_for() -> None:
    assert b"\r\n" in (ROOT / "start.bat").read_bytes()
    assert all(b"\r" not in (ROOT / name).read_bytes() for name in ("start.sh", "test.sh", ".ci/run"))


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
