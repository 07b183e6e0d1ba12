from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from huggingface_hub import close_session

from server.backends.llama import hub
from server.errors import ModelFileError

REPO, FILE = "LiquidAI/LFM2-350M-GGUF", "LFM2-350M-Q4_K_M.gguf"
CONTENT = bytes(range(256)) * 400


@dataclass
class Hub:
    """A hub with one file: metadata on the resolve address, which leads to the content on another."""

    content: bytes = CONTENT
    announced: str = hashlib.sha256(CONTENT).hexdigest()
    status: int = 200
    cut_at: int | None = None
    ranges: list[str | None] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", f"/{REPO}/resolve/main/{FILE}", self._resolve)
        app.router.add_get("/content", self._content)
        return app

    async def _resolve(self, request: web.Request) -> web.Response:
        self.agents.append(request.headers["User-Agent"])
        if self.status != 200:
            return web.Response(status=self.status)
        headers = {
            "X-Repo-Commit": "0" * 40,
            "X-Linked-Size": str(len(CONTENT)),
            "X-Linked-ETag": f'"{self.announced}"',
            "ETag": '"another"',
        }
        if request.method == "HEAD":
            return web.Response(headers=headers)
        return web.Response(status=302, headers={**headers, "Location": "/content"})

    async def _content(self, request: web.Request) -> web.StreamResponse:
        self.ranges.append(request.headers.get("Range"))
        begin = request.http_range.start or 0
        response = web.StreamResponse(status=206 if begin else 200)
        response.headers["Content-Range"] = f"bytes {begin}-{len(self.content) - 1}/{len(self.content)}"
        response.content_length = len(self.content) - begin
        await response.prepare(request)
        await response.write(self.content[begin : self.cut_at])
        if self.cut_at is not None and request.transport is not None:
            request.transport.abort()
        return response


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    served = Hub()
    server = TestServer(served.application())
    await server.start_server()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", str(server.make_url("/")).rstrip("/"))
    # The client keeps whole chunks of 10 MB, and waits a second before each retry.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    yield served
    close_session()
    await server.close()


async def pull(model_dir: Path, file: str = FILE) -> tuple[Path, list[str]]:
    told: list[str] = []
    path = await asyncio.to_thread(hub.pull, REPO, file, model_dir, progress=False, tell=told.append)
    return path, told


def files(model_dir: Path) -> list[str]:
    return [path.name for path in model_dir.iterdir()]


def leftovers(model_dir: Path) -> list[int]:
    return [path.stat().st_size for path in model_dir.glob("*.part")]


async def test_a_pull_brings_the_file_and_names_the_licence_first(served: Hub, tmp_path: Path) -> None:
    path, told = await pull(tmp_path / "models")
    assert path == tmp_path / "models" / FILE
    assert path.read_bytes() == CONTENT
    assert "LFM Open License 1.0" in told[0]
    assert leftovers(path.parent) == []
    assert all("barkeep" in agent for agent in served.agents)


async def test_a_whole_file_is_not_fetched_again(served: Hub, tmp_path: Path) -> None:
    await pull(tmp_path)
    _, told = await pull(tmp_path)
    assert len(served.ranges) == 1
    assert "there and whole" in told[-1]


async def test_a_damaged_file_is_fetched_again(served: Hub, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"x" * len(CONTENT))
    path, _ = await pull(tmp_path)
    assert path.read_bytes() == CONTENT


async def test_an_interrupted_pull_is_kept_and_continued(served: Hub, tmp_path: Path) -> None:
    served.cut_at = 30_000
    with pytest.raises(ModelFileError) as caught:
        await pull(tmp_path)
    assert "kept" in caught.value.hint
    assert leftovers(tmp_path) == [30_000]
    served.cut_at = None
    path, told = await pull(tmp_path)
    assert served.ranges[-1] == "bytes=30000-"
    assert path.read_bytes() == CONTENT
    assert any(line.startswith("Continuing") for line in told)


async def test_a_part_of_an_older_file_is_not_continued(served: Hub, tmp_path: Path) -> None:
    (tmp_path / f"{FILE}.0123456789ab.part").write_bytes(b"x" * 500)
    path, _ = await pull(tmp_path)
    assert path.read_bytes() == CONTENT
    assert files(tmp_path) == [FILE]


async def test_what_is_not_what_the_hub_announced_is_thrown_away(served: Hub, tmp_path: Path) -> None:
    served.content = CONTENT[:-1] + b"!"
    with pytest.raises(ModelFileError, match="not what the hub announced"):
        await pull(tmp_path)
    assert files(tmp_path) == []


async def test_a_hub_without_a_hash_is_not_trusted(served: Hub, tmp_path: Path) -> None:
    served.announced = "0" * 40
    with pytest.raises(ModelFileError, match="SHA-256"):
        await pull(tmp_path)


async def test_a_file_that_is_not_there_is_named(served: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no file absent\.gguf"):
        await pull(tmp_path, "absent.gguf")


@pytest.mark.parametrize(("status", "message"), [(401, "no file"), (500, "answered 500")])
async def test_an_answer_that_is_an_error_is_told(served: Hub, tmp_path: Path, status: int, message: str) -> None:
    served.status = status
    with pytest.raises(ModelFileError, match=message):
        await pull(tmp_path)


async def test_without_a_connection_there_is_another_way(
    served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelFileError, match="cannot be reached") as caught:
        await pull(tmp_path)
    assert "`path`" in caught.value.hint


async def test_a_full_disk_is_told_before_anything_is_fetched(
    served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=50_000))
    with pytest.raises(ModelFileError, match="free") as caught:
        await pull(tmp_path)
    assert "data_dir" in caught.value.hint
    assert served.ranges == []


async def test_a_repository_name_that_cannot_be_is_refused(served: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="name of a repository"):
        await asyncio.to_thread(hub.pull, "not a/repo/at all", FILE, tmp_path, progress=False, tell=lambda _: None)
