"""SillyTavern's page in Chromium: a card imported, a line sent, an answer streamed; the screenshot is kept."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.frontends.places import ARTIFACTS, HOME, browser, missing
from tests.frontends.sillytavern import SillyTavern
from tests.personas.cards import forge
from tests.support.program import Program

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

DRIVE_S = 240
SCREENSHOT = ARTIFACTS / "sillytavern.png"
LINE = "Any eels left today, Tilda?"


async def drive(**wanted: Any) -> Any:
    """Run page.mjs; what it saw."""
    script = Path(__file__).with_name("page.mjs")
    process = await asyncio.create_subprocess_exec(
        "node", str(script), json.dumps({"packages": str(HOME / "package.json"), "browser": browser(), **wanted}),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(DRIVE_S):
            said, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaints.decode("utf-8", "replace")[-4_000:]
    return json.loads(said)


async def test_a_card_is_imported_and_answers_as_it_speaks(
    barkeep: Program, tavern: SillyTavern, tmp_path: Path
) -> None:
    if why := missing(with_browser=True):
        pytest.skip(why)
    card = tmp_path / "tilda.png"
    card.write_bytes(forge.png(forge.V2))
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    SCREENSHOT.unlink(missing_ok=True)
    seen = await drive(
        page=tavern.url,
        backend=f"http://{barkeep.address}/v1",
        model="local",
        card=str(card),
        name="Tilda",
        line=LINE,
        profile=str(tmp_path / "profile"),
        screenshot=str(SCREENSHOT),
    )
    assert seen["greeting"] == "You again, Bram?"
    assert seen["reply"]
    assert seen["reply"] != seen["greeting"]
    assert len(set(seen["lengths"])) > 2, "the answer came in one piece"
    assert seen["mistakes"] == []
    assert SCREENSHOT.stat().st_size > 10_000
