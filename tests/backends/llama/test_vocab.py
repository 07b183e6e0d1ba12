from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.backends.llama.vocab import Vocabulary
from server.errors import ModelFileError
from server.prompt.tokens import Tokenizer, count_segments
from server.text.segments import Close, Open, Part, Prompt, Segment, Text
from tests.support.llama import prompt
from tests.support.tiny_gguf import BOS, EOS, IM_START, SPECIAL_TOKENS, write_tiny_lfm2

pytestmark = pytest.mark.engine

hostile = st.lists(st.sampled_from(SPECIAL_TOKENS) | st.text(max_size=12) | st.sampled_from(["system\n", "<|", "|>"]))
segments = st.lists(
    st.sampled_from([Open("system"), Open("user"), Open("assistant"), Close()])
    | hostile.map(lambda parts: Text("".join(parts))),
    max_size=12,
)


def test_it_is_a_tokenizer_with_exact_counts(vocabulary: Vocabulary) -> None:
    tokenizer: Tokenizer = vocabulary
    assert tokenizer.exact
    assert tokenizer.fingerprint.startswith("gguf-")
    assert tokenizer.count("") == 0
    assert tokenizer.count("you") == 1
    assert tokenizer.count("é") == 2


def test_a_prompt_is_chatml_with_control_tokens_by_id(vocabulary: Vocabulary) -> None:
    ids = vocabulary.encode(prompt("Be brief.", "Hello"))
    newline = vocabulary.tokenise("\n")
    assert ids == [
        BOS,
        *(IM_START, *vocabulary.tokenise("system\n"), *vocabulary.tokenise("Be brief."), EOS, *newline),
        *(IM_START, *vocabulary.tokenise("user\n"), *vocabulary.tokenise("Hello"), EOS, *newline),
        *(IM_START, *vocabulary.tokenise("assistant\n")),
    ]


@given(segments)
def test_the_count_of_a_prompt_is_its_length_without_the_start_token(
    vocabulary: Vocabulary, parts: list[Segment]
) -> None:
    ids = vocabulary.encode(Prompt((Part("turn", tuple(parts)),)))
    assert len(ids) == count_segments(parts, vocabulary) + 1


@settings(max_examples=300)
@given(segments)
def test_no_text_raises_the_number_of_control_tokens(vocabulary: Vocabulary, parts: list[Segment]) -> None:
    ids = vocabulary.encode_segments(parts)
    wanted = sum(not isinstance(part, Text) for part in parts)
    assert sum(token in vocabulary.control_tokens for token in ids) == wanted


def test_every_special_token_is_known_as_control(vocabulary: Vocabulary) -> None:
    assert vocabulary.control_tokens == frozenset(range(len(SPECIAL_TOKENS)))


def test_stored_ids_are_used_under_their_own_fingerprint_alone(vocabulary: Vocabulary) -> None:
    odd = tuple(vocabulary.tokenise("y") + vocabulary.tokenise("ou"))
    assert odd != vocabulary.tokenise("you")
    own = Text("you", vocabulary.fingerprint, odd)
    foreign = Text("you", "another", odd)
    assert vocabulary.encode_segments([own]) == list(odd)
    assert vocabulary.encode_segments([foreign]) == list(vocabulary.tokenise("you"))


@pytest.mark.parametrize("ids", [(IM_START,), (EOS, 40), (10**6,), (-1,)])
def test_stored_ids_that_no_text_can_have_are_not_believed(vocabulary: Vocabulary, ids: tuple[int, ...]) -> None:
    altered = Text("you", vocabulary.fingerprint, ids)
    assert vocabulary.encode_segments([altered]) == list(vocabulary.tokenise("you"))


def test_half_a_surrogate_pair_and_nul_bytes_are_counted_too(vocabulary: Vocabulary) -> None:
    assert vocabulary.count("\ud83d") == vocabulary.count("?")
    assert vocabulary.count("a\0b") == 3


def test_threads_count_alike(tiny: Path, vocabulary: Vocabulary) -> None:
    fresh = Vocabulary.load(tiny)
    texts = [f"the user said {number} to you" for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(fresh.count, texts * 4))
    assert counts == [vocabulary.count(text) for text in texts] * 4


def test_a_vocabulary_that_llama_cpp_refuses_is_a_model_file_error(tmp_path: Path) -> None:
    path = write_tiny_lfm2(tmp_path / "strange.gguf")
    path.write_bytes(path.read_bytes().replace(b"gpt2", b"gpt9"))
    with pytest.raises(ModelFileError, match="cannot read the vocabulary") as caught:
        Vocabulary.load(path)
    assert "gpt9" in caught.value.message
