"""What a mod may use of the server: the hooks, and a reader for lore files. It imports this and `server.protocol`."""

from server.memory.feelings import Effect
from server.memory.impressions import Impression
from server.plugins.hooks import (
    ActionCall,
    ActionKind,
    Happening,
    Heard,
    Host,
    Lore,
    Mod,
    ModSession,
    Reaction,
    Rewind,
    TimeJump,
)
from server.plugins.lorefile import read_lore

__all__ = [
    "ActionCall",
    "ActionKind",
    "Effect",
    "Happening",
    "Heard",
    "Host",
    "Impression",
    "Lore",
    "Mod",
    "ModSession",
    "Reaction",
    "Rewind",
    "TimeJump",
    "read_lore",
]
