import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from server.backends.llama.vocab import Vocabulary
from server.bench.engine.cast import Writer
from server.bench.engine.conversation import Conversation, Reply
from server.bench.engine.floor import Floor, ReadSoFar
from server.bench.engine.high_level import HighLevel
from server.bench.engine.peer import ChatPeer, Peer, as_text, evaluated_tokens
from server.bench.engine.player import Sample
from server.bench.engine.report import as_json, as_table
from server.bench.engine.results import Finding, Results, RowResult, Summary, percentile
from server.bench.engine.run import run
from server.bench.engine.setup import Setup, quick
from server.bench.model.make import make_model
from server.bench.model.shape import SHAPES
from server.cli import main
from server.errors import BarkeepError


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("bench") / "tiny.gguf", SHAPES["tiny"], "Q4_0")


@pytest.fixture(scope="module")
def vocabulary(model: Path) -> Vocabulary:
    return Vocabulary.load(model)


@pytest.fixture
def setup(model: Path) -> Setup:
    return quick(model, threads=1)


def conversation(vocabulary: Vocabulary, number: int = 0) -> Conversation:
    return Conversation(Writer(vocabulary).character(number, 240))


def sample(first_ms: float, *, new: int = 40, evaluated: int | None = 40, floor_ms: float = 10.0) -> Sample:
    return Sample(first_ms, prompt=900, new=new, evaluated=evaluated, floor_ms=floor_ms)


class TestTexts:
    def test_a_character_is_as_long_as_asked_and_always_the_same(self, vocabulary: Vocabulary) -> None:
        length = len(vocabulary.encode(Conversation(Writer(vocabulary).character(3)).head()))
        assert 880 <= length <= 950
        assert Writer(vocabulary).character(3) == Writer(vocabulary).character(3)

    def test_characters_share_their_rules_and_nothing_else(self, vocabulary: Vocabulary) -> None:
        writer = Writer(vocabulary)
        one, other = writer.character(1), writer.character(25)
        assert one.rules == other.rules
        assert len({one.persona, other.persona, one.facts, other.facts}) == 4

    def test_a_later_prompt_begins_with_the_earlier_one_and_its_reply(self, vocabulary: Vocabulary) -> None:
        talk = conversation(vocabulary)
        reply = Reply(" bread", vocabulary.tokenise(" bread"), vocabulary.fingerprint)
        before = [*vocabulary.encode(talk.prompt("Good day.")), *reply.token_ids]
        talk.answered("Good day.", reply)
        assert vocabulary.encode(talk.prompt("And now?"))[: len(before)] == before

    def test_what_is_known_while_typing_begins_the_prompt(self, vocabulary: Vocabulary) -> None:
        talk = conversation(vocabulary)
        begun = vocabulary.encode(talk.begun("Where is the"))
        assert vocabulary.encode(talk.prompt("Where is the bread"))[: len(begun)] == begun

    def test_shrinking_keeps_the_newer_half_and_rewinding_drops_the_end(self, vocabulary: Vocabulary) -> None:
        talk = conversation(vocabulary)
        for number in range(6):
            talk.answered(f"line {number}", Reply("yes"))
        talk.rewind(2)
        exchanges = list(talk.exchanges)
        talk.shrink(" New facts.")
        assert talk.exchanges == exchanges[2:]
        assert talk.character.facts == " New facts."

    def test_half_of_the_words_are_heard(self) -> None:
        assert Reply("one two three four", (1, 2)).cut() == Reply("one two")


class TestFloor:
    def test_what_nobody_has_read_is_new(self) -> None:
        read = ReadSoFar()
        assert read.new_tokens([1, 2, 3]) == 3
        read.add([1, 2, 3, 4])
        read.add([1, 9])
        assert read.new_tokens([1, 2, 3, 5, 6]) == 2
        assert read.new_tokens([1, 2, 3]) == 1
        assert read.new_tokens([7]) == 1

    async def test_it_times_what_it_is_asked_for(self, setup: Setup) -> None:
        floor = Floor(setup)
        await floor.start()
        try:
            assert await floor.measure_ms(cells=100, tokens=20) > 0
            assert await floor.measure_ms(cells=0, tokens=1) > 0
        finally:
            await floor.close()

    async def test_a_child_that_cannot_load_says_why(self, setup: Setup, tmp_path: Path) -> None:
        (tmp_path / "no.gguf").write_bytes(b"GGUF")
        floor = Floor(Setup(model=tmp_path / "no.gguf", threads=1))
        with pytest.raises(BarkeepError, match="cannot load"):
            await floor.start()
        await floor.close()


async def test_the_high_level_class_reads_all_again_unless_the_prompt_only_grew(
    setup: Setup, vocabulary: Vocabulary
) -> None:
    other = HighLevel(setup, vocabulary)
    await other.start()
    try:
        talk, stranger = conversation(vocabulary), conversation(vocabulary, 1)
        first = await other.answer("a", talk.prompt("Good day."), 4)
        total = len(vocabulary.encode(talk.prompt("Good day.")))
        talk.answered("Good day.", first.reply)
        grown = await other.answer("a", talk.prompt("And now?"), 4)
        switched = await other.answer("b", stranger.prompt("Good day."), 4)
    finally:
        await other.close()
    assert first.evaluated == total
    assert len(first.reply.token_ids) == 4
    # The frame of the turn, the line, and the reply's last token.
    assert grown.evaluated == len(vocabulary.encode(talk.prompt("And now?"))) - total - 3
    assert switched.evaluated == len(vocabulary.encode(stranger.prompt("Good day.")))


@asynccontextmanager
async def peer_server(*events: dict[str, Any]) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    asked: list[dict[str, Any]] = []

    async def completions(request: web.Request) -> web.StreamResponse:
        asked.append(await request.json())
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "tiny"}]})

    app = web.Application()
    app.router.add_post("/v1/completions", completions)
    app.router.add_post("/v1/chat/completions", completions)
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


def chunk(text: str) -> dict[str, Any]:
    return {"choices": [{"text": text}]}


def said(text: str) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}}]}


class TestPeer:
    async def test_it_is_asked_for_the_same_prompt_as_text(self, vocabulary: Vocabulary) -> None:
        prompt = conversation(vocabulary).prompt("Good day.")
        usage = {"choices": [], "usage": {"prompt_tokens": 50, "prompt_tokens_details": {"cached_tokens": 20}}}
        async with peer_server(chunk(""), chunk(" bread"), chunk(" rope"), usage) as (url, asked):
            peer = Peer(f"{url}/v1/")
            await peer.start()
            try:
                answer = await peer.answer("a", prompt, 4)
            finally:
                await peer.close()
        assert answer.reply == Reply(" bread rope")
        assert answer.evaluated == 30
        assert asked[0]["prompt"].endswith("<|im_start|>user\nGood day.<|im_end|>\n<|im_start|>assistant\n")
        assert (asked[0]["model"], asked[0]["max_tokens"], asked[0]["temperature"]) == ("tiny", 4, 0.0)

    async def test_a_wordless_answer_is_no_measurement(self, vocabulary: Vocabulary) -> None:
        async with peer_server(chunk("")) as (url, _):
            peer = Peer(url)
            await peer.start()
            try:
                with pytest.raises(BarkeepError, match="without a word"):
                    await peer.answer("a", conversation(vocabulary).prompt("Good day."), 4)
            finally:
                await peer.close()

    async def test_nobody_at_its_address_is_told_with_a_hint(self, unused_tcp_port: int) -> None:
        peer = Peer(f"http://127.0.0.1:{unused_tcp_port}")
        try:
            with pytest.raises(BarkeepError, match="No OpenAI-compatible server") as caught:
                await peer.start()
        finally:
            await peer.close()
        assert "same file" in caught.value.hint

    @pytest.mark.parametrize(
        ("event", "expected"),
        [
            ({"timings": {"prompt_n": 12}, "usage": {"prompt_tokens": 90}}, 12),
            ({"usage": {"prompt_tokens": 90, "prompt_tokens_details": {"cached_tokens": 80}}}, 10),
            ({"usage": {"prompt_tokens": 90}}, None),
            ({"usage": None, "timings": "fast"}, None),
        ],
    )
    def test_evaluated_tokens_are_taken_from_whoever_tells_them(
        self, event: dict[str, Any], expected: int | None
    ) -> None:
        assert evaluated_tokens(event) == expected

    async def test_a_chat_is_asked_for_with_messages(self, vocabulary: Vocabulary) -> None:
        talk = conversation(vocabulary)
        talk.answered("Good day.", Reply("Well met."))
        async with peer_server({"choices": [{"delta": {"role": "assistant", "content": ""}}]}, said("A lamp.")) as (
            url,
            asked,
        ):
            peer = ChatPeer(url)
            await peer.start()
            try:
                answer = await peer.answer("a", talk.prompt("And now?"), 4)
            finally:
                await peer.close()
        assert answer.reply == Reply("A lamp.")
        system, *history = asked[0]["messages"]
        assert system["role"] == "system"
        assert [(each["role"], each["content"]) for each in history] == [
            ("user", "Good day."),
            ("assistant", "Well met."),
            ("user", "And now?"),
        ]

    def test_text_is_chatml(self, vocabulary: Vocabulary) -> None:
        assert as_text(conversation(vocabulary).head()).startswith("<|im_start|>system\nAnswer as")


class TestFigures:
    def test_a_summary_has_the_median_and_the_nearest_rank(self) -> None:
        summary = Summary.of([sample(float(ms), evaluated=None) for ms in (30, 10, 20, 40, 100)])
        assert (summary.median_ms, summary.p90_ms, summary.worst_ms) == (30.0, 100.0, 100.0)
        assert (summary.times_floor, summary.evaluated, summary.new) == (3.0, None, 40)

    @pytest.mark.parametrize(("percent", "expected"), [(0, 1), (50, 5), (90, 9), (100, 10)])
    def test_a_percentile_is_one_of_the_values(self, percent: float, expected: float) -> None:
        assert percentile([float(value) for value in range(1, 11)], percent) == expected

    def test_a_turn_that_skipped_new_tokens_is_told(self, setup: Setup) -> None:
        good = RowResult("appended", "later turn", {"barkeep": (sample(12),)})
        bad = RowResult("load", "a load", {"barkeep": (sample(12, new=40, evaluated=39),)})
        assert "missed" not in line_of(as_table(setup, Results([good], [])), "turns answered without")
        assert "missed" in line_of(as_table(setup, Results([good, bad], [])), "turns answered without")

    def test_the_table_says_which_aims_are_met(self, setup: Setup) -> None:
        rows = [
            RowResult("first_contact", "first contact", {"barkeep": (sample(1_000),), "peer": (sample(900),)}),
            RowResult("appended", "later turn", {"barkeep": (sample(12),)}),
            RowResult("restart", "after a restart", {"barkeep": (sample(90),)}),
        ]
        findings = [Finding("x", "an open matter", None, "ms", "why", "<= 5", False)]
        table = as_table(setup, Results(rows, findings))
        assert "missed" in line_of(table, "later turn  ", last=True)
        assert "0.09" in line_of(table, "first contact after a restart")
        assert "met" in line_of(table, "first contact after a restart")
        assert line_of(table, "an open matter").split()[3] == "-"

    def test_json_holds_every_sample(self, setup: Setup) -> None:
        rows = [RowResult("appended", "later turn", {"barkeep": (sample(12), sample(14))})]
        values = json.loads(as_json(setup, Results(rows, [])))
        assert [taken["first_ms"] for taken in values["rows"][0]["samples"]["barkeep"]] == [12, 14]
        assert values["machine"]["cpus"] >= 1
        assert values["setup"]["persona_tokens"] == setup.persona_tokens


def line_of(table: str, beginning: str, *, last: bool = False) -> str:
    lines = [line for line in table.splitlines() if line.startswith(beginning)]
    return lines[-1 if last else 0]


def test_a_quick_run_measures_every_row(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "found.json"
    assert main(["bench", "engine", "--quick", "--threads", "1", "--model", str(model), "--json", str(path)]) == 0
    found = json.loads(path.read_text("utf-8"))
    names = {row["key"]: set(row["summaries"]) for row in found["rows"]}
    both, ours = {"barkeep", "llama-cpp-python"}, {"barkeep"}
    assert names == {
        **dict.fromkeys(
            ("first_contact", "appended", "scene", "scene_on_top", "switching_2", "heard_differs", "load"), both
        ),
        **dict.fromkeys(("shrunk", "restart"), both),
        **dict.fromkeys(("warmed", "shrunk_prepared", "chats"), ours),
    }
    later = next(row for row in found["rows"] if row["key"] == "appended")["summaries"]
    assert later["barkeep"]["evaluated"] == later["llama-cpp-python"]["evaluated"] == later["barkeep"]["new"]
    keys = {finding["key"] for finding in found["findings"]}
    assert {"together", "stop_speaking", "stop_reading", "restore_ram", "restore_disk", "rss", "crowd_ram"} <= keys
    assert next(each for each in found["findings"] if each["key"] == "skipped")["value"] == 0
    assert "later turn, history appended" in capsys.readouterr().out


def test_the_peer_is_started_for_the_run_and_asked_with_the_same_chats(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "found.json"
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    command = ["bench", "engine", "--quick", "--threads", "1", "--model", str(model), "--json", str(path)]
    assert main([*command, "--only", "chats", "--peer-python", sys.executable]) == 0
    found = json.loads(path.read_text("utf-8"))
    (row,) = found["rows"]
    ours, peer = row["summaries"]["barkeep"], row["summaries"]["peer"]
    assert row["key"] == "chats"
    assert ours["samples"] == peer["samples"] == 4
    assert ours["evaluated"] == ours["new"] < ours["prompt"]
    assert peer["median_ms"] > 0
    assert not children()


def test_a_python_that_is_not_there_is_told_with_a_hint(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", "engine", "--quick", "--threads", "1", "--model", str(model), "--only", "chats"]
    assert main([*command, "--peer-python", str(tmp_path / "python")]) == 1
    assert "llama-cpp-python[server]" in capsys.readouterr().err


def test_a_missing_model_is_told_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "engine", "--model", str(tmp_path / "none.gguf")]) == 1
    assert "none.gguf" in capsys.readouterr().err


def test_an_interrupted_run_leaves_no_process(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    from server.bench.engine import run as module

    async def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_play", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(setup)
    assert not children()


def children() -> list[int]:
    """Processes that this one started and that still run."""
    me = str(__import__("os").getpid())
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue
        if lines.get("PPid") == me and not lines["State"].startswith("Z"):
            found.append(int(status.parent.name))
    return found
