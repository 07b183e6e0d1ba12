"""Gets the frontends that the tests drive, into build/frontends: `python tests/frontends/install.py`.

They come from npm, in the versions that package.json beside this file names. SillyTavern packs its page's libraries
when it first starts, which takes a minute; it is started once, so that no test has to wait for that.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.frontends.places import DONE, HOME, PACKAGES, environment, start_command  # noqa: E402  # run as a file

INSTALL_S = 900
PACK_S = 600


def main() -> int:
    """Install what is not there yet; 1 with a reason where that cannot be."""
    if DONE.is_file() and DONE.read_bytes() == PACKAGES.read_bytes():
        return 0
    if shutil.which("npm") is None or shutil.which("node") is None:
        print("Node.js 20 or newer with npm is needed: get it from nodejs.org or a package manager.", file=sys.stderr)
        return 1
    HOME.mkdir(parents=True, exist_ok=True)
    shutil.copy(PACKAGES, HOME / "package.json")
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    print("frontends: getting SillyTavern (430 MB on disk) …", file=sys.stderr)
    subprocess.run(command, cwd=HOME, check=True, timeout=INSTALL_S, stdin=subprocess.DEVNULL)
    _pack()
    shutil.copy(PACKAGES, DONE)
    return 0


def _pack() -> None:
    """Start it until it listens: then its page's libraries are packed and kept."""
    print("frontends: packing its page …", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        command, where = start_command(Path(folder), port=0)
        with subprocess.Popen(
            command, cwd=where, env=environment(), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if "compiled" in line:
                        return
            finally:
                process.terminate()
        raise RuntimeError("SillyTavern ended before its page was packed.")


if __name__ == "__main__":
    sys.exit(main())
