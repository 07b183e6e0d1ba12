"""Blocks, budget, layout and token counting: what a model reads of a turn, pure and within its limits."""
