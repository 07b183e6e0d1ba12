"""Building a prompt: blocks, budget, layout, report."""

from __future__ import annotations

from server.personas.persona import Persona
from server.prompt.budget import Budget
from server.prompt.context import Block, BuiltPrompt, PromptLimits, TurnContext
from server.prompt.head import choose_head, core_of
from server.prompt.layout import TURN_FRAME, begun_turn, lay_out, whole_turn
from server.prompt.pieces import Choice, cost
from server.prompt.rules import RULES
from server.prompt.tokens import Tokenizer, count_segments
from server.prompt.turn import (
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
    budget = Budget(limits, count_segments(TURN_FRAME, tokenizer), cost(line), cost(cue))
    head = choose_head(context, budget, tokenizer)
    room = budget.droppable_room(head.tokens)
    others = choose_others(context, room, tokenizer)
    prelude = choose_prelude(context, room - others.tokens, limits.recall_tokens, tokenizer)
    recalled = choose_recalled(context, prelude, tokenizer)

    written = (*prelude.kept, *line, *recalled.memories.kept, *recalled.lore.kept, *others.kept, *cue)
    blocks = [
        *head.blocks(),
        *_turn_blocks(prelude, cost(line), recalled, others, cost(cue)),
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
    budget = Budget(limits, count_segments(TURN_FRAME, tokenizer))
    head = choose_head(context, budget, tokenizer)
    prelude = choose_prelude(context, budget.droppable_room(head.tokens), limits.recall_tokens, tokenizer)
    turn = begun_turn(prelude.kept, said_so_far(context.line))
    return lay_out(head.core.rules, head.persona, head.facts.kept, head.history, turn)


def core_tokens(persona: Persona, tokenizer: Tokenizer, rules: str = RULES) -> int:
    """Tokens of what every prompt of `persona` holds before its turn.

    Start of text, the system turn's frame, rules and persona core. Over half of `prompt_tokens` leaves too little
    room for what was said.
    """
    return core_of(rules, persona, tokenizer).tokens


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
