"""What every room's tests share."""

import importlib.util
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# A busy machine is slow at random moments; a property is about what holds, and benchmarks are about time.
settings.register_profile("barkeep", deadline=None)
settings.load_profile("barkeep")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests marked `engine` out where there is no local engine."""
    if importlib.util.find_spec("llama_cpp") is not None:
        return
    skip = pytest.mark.skip(reason="llama-cpp-python is not installed")
    for item in items:
        if item.get_closest_marker("engine"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own keys and settings must not decide a test."""
    import os

    for name in os.environ:
        if name.startswith("BARKEEP__") or name in ("OPENROUTER_API_KEY", "HF_TOKEN", "HF_ENDPOINT"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """Where a test runs the program, the program sets up the log; the next test begins without."""
    root = logging.getLogger()
    handlers, level, raises = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:], logging.raiseExceptions = handlers, raises
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
