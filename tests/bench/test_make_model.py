import hashlib
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from server.backends.llama.vocab import Vocabulary as LoadedVocabulary
from server.bench.model import make, writer
from server.bench.model.make import QUANTS, make_model, needed_bytes
from server.bench.model.shape import SHAPES, Shape
from server.bench.model.tokens import SPECIAL_TOKENS, Vocabulary
from server.bench.words import ALL
from server.cli import main
from server.errors import BarkeepError
from tests.support.llama import read, request

SMALL = Shape("small", 256, 256, 2, frozenset({1}), 4, 2, 512, 1_024)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("made") / "tiny.gguf", SHAPES["tiny"], "Q4_K_M")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("quant", QUANTS)
def test_the_same_seed_makes_the_same_bytes(quant: str, tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    make_model(first, SMALL, quant, seed=4)
    make_model(again, SMALL, quant, seed=4, threads=1)
    make_model(other, SMALL, quant, seed=5)
    assert digest(first) == digest(again)
    assert digest(first) != digest(other)


def test_nothing_is_left_beside_the_model(tmp_path: Path) -> None:
    make_model(tmp_path / "model.gguf", SMALL, "Q4_0")
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]


@pytest.mark.parametrize(("name", "million"), [("350M", 354), ("2.6B", 2_569)])
def test_the_published_shapes_have_their_size(name: str, million: int) -> None:
    assert SHAPES[name].parameters // 1_000_000 == million
    assert SHAPES[name].vocabulary == 65_536


async def test_the_engine_loads_it_and_says_words(tiny: Path) -> None:
    from server.backends.llama.backend import LlamaBackend
    from server.config import LlamaRoute

    backend = LlamaBackend("local", LlamaRoute(kind="llama", path=tiny, context=512, threads=1), model_dir=tiny.parent)
    await backend.start()
    try:
        assert (await backend.until("ready", "down")).state == "ready"
        reply = await read(backend.generate(request("You bake.", "What do you sell?", max_tokens=24)))
    finally:
        await backend.close()
    assert reply.finish.reason == "length"
    assert reply.text.isascii()
    # A server that is given the reply back as text reads the tokens that it said.
    assert LoadedVocabulary.load(tiny).tokenise(reply.text) == reply.tokens


def test_special_tokens_stand_at_the_ids_of_lfm2(tiny: Path) -> None:
    vocabulary = LoadedVocabulary.load(tiny)
    assert (vocabulary.file.im_start, vocabulary.file.im_end) == (6, 7)
    assert vocabulary.control_tokens == frozenset(range(len(SPECIAL_TOKENS)))
    assert vocabulary.file.architecture == "lfm2"


def test_plain_english_is_about_a_token_a_word(tiny: Path) -> None:
    text = "The old baker mends a lantern near the harbour every morning and never forgets a song."
    assert len(LoadedVocabulary.load(tiny).tokenise(text)) <= len(text.split()) + 1


def test_every_size_is_filled_without_a_token_twice() -> None:
    for size in (270, 271, 3_000, 20_000):
        vocabulary = Vocabulary.of_size(size)
        assert len(set(vocabulary.tokens)) == size


def test_a_vocabulary_smaller_than_its_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="the least is 270"):
        Vocabulary.of_size(269)


def test_merges_lead_to_the_words_they_were_made_for() -> None:
    vocabulary = Vocabulary.of_size(8_000)
    assert all(vocabulary.pieces(f"Ġ{word}") == [f"Ġ{word}"] for word in ALL)


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_too_small_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(10**9, 0, needed_bytes(SMALL, "Q4_0") - 1))
    with pytest.raises(BarkeepError, match="GB free"):
        make_model(tmp_path / "model.gguf", SMALL, "Q4_0")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_quantisation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(make, "_quantise", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_model(tmp_path / "model.gguf", SMALL, "Q4_0")
    assert list(tmp_path.iterdir()) == []


def test_what_llama_cpp_says_of_a_failure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_nonsense(path: Path, *args: object) -> None:
        path.write_bytes(b"nonsense")

    monkeypatch.setattr(make, "write_f16", write_nonsense)
    with pytest.raises(BarkeepError, match=r"could not quantise.*magic"):
        make_model(tmp_path / "model.gguf", SMALL, "Q4_0")
    assert list(tmp_path.iterdir()) == []


def test_without_gguf_the_way_to_get_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises(BarkeepError) as caught:
        make_model(tmp_path / "model.gguf", SMALL, "F16")
    assert caught.value.hint == writer.GGUF_HINT


def test_the_command_makes_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.gguf"
    assert main(["bench", "make-model", "--shape", "tiny", "--quant", "F16", str(path)]) == 0
    assert path.read_bytes()[:4] == b"GGUF"
    assert str(path) in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "make-model", "--shape", "tiny", str(tmp_path / "nowhere" / "model.gguf")]) == 1
    assert "cannot be written" in capsys.readouterr().err
