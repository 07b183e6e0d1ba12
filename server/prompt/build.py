"""Building a prompt: blocks, budget, layout, report."""

from __future__ import annotations

from dataclasses import replace

from server.personas.persona import Persona
from server.prompt.budget import Budget
from server.prompt.context import Block, BuiltPrompt, PromptLimits, TurnContext
from server.prompt.head import choose_head, core_of
from server.prompt.layout import TURN_FRAME, begun_turn, lay_out, whole_turn
from server.prompt.pieces import Choice, cost
from server.prompt.rules import RULES
from server.prompt.shares import BLOCKS
from server.prompt.tokens import Tokenizer, count_segments
from server.prompt.turn import (
    Plan,
    Prelude,
    Recalled,
    choose_others,
    choose_prelude,
    choose_recalled,
    cue_of,
    line_of,
    said_so_far,
)
from server.text.segments import Prompt


def build(context: TurnContext, limits: PromptLimits, tokenizer: Tokenizer) -> BuiltPrompt:
    """The prompt of one turn, never over `limits.prompt_tokens`.

    Rules, persona core, the player's line and the cue are always whole; the rest gives way by priority and is reported.
    Entries older than the newest `kept_history` need not be passed again; passing them changes nothing.

    Raises:
        BudgetError: what may not be dropped passes the limit.
    """
    line, cue = line_of(context, tokenizer), cue_of(context, tokenizer)
    shares = limits.shares.under(context.persona.budget)
    budget = Budget(limits, count_segments(TURN_FRAME, tokenizer), cost(line), cost(cue), shares)
    head = choose_head(context, budget, tokenizer)
    plan = Plan(shares, budget.new_tokens)
    others, prelude, recalled = _choose_turn(context, budget.droppable_room(head.tokens), limits, tokenizer, plan)

    written = (*prelude.kept, *line, *recalled.memories.kept, *recalled.lore.kept, *others.kept, *cue)
    blocks = [
        *head.blocks(),
        *_with_why(_turn_blocks(prelude, cost(line), recalled, others, cost(cue)), plan, budget.tightest(head.tokens)),
        Block("frame", head.core.frame + budget.frame),
    ]
    return BuiltPrompt(
        prompt=lay_out(head.core.rules, head.persona, head.facts.kept, head.history, whole_turn(written)),
        tokens=head.tokens + budget.frame + cost(written),
        blocks=tuple(block for block in blocks if block.tokens or block.dropped),
        written=tuple(piece.text for piece in written),
        kept_history=len(head.history),
        kept_keys=frozenset(piece.key for piece in written if piece.key),
    )


def build_warm(context: TurnContext, limits: PromptLimits, tokenizer: Tokenizer) -> Prompt:
    """What can be read before the player has spoken; it ends inside the open user turn.

    `line` is what the player has said so far, and is read without its last word, which may be unfinished. `memories`,
    `lore`, `others` and `cue` of `context` are not looked at. The prompt that `build` makes of the same context and a
    line that begins so has these tokens first, whatever the line (up to `LINE_SHARE` tokens) and whatever it recalls;
    with `others` or a cue it does where `new_tokens` has room for them too.

    Raises:
        BudgetError: rules and persona core pass the limit.
    """
    shares = limits.shares.under(context.persona.budget)
    budget = Budget(limits, count_segments(TURN_FRAME, tokenizer), shares=shares)
    head = choose_head(context, budget, tokenizer)
    plan = Plan(shares, budget.new_tokens)
    prelude = choose_prelude(context, budget.droppable_room(head.tokens), limits.recall_tokens, tokenizer, plan)
    turn = begun_turn(prelude.kept, said_so_far(context.line))
    return lay_out(head.core.rules, head.persona, head.facts.kept, head.history, turn)


def core_tokens(persona: Persona, tokenizer: Tokenizer, rules: str = RULES) -> int:
    """Tokens of what every prompt of `persona` holds before its turn.

    Start of text, the system turn's frame, rules and persona core. Over half of `prompt_tokens` leaves too little
    room for what was said.
    """
    return core_of(rules, persona, tokenizer).tokens


def _choose_turn(
    context: TurnContext, room: int, limits: PromptLimits, tokenizer: Tokenizer, plan: Plan
) -> tuple[Choice, Prelude, Recalled]:
    """What part 5 holds of others' answers, of the scene and what happened, and of what was recalled."""
    others = choose_others(context, room, tokenizer, plan) if plan.others_first else Choice()
    prelude = choose_prelude(context, room - others.tokens, limits.recall_tokens, tokenizer, plan)
    recalled = choose_recalled(context, prelude, tokenizer, plan)
    if not plan.others_first:
        taken = cost(prelude.kept) + recalled.memories.tokens + recalled.lore.tokens
        others = choose_others(context, room - taken, tokenizer, plan)
    return others, prelude, recalled


def _with_why(blocks: list[Block], plan: Plan, tightest: str) -> list[Block]:
    """The rows, each with why it lost something: what bounds the turn, unless its own share was full before that."""

    def why(block: Block) -> str:
        if not block.dropped:
            return ""
        is_bound = block.name in BLOCKS and plan.shares.of(block.name).most < 1
        return "share" if is_bound or (block.name in ("memories", "lore") and tightest == "turn") else tightest

    return [replace(block, why=why(block)) for block in blocks]


def _turn_blocks(prelude: Prelude, line: int, recalled: Recalled, others: Choice, cue: int) -> list[Block]:
    memories = prelude.memories.tokens + recalled.memories.tokens
    return [
        Block("scene", prelude.scene.tokens, prelude.scene.dropped),
        Block("events", prelude.events.tokens, prelude.events.dropped),
        Block("memories", memories, prelude.memories.dropped + recalled.memories.dropped),
        Block("line", line),
        Block("lore", recalled.lore.tokens, recalled.lore.dropped),
        Block("others", others.tokens, others.dropped),
        Block("cue", cue),
    ]
