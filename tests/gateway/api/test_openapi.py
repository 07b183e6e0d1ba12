"""The OpenAPI document: complete, and true of a running server as far as schemathesis finds."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from server.gateway.api.doors import doors
from server.gateway.api.openapi import document
from tests.support.program import Program

EXAMPLES = 15
"""Of each kind, for each address."""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
RUN_S = 240


def test_every_door_is_described_with_its_body_and_its_refusals() -> None:
    paths = document()["paths"]
    for door in doors():
        operation = paths[door.path][door.method.lower()]
        assert operation["summary"]
        assert {"200", "401", "403", "421", "503"} <= set(operation["responses"])
        assert ("requestBody" in operation) == (door.body is not None)
    assert sum(map(len, paths.values())) == len(list(doors()))


def test_a_field_stands_under_each_of_its_names() -> None:
    described = document()["components"]["schemas"]["ChatBody"]["properties"]
    assert {"max_tokens", "max_completion_tokens", "n_predict", "rep_pen", "stopping_strings"} <= set(described)


@pytest.mark.engine
@pytest.mark.timeout(RUN_S + 60)
@pytest.mark.asyncio(loop_scope="module")
async def test_schemathesis_finds_no_server_error_and_nothing_that_is_not_described(
    running: Program, tmp_path: Path
) -> None:
    pytest.importorskip("schemathesis")
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")), "run", f"http://{running.address}/openapi.json",
        "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES),
        "--request-timeout", "30", "--generation-database", "none", "--continue-on-failure", "--no-color",
        "--suppress-health-check", "all",
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(RUN_S):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-6_000:]
    assert (await running.get("/health"))["status"] == "ok"
