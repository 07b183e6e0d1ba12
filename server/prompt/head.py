"""Parts 1 to 4: everything before this turn, fitted to its shares."""

from __future__ import annotations

from dataclasses import dataclass

from server.errors import BudgetError
from server.personas.persona import Persona
from server.prompt.budget import Budget
from server.prompt.context import Block, TurnContext
from server.prompt.history import PastTurn, first_kept, past_turns
from server.prompt.layout import SYSTEM_FRAME
from server.prompt.persona import choose_details, core, details
from server.prompt.pieces import REMEMBERED, Choice, Piece, aside, cost, fit, pieces
from server.prompt.tokens import Tokenizer, count_segments

START_TOKENS = 1
"""The start-of-text token."""


@dataclass(frozen=True, slots=True)
class Core:
    """What every prompt of a persona holds; `frame` is the tokens of start of text and system turn."""

    rules: tuple[Piece, ...]
    persona: tuple[Piece, ...]
    frame: int

    @property
    def tokens(self) -> int:
        """What it costs."""
        return self.frame + cost(self.rules) + cost(self.persona)


@dataclass(frozen=True, slots=True)
class Head:
    """Parts 1 to 4 as chosen; `history_dropped` in tokens."""

    core: Core
    details: dict[str, Choice]
    facts: Choice
    history: tuple[PastTurn, ...]
    history_dropped: int

    @property
    def persona(self) -> tuple[Piece, ...]:
        """The pieces of part 2."""
        return (*self.core.persona, *(piece for choice in self.details.values() for piece in choice.kept))

    @property
    def history_tokens(self) -> int:
        """What part 4 costs, its control tokens included."""
        return sum(turn.tokens for turn in self.history)

    @property
    def tokens(self) -> int:
        """What parts 1 to 4 cost."""
        chosen = (*self.details.values(), self.facts)
        return self.core.tokens + sum(choice.tokens for choice in chosen) + self.history_tokens

    def blocks(self) -> list[Block]:
        """The report's rows, in the prompt's order. History counts its own control tokens."""
        return [
            Block("rules", cost(self.core.rules)),
            Block("persona", cost(self.core.persona)),
            *(
                Block(name, choice.tokens, choice.dropped, "share" if choice.dropped else "")
                for name, choice in self.details.items()
            ),
            Block("facts", self.facts.tokens, self.facts.dropped, "share" if self.facts.dropped else ""),
            Block("history", self.history_tokens, self.history_dropped, "prompt" if self.history_dropped else ""),
        ]


def core_of(rules: str, persona: Persona, tokenizer: Tokenizer) -> Core:
    """Rules and persona core as they are laid out."""
    frame = START_TOKENS + count_segments(SYSTEM_FRAME, tokenizer)
    return Core(pieces((rules,), tokenizer), core(persona, tokenizer), frame)


def choose_head(context: TurnContext, budget: Budget, tokenizer: Tokenizer) -> Head:
    """Parts 1 to 4 within `budget`.

    Raises:
        BudgetError: rules, persona core, line and cue alone pass the limit.
    """
    always = core_of(context.rules, context.persona, tokenizer)
    _demand(always, budget)
    offered = details(context.persona, tokenizer)
    chosen = choose_details(offered, max(0, budget.static_room() - always.tokens))
    taken = always.tokens + sum(choice.tokens for choice in chosen.values())
    known = pieces((aside(fact, label=REMEMBERED) for fact in context.facts), tokenizer)
    facts = fit(known, budget.facts_room(taken))
    past = past_turns(context.history, tokenizer)
    first = first_kept([turn.tokens for turn in past], budget.history_room(taken + facts.tokens))
    return Head(always, chosen, facts, past[first:], sum(turn.tokens for turn in past[:first]))


def _demand(always: Core, budget: Budget) -> None:
    whole = budget.limits.prompt_tokens
    if always.tokens + budget.needs <= whole:
        return
    if always.tokens + budget.frame > whole // 2:
        hint = "Shorten the persona's core, voice or role, or raise budget.prompt_tokens."
    else:
        hint = "Shorten the line or the cue's instruction, or raise budget.prompt_tokens."
    raise BudgetError(
        f"Rules and persona take {always.tokens} tokens and this turn at least {budget.needs}; the limit is {whole}.",
        hint,
    )
