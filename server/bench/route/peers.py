"""The processes of the bench: the upstream, and LiteLLM's proxy in front of one. Both end with their block."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from server.bench.processes import START_S, end, free_port, until_alive
from server.bench.route.upstream import HOST
from server.errors import BarkeepError

_ROOT: Final = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy: its base URL, and the key that it wants."""

    base_url: str
    key: str


@asynccontextmanager
async def upstream() -> AsyncIterator[str]:
    """The upstream on a free port; its base URL.

    Raises:
        BarkeepError: it does not start.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.bench.route.upstream", cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            port = (await process.stdout.readline()).strip().decode()
        if not port:
            raise BarkeepError("The bench's upstream did not start.")
        yield f"http://{HOST}:{port}/v1"
    except TimeoutError:
        raise BarkeepError("The bench's upstream did not start in time.") from None
    finally:
        await end(process)


@asynccontextmanager
async def litellm(command: Path, base_url: str, model: str, folder: Path) -> AsyncIterator[Proxy]:
    """LiteLLM's proxy in front of the server at `base_url`, with its configuration and log in `folder`.

    Raises:
        BarkeepError: it does not start; the message quotes the end of what it said.
    """
    port, key = free_port(), f"sk-{secrets.token_hex(16)}"
    config, said = folder / "litellm.yaml", folder / "litellm.log"
    config.write_text(_litellm_config(base_url, model), encoding="utf-8")
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_LOG": "ERROR"}
    with said.open("wb") as log:
        try:
            process = await asyncio.create_subprocess_exec(
                command, "--config", config, "--host", HOST, "--port", str(port), "--telemetry", "False",
                env={**os.environ, **quiet, "LITELLM_MASTER_KEY": key},
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        except OSError as error:
            hint = "name the `litellm` of an environment in which litellm[proxy] is installed"
            raise BarkeepError(f"{command} cannot be started: {error.strerror}", hint) from error
    try:
        await until_alive("LiteLLM's proxy", process, f"http://{HOST}:{port}/health/liveliness", said)
        yield Proxy(f"http://{HOST}:{port}/v1", key)
    finally:
        await end(process)


def _litellm_config(base_url: str, model: str) -> str:
    """JSON, which is YAML too. The upstream's own key is of no interest, but LiteLLM wants one."""
    parameters = {"model": f"openai/{model}", "api_base": base_url, "api_key": "none"}
    settings = {"num_retries": 0, "request_timeout": 60, "telemetry": False}
    return json.dumps(
        {"model_list": [{"model_name": model, "litellm_params": parameters}], "litellm_settings": settings}
    )
