from __future__ import annotations

import subprocess
import sys

import pytest

from server.backends.llama.native import library, native_log

WITHOUT = """
import importlib, pkgutil, sys
sys.modules["llama_cpp"] = None
import server.backends.llama as room
for module in pkgutil.iter_modules(room.__path__):
    importlib.import_module(f"{room.__name__}.{module.name}")
from server.backends.llama.native import library
from server.errors import RouteUnavailable
try:
    library()
except RouteUnavailable as error:
    print(error.hint)
"""


def test_every_module_imports_where_llama_cpp_python_is_not_installed() -> None:
    result = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True, timeout=60)
    assert "pip install llama-cpp-python" in result.stdout


@pytest.mark.engine
def test_what_llama_cpp_logs_is_kept_and_does_not_reach_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    log = native_log()
    binding = library()
    assert not binding.llama_model_load_from_file(b"/nowhere.gguf", binding.llama_model_default_params())
    assert any("/nowhere.gguf" in line for line in log.last_lines())
    assert capfd.readouterr().err == ""
