"""The requests of one turn: one prompt for each kind of route, built when that route is asked."""

from __future__ import annotations

from dataclasses import replace

from server.backends.base import Backend, Request, Sampling, TextDelta
from server.dialogue.assignment import Assignment
from server.dialogue.briefing import Briefing
from server.dialogue.stage import Stage
from server.errors import BudgetError
from server.personas.persona import Persona
from server.prompt.build import build
from server.prompt.context import BuiltPrompt, PromptLimits
from server.text.segments import Prompt

NO_PROMPT = BuiltPrompt(Prompt(()), 0, (), (), 0, frozenset())


class Prompting:
    """Builds requests from a briefing and remembers which prompt each route was asked with."""

    def __init__(self, stage: Stage, assignment: Assignment, briefing: Briefing) -> None:
        self.briefing = briefing
        self._token_ids: list[int] = []
        self._has_all_ids = True
        self.built_ms = 0.0
        self._stage = stage
        self._assignment = assignment
        self._by_limits: dict[PromptLimits, BuiltPrompt] = {}
        self._by_route: dict[str, BuiltPrompt] = {}
        self._hosted: dict[str, bool] = {}

    def request_for(self, backend: Backend) -> Request:
        """The request for this backend.

        Raises:
            BudgetError: what must be in the prompt does not fit a generating route.
        """
        built = self._built(backend)
        self._by_route[backend.name] = built
        self._hosted[backend.name] = backend.hosted
        return self._request(built.prompt)

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

    def _built(self, backend: Backend) -> BuiltPrompt:
        limits = self._stage.limits_for(backend)
        if limits not in self._by_limits:
            started_s = self._stage.clock()
            try:
                context = self.briefing.context_for(hosted=backend.hosted)
                self._by_limits[limits] = build(context, limits, self._stage.tokenizer())
            except BudgetError:
                if backend.generating:
                    raise
                return replace(NO_PROMPT, written=(self.briefing.context.line,))
            finally:
                self.built_ms += (self._stage.clock() - started_s) * 1_000
        return self._by_limits[limits]

    def _request(self, prompt: Prompt) -> Request:
        context, conversation = self.briefing.context, self.briefing.conversation
        return Request(
            npc=self._assignment.npc,
            prompt=prompt,
            persona=context.persona,
            max_tokens=self._stage.settings.budget.reply_tokens,
            heard=self._assignment.heard,
            opening=conversation.turns_here == 0,
            recent=tuple(conversation.recent),
            stop=(f"\n{context.player_name}:",),
            sampling=sampling_of(context.persona),
            priority=self._assignment.priority,
        )


def sampling_of(persona: Persona) -> Sampling:
    """The default sampling under what the persona overrides."""
    return replace(Sampling(), **persona.sampling.model_dump(exclude_none=True))
