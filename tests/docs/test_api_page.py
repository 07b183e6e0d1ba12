"""docs/api.md: its clients are run against a real server, and it names every address, field and header."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import AliasChoices, BaseModel

from server.gateway.api.anthropic import MessagesBody
from server.gateway.api.bodies import (
    MAX_BIASES,
    MAX_GRAMMAR_CHARACTERS,
    MAX_LOGPROBS,
    MAX_MESSAGES,
    MAX_REPLIES,
    MAX_STOP_CHARACTERS,
    MAX_STOPS,
    ChatBody,
)
from server.gateway.api.doors import doors
from server.gateway.api.kobold import GenerateBody
from tests.docs import pages
from tests.support.program import Program, config, program

PAGE = pages.read("docs/api.md")
CLIENTS = {block.title: block.text for block in pages.blocks(PAGE) if block.title}
NODE_MODULES = pages.ROOT / "tests" / "frontends" / "openai_js" / "node_modules"
ADDRESS = "127.0.0.1:8642"
SAID = "One bed, by the stove."
RUN_S = 30


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[Program]:
    local = {"kind": "scripted", "script": [{"text": SAID}]}
    async with program(tmp_path, config(tmp_path, {"local": local})) as one:
        yield one


async def run(*command: str, cwd: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(RUN_S):
            out, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaints.decode()
    return out.decode().strip()


def saved(folder: Path, title: str, running: Program) -> str:
    (folder / title).write_text(CLIENTS[title].replace(ADDRESS, running.address), encoding="utf-8")
    return title


async def test_the_client_in_python_hears_an_answer(running: Program, tmp_path: Path) -> None:
    assert await run(sys.executable, saved(tmp_path, "ask.py", running), cwd=tmp_path) == SAID


async def test_the_client_in_javascript_hears_an_answer(running: Program, tmp_path: Path) -> None:
    if shutil.which("node") is None or not NODE_MODULES.is_dir():
        pytest.skip("node is not on PATH, or OpenAI's SDK is not installed: npm ci --prefix tests/frontends/openai_js")
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    assert await run("node", saved(tmp_path, "ask.mjs", running), cwd=tmp_path) == SAID


async def test_the_call_by_hand_hears_an_answer(running: Program, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not on PATH")
    (call,) = pages.blocks(PAGE, "sh")
    told = json.loads(await run("sh", "-c", call.text.replace(ADDRESS, running.address), cwd=tmp_path))
    assert told["choices"][0]["message"]["content"] == SAID


async def test_the_error_is_the_one_shown(running: Program, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not on PATH")
    (call,) = pages.blocks(PAGE, "sh")
    asked = call.text.replace(ADDRESS, running.address).replace("npc/hilda", "gpt-4")
    (shown,) = pages.blocks(PAGE, "json")
    assert json.loads(await run("sh", "-c", asked, cwd=tmp_path)) == json.loads(shown.text)


def test_every_address_is_on_the_page_and_no_other() -> None:
    there = {f"{door.method} {door.path}" for door in doors()} | {"GET /health", "GET /openapi.json"}
    assert {span for span in pages.spans(PAGE) if re.match(r"(GET|POST) /", span)} == there


def test_every_field_is_on_the_page_under_all_its_names() -> None:
    fields = {name for body in (ChatBody, GenerateBody, MessagesBody) for name in names_of(body)}
    (section,) = (part for part in PAGE.split("\n## ") if part.startswith("Fields"))
    assert fields <= set(pages.spans(section))


def names_of(body: type[BaseModel]) -> Iterator[str]:
    for name, field in body.model_fields.items():
        alias = field.validation_alias
        yield from (str(each) for each in alias.choices) if isinstance(alias, AliasChoices) else (name,)


def test_every_limit_is_on_the_page() -> None:
    limits = (
        MAX_MESSAGES,
        MAX_REPLIES,
        MAX_STOPS,
        MAX_STOP_CHARACTERS,
        MAX_BIASES,
        MAX_LOGPROBS,
        MAX_GRAMMAR_CHARACTERS,
    )
    (section,) = (part for part in PAGE.split("\n## ") if part.startswith("Fields"))
    assert [limit for limit in limits if f"{limit:,}" not in section] == []
