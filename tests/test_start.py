import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def make_wheel(folder: Path) -> str:
    """Writes a package `mini` by hand; returns the line of a lock for it."""
    record = "mini.py,,\nmini-1.0.dist-info/METADATA,,\nmini-1.0.dist-info/WHEEL,,\nmini-1.0.dist-info/RECORD,,\n"
    files = {
        "mini.py": "",
        "mini-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: mini\nVersion: 1.0\n",
        "mini-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "mini-1.0.dist-info/RECORD": record,
    }
    path = folder / "mini-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return f"mini==1.0 \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="start.sh is for POSIX")
@pytest.mark.timeout(180)  # makes a real environment, on a machine that is busy with other tests
def test_a_fresh_checkout_starts_with_one_command(tmp_path: Path) -> None:
    home, wheels = tmp_path / "a folder with spaces", tmp_path / "wheels"
    (home / "requirements").mkdir(parents=True)
    (home / "server").mkdir()
    wheels.mkdir()
    for name in ("bootstrap.py", "start.sh"):
        (home / name).write_bytes((ROOT / name).read_bytes())
    (home / "start.sh").chmod(0o755)
    (home / "requirements" / "base.lock").write_text(make_wheel(wheels))
    (home / "server" / "__init__.py").touch()
    program = "import json, mini, os, sys; print(json.dumps([sys.argv[1:], os.getcwd(), sys.prefix]))"
    (home / "server" / "__main__.py").write_text(program)
    (tmp_path / "server.py").write_text("raise SystemExit('the wrong server')")
    environment = {**os.environ, "PIP_FIND_LINKS": str(wheels), "PIP_NO_INDEX": "1", "HOME": str(tmp_path)}
    command = [str(home / "start.sh"), "schema", "one word", "--x"]
    start: Callable[[], subprocess.CompletedProcess[str]] = lambda: subprocess.run(  # noqa: E731  # the same call twice
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    first = start()
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == [["schema", "one word", "--x"], str(tmp_path), str(home / ".venv")]
    assert "Setting up" in first.stderr
    assert "packages: done" in first.stderr
    second = start()
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")
