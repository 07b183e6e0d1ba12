"""An evening in a tavern: three facts, one action and one reaction. The worked example of docs/mods.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from server.plugins import ActionCall, ActionKind, Happening, Heard, Lore, Mod, Reaction, read_lore

INNKEEPER = "hilda"
PRICES = {"beer": 1, "soup": 1, "pie": 3}
ORDER = re.compile(r"\b(beer|soup|pie)\b", re.IGNORECASE)


class Serve(BaseModel):
    """What `serve` takes: the thing on the counter, and its price in pennies."""

    what: Literal["beer", "soup", "pie"]
    pennies: int = Field(ge=0)


class Tavern(Mod):
    """Hilda serves what is ordered, and speaks up when a mug breaks."""

    def lore(self) -> Iterable[Lore]:
        """The facts of lore.yaml."""
        return read_lore(Path(__file__).with_name("lore.yaml"))

    def actions(self) -> Iterable[ActionKind]:
        """One thing that can be done here."""
        return (ActionKind("serve", "Put food or drink on the counter.", Serve),)

    def moods(self) -> Iterable[str]:
        """What the game's faces can show."""
        return ("calm", "cross", "amused")

    def on_say(self, heard: Heard) -> Iterable[ActionCall]:
        """Whoever asks the innkeeper for food or drink gets it."""
        order = ORDER.search(heard.text)
        if heard.npc == INNKEEPER and order is not None:
            what = order.group().lower()
            yield ActionCall("serve", {"what": what, "pennies": PRICES[what]})

    def on_event(self, happening: Happening) -> Iterable[Reaction]:
        """A broken mug does not go unremarked."""
        if happening.kind == "mug.broken" and INNKEEPER in happening.witnesses:
            yield Reaction(INNKEEPER, "Someone has just broken one of your mugs. Say what it costs.")
