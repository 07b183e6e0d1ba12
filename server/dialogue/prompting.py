"""The requests of one turn: one prompt for each kind of route, built when that route is asked."""

from __future__ import annotations

from dataclasses import replace

from server.backends.base import Backend, Purpose, Request, Sampling, TextDelta
from server.dialogue.assignment import Assignment
from server.dialogue.briefing import Briefing
from server.dialogue.scheduler import AMBIENT
from server.dialogue.stage import Stage
from server.errors import BudgetError
from server.personas.persona import Persona
from server.prompt.build import build
from server.prompt.context import BuiltPrompt, PromptLimits
from server.prompt.tokens import Tokenizer
from server.text.segments import Prompt

SMALLER = 0.6
"""Of a prompt that was too large, what a second one has: the route does not say how much too large it was."""
NO_PROMPT = BuiltPrompt(Prompt(()), 0, (), (), 0, frozenset())


class Prompting:
    """Builds requests from a briefing and remembers which prompt each route was asked with."""

    def __init__(self, stage: Stage, world: str, assignment: Assignment, briefing: Briefing) -> None:
        self.briefing = briefing
        self._world = world
        self._token_ids: list[int] = []
        self._has_all_ids = True
        self.built_ms = 0.0
        self._stage = stage
        self._assignment = assignment
        self._by_limits: dict[tuple[PromptLimits, Tokenizer], BuiltPrompt] = {}
        self._by_route: dict[str, BuiltPrompt] = {}
        self._hosted: dict[str, bool] = {}

    def request_for(self, backend: Backend) -> Request:
        """The request for this backend.

        Raises:
            BudgetError: what must be in the prompt does not fit a generating route.
        """
        return self._asked_with(backend, self._stage.limits_for(backend))

    def smaller_request_for(self, backend: Backend) -> Request:
        """The request for a backend to which the first one was too large.

        Raises:
            BudgetError: what must be in the prompt does not fit.
        """
        limits = self._stage.limits_for(backend)
        whole = min(limits.prompt_tokens, self.used(backend.name).tokens) * SMALLER
        return self._asked_with(backend, replace(limits, prompt_tokens=round(whole)))

    @property
    def purpose(self) -> Purpose:
        """What the reply is for: nobody waits for what an NPC says of its own accord."""
        return "ambient" if self._assignment.priority <= AMBIENT else "dialogue"

    @property
    def routes(self) -> tuple[str, ...]:
        """The routes to ask, none for the server's own; no model is asked for a greeting that it opens with."""
        persona, conversation, asked = self.briefing.context.persona, self.briefing.conversation, self._assignment
        if persona.authored.greets_first and not (conversation.entries or asked.heard or asked.instruction):
            lines = tuple(state.name for state in self._stage.router.states() if state.kind == "authored")
            return lines or persona.routes
        return persona.routes

    def spoke_without(self) -> None:
        """The NPC speaks although no prompt was built: of this turn's part only the player's line is remembered."""
        self._by_route.setdefault(self._asked(None), replace(NO_PROMPT, written=(self.briefing.context.line,)))

    def _asked_with(self, backend: Backend, limits: PromptLimits) -> Request:
        language = self.briefing.context.persona.language
        if backend.state().degraded and language.partition("-")[0] != "en":
            raise BudgetError(f"{backend.name} speaks English, and this persona {language}.")
        built = self._built(backend, limits)
        self._by_route[backend.name] = built
        self._hosted[backend.name] = backend.hosted
        return self._request(built.prompt, self._stage.reply_tokens(backend))

    def used(self, route: str | None) -> BuiltPrompt:
        """The prompt that `route` answered, or the last that was built, or an empty one."""
        return self._by_route.get(self._asked(route), NO_PROMPT)

    def is_hosted(self, route: str | None) -> bool:
        """Whether the prompt that `used` gives is within the hosted budget."""
        return self._hosted.get(self._asked(route), False)

    def _asked(self, route: str | None) -> str:
        return route if route in self._by_route else next(reversed(self._by_route), "")

    def count(self, text: str) -> int:
        """Tokens of `text`, as prompts are counted."""
        return self._stage.tokenizer().count(text)

    def heard_ids(self, delta: TextDelta) -> None:
        """More ids of the reply, as the engine drew them. A stop string inside a token leaves text without an id."""
        self._token_ids.extend(delta.token_ids)
        self._has_all_ids = self._has_all_ids and bool(delta.token_ids or not delta.text)

    @property
    def token_ids(self) -> tuple[int, ...]:
        """The ids of the whole raw reply; none where a part of it has no ids."""
        return tuple(self._token_ids) if self._has_all_ids else ()

    def _built(self, backend: Backend, limits: PromptLimits) -> BuiltPrompt:
        tokenizer = self._stage.tokenizer_for(backend, self.briefing.conversation)
        if (limits, tokenizer) not in self._by_limits:
            started_s = self._stage.clock()
            try:
                context = self.briefing.context_for(hosted=backend.hosted)
                self._by_limits[limits, tokenizer] = build(context, limits, tokenizer)
            except BudgetError:
                if backend.generating:
                    raise
                return replace(NO_PROMPT, written=(self.briefing.context.line,))
            finally:
                self.built_ms += (self._stage.clock() - started_s) * 1_000
        return self._by_limits[limits, tokenizer]

    def _request(self, prompt: Prompt, max_tokens: int) -> Request:
        context, conversation = self.briefing.context, self.briefing.conversation
        return Request(
            npc=self._assignment.npc,
            prompt=prompt,
            persona=context.persona,
            max_tokens=max_tokens,
            heard=self._assignment.heard,
            opening=conversation.turns_here == 0,
            in_company=self.briefing.in_company,
            recent=tuple(conversation.recent),
            stop=(f"\n{context.player_name}:",),
            sampling=sampling_of(context.persona),
            priority=self._assignment.priority,
            purpose=self.purpose,
            sticky=f"{self._world}/{self._assignment.npc}",
            turn=self._assignment.turn,
        )


def sampling_of(persona: Persona) -> Sampling:
    """The default sampling under what the persona overrides."""
    return replace(Sampling(), **persona.sampling.model_dump(exclude_none=True))
