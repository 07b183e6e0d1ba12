"""OpenAI's SDK for JavaScript, unmodified, against a running server."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.support.api import idle, on_tiny_model

pytestmark = pytest.mark.engine

HOME = Path(__file__).with_name("openai_js")
RUN_S = 60


def missing() -> str:
    """Why it cannot be run; empty where it can."""
    if shutil.which("node") is None:
        return "node is not on PATH"
    if not (HOME / "node_modules" / "openai").is_dir():
        return "OpenAI's SDK is not installed: npm ci --prefix tests/frontends/openai_js"
    return ""


@pytest.mark.timeout(RUN_S + 60)
async def test_openais_sdk_for_javascript_finds_all_that_it_looks_for(tmp_path: Path) -> None:
    if why := missing():
        pytest.skip(why)
    async with on_tiny_model(tmp_path, context=4_096) as running:
        process = await asyncio.create_subprocess_exec(
            "node", "client.mjs", f"http://{running.address}/v1/",
            cwd=HOME, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(RUN_S):
            out, complaints = await process.communicate()
        assert process.returncode == 0, complaints.decode()
        await idle(running)
    seen = json.loads(out)
    assert seen["models"][0] == "local"
    assert seen["model"] == "npc/hilda"
    assert seen["whole"]["reason"] == "length"
    assert seen["whole"]["usage"]["completion_tokens"] == 12
    streamed = seen["streamed"]
    assert (streamed["text"], streamed["reasons"]) == (seen["whole"]["text"], ["length"])
    assert streamed["usage"]["total_tokens"] == seen["whole"]["usage"]["total_tokens"]
    stop = seen["stopped"]["stop"]
    assert seen["stopped"]["text"] == seen["whole"]["text"].partition(stop)[0]
    assert seen["stopped"]["reason"] == "stop"
    assert seen["prefilled"]
    assert not seen["prefilled"].startswith("There is")
    assert seen["called"][0][0] == seen["calledInStream"] == "look"
    assert seen["called"][0][1]["at"] in ("sky", "sea")
    assert seen["calledReason"] == "tool_calls"
    assert seen["parsed"]["mood"] in ("calm", "cross")
    assert seen["completion"]
    assert seen["errors"]["model"] == [True, 404, "model_not_found", "model"]
    assert seen["errors"]["length"] == [True, 400, "context_length_exceeded"]
    assert seen["chunksBeforeAbort"] < 900
    assert seen["aborted"] is True
