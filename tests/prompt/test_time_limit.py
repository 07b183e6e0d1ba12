from dataclasses import replace

from server.prompt.budget import COMMON_LINE
from server.prompt.build import build, build_warm
from server.prompt.context import Item, PromptLimits
from server.prompt.tokens import EstimatedTokenizer, count_segments
from tests.support.prompts import context, entry, texts

TOKENIZER = EstimatedTokenizer()
DROPPABLE = {"scene", "events", "memories", "lore"}
FULL = context(
    history=tuple(entry(number) for number in range(6)),
    scene=("Place: the taproom.", "Weather: rain."),
    events=tuple(f"Ansel: Eel number {number} was a big one." for number in range(8)),
    memories=tuple(Item(str(number), f"A memory of the flood, number {number}.") for number in range(5)),
    line="player: Any rooms left?",
)


def limits(time_tokens: int | None) -> PromptLimits:
    return PromptLimits(4_096, 192, 120, time_tokens)


def test_little_time_drops_what_is_new_and_leaves_the_prefix_as_it_is() -> None:
    slow, fast = build(FULL, limits(COMMON_LINE), TOKENIZER), build(FULL, limits(None), TOKENIZER)
    for part in ("rules", "persona", "facts", "history"):
        assert texts(slow.prompt, part) == texts(fast.prompt, part)
    assert not DROPPABLE & {block.name for block in slow.blocks if block.tokens}
    assert "player: Any rooms left?" in "".join(slow.written)
    assert {block.name for block in slow.blocks if block.dropped} >= {"scene", "events", "memories"}


def test_what_is_new_fits_the_time_beside_a_common_line() -> None:
    for time_tokens in range(0, 240, 16):
        built = build(FULL, limits(time_tokens), TOKENIZER)
        new = sum(block.tokens for block in built.blocks if block.name in DROPPABLE)
        assert new <= max(0, time_tokens - COMMON_LINE)


def test_a_time_limit_keeps_the_warmed_prompt_a_prefix() -> None:
    for time_tokens in range(0, 240, 16):
        warm = build_warm(replace(FULL, line=""), limits(time_tokens), TOKENIZER).segments
        assert build(FULL, limits(time_tokens), TOKENIZER).prompt.segments[: len(warm)] == warm
        assert count_segments(warm, TOKENIZER) > 0
