"""LiteLLM as a client, unmodified, against a running server."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.support.api import idle, on_tiny_model

pytestmark = pytest.mark.engine

LITELLM = "BARKEEP_LITELLM"
"""Names the `litellm` command of an environment of its own: its many pins do not go together with ours."""
RUN_S = 120


@pytest.mark.timeout(RUN_S + 60)
async def test_litellm_finds_all_that_it_looks_for(tmp_path: Path) -> None:
    if LITELLM not in os.environ:
        pytest.skip(f"{LITELLM} names no litellm command")
    python = Path(os.environ[LITELLM]).with_name("python")
    async with on_tiny_model(tmp_path, context=4_096) as running:
        process = await asyncio.create_subprocess_exec(
            str(python), str(Path(__file__).with_name("litellm_client.py")), f"http://{running.address}/v1",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        )  # fmt: skip
        async with asyncio.timeout(RUN_S):
            out, complaints = await process.communicate()
        assert process.returncode == 0, complaints.decode()
        await idle(running)
    seen = json.loads(out.decode().strip().splitlines()[-1])
    assert (seen["reason"], seen["usage"]) == ("length", 12)
    assert seen["streamed"] == seen["text"]
    assert seen["stopped"] == seen["text"].partition(seen["stop"])[0]
    assert not seen["prefilled"].startswith(seen["begun"])
    assert seen["called"][0] == "look"
    assert seen["called"][1]["at"] in ("sky", "sea")
    assert seen["bound"]["mood"] in ("calm", "cross")
    assert seen["no_model"] == "NotFoundError"
    assert seen["too_long"] == "ContextWindowExceededError"
    assert seen["completion"]
