"""What NPCs do while they speak: calls that mods decide on, checked against what the mods declared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from server.plugins.hooks import Heard
from server.plugins.mods import Mods
from server.protocol.messages import Action

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Performed:
    """An action that was sent to the client; its place in the turn's list is its number."""

    name: str


def perform(mods: Mods, heard: Heard, turn: str, re: str | None) -> Iterator[Action]:
    """The actions for a line, numbered from 0; a call that nobody declared or that does not fit is left out."""
    number = 0
    for call in mods.on_say(heard):
        kind = mods.actions.get(call.name)
        if kind is None:
            log.warning("unknown_action", action=call.name, declared=sorted(mods.actions))
            continue
        try:
            args = kind.args.model_validate(dict(call.args)).model_dump(mode="json")
        except Exception as error:  # the plug-in border: the model's checks are the mod's own code
            log.warning("bad_action_args", action=call.name, error=type(error).__name__)
            continue
        yield Action(turn=turn, npc=heard.npc, action=number, name=call.name, args=args, re=re)
        number += 1
