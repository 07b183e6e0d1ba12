"""Models that Barkeep knows by name: all ChatML, none thinking aloud. Any other ChatML GGUF works by its path."""

from __future__ import annotations

from dataclasses import dataclass

LICENCE_NOTE = (
    "The weights of LFM models are under the LFM Open License 1.0: free to use, also commercially below 10 million US "
    "dollars of yearly revenue; whoever passes them on passes on the licence and names Liquid AI. "
    "Full text: https://huggingface.co/{repo}/blob/main/LICENSE"
)


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A file on the hub. `size_bytes` is exact for the default model and to about 5 % for the others."""

    repo: str
    file: str
    size_bytes: int
    note: str


KNOWN_MODELS = (
    KnownModel("LiquidAI/LFM2-350M-GGUF", "LFM2-350M-Q4_K_M.gguf", 229_000_000, "for trying things out"),
    KnownModel("LiquidAI/LFM2-700M-GGUF", "LFM2-700M-Q4_K_M.gguf", 470_000_000, "for weak machines"),
    KnownModel("LiquidAI/LFM2-1.2B-GGUF", "LFM2-1.2B-Q4_K_M.gguf", 731_000_000, "for weak machines"),
    KnownModel(
        "LiquidAI/LFM2.5-1.2B-Instruct-GGUF", "LFM2.5-1.2B-Instruct-Q4_K_M.gguf", 731_000_000, "best of the small ones"
    ),
    KnownModel(
        "LiquidAI/LFM2-2.6B-GGUF", "LFM2-2.6B-Q4_0.gguf", 1_480_000_000, "faster than Q4_K_M, a little less able"
    ),
    KnownModel("LiquidAI/LFM2-2.6B-GGUF", "LFM2-2.6B-Q4_K_M.gguf", 1_563_668_704, "the default"),
    KnownModel(
        "LiquidAI/LFM2-2.6B-Exp-GGUF", "LFM2-2.6B-Exp-Q4_K_M.gguf", 1_563_668_704, "follows instructions more closely"
    ),
    KnownModel("LiquidAI/LFM2-8B-A1B-GGUF", "LFM2-8B-A1B-Q4_K_M.gguf", 5_050_000_000, "for strong machines"),
)


def licence_note(repo: str) -> str:
    """What to tell before the weights of `repo` are fetched; empty where nothing is known of them."""
    owner = repo.partition("/")[0]
    return LICENCE_NOTE.format(repo=repo) if owner == "LiquidAI" else ""
