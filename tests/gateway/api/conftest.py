from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.api import on_tiny_model
from tests.support.program import Program

CONTEXT = 1_024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Program]:
    async with on_tiny_model(tmp_path_factory.mktemp("program"), CONTEXT) as server:
        yield server
