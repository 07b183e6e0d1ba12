"""A lorebook and its entries, whatever kind of file they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

DEFAULT_SCAN_DEPTH = 2
"""Messages that are looked at where nothing else is said, as in SillyTavern."""
MAX_SCAN_DEPTH = 100
DEFAULT_DEPTH = 4
DEFAULT_WEIGHT = 100
DEFAULT_ORDER = 100


class Logic(IntEnum):
    """How secondary keys count beside a primary one; the numbers are SillyTavern's."""

    AND_ANY = 0
    NOT_ALL = 1
    NOT_ANY = 2
    AND_ALL = 3


class Position(IntEnum):
    """Where an entry wants to stand; the numbers are SillyTavern's. Those with a lower one are told earlier."""

    BEFORE_CHARACTER = 0
    AFTER_CHARACTER = 1
    ABOVE_NOTE = 2
    BELOW_NOTE = 3
    AT_DEPTH = 4
    BEFORE_EXAMPLES = 5
    AFTER_EXAMPLES = 6
    OUTLET = 7


@dataclass(frozen=True, slots=True)
class Decorators:
    """What the `@@` lines at the head of an entry ask for (Character Card V3, decorators). None: not said."""

    activate: bool = False
    dont_activate: bool = False
    only_after: int | None = None
    only_every: int | None = None
    keep_after_match: bool = False
    not_after_match: bool = False
    is_greeting: int | None = None
    additional_keys: tuple[tuple[str, ...], ...] = ()
    exclude_keys: tuple[str, ...] = ()
    ignore_on_max_context: bool = False
    scan_depth: int | None = None
    depth: int | None = None
    reverse_depth: int | None = None
    role: str = ""
    position: str = ""

    @property
    def has_conditions(self) -> bool:
        """Whether it depends on the conversation if the entry goes in."""
        return self != Decorators(
            activate=self.activate, scan_depth=self.scan_depth, depth=self.depth, role=self.role, position=self.position
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Counts are in messages of the conversation; `probability` in percent.

    `names` are the characters it is for, or not for where `names_excluded`; empty is everyone.
    """

    id: str
    content: str
    keys: tuple[str, ...] = ()
    secondary: tuple[str, ...] = ()
    logic: Logic = Logic.AND_ANY
    title: str = ""
    enabled: bool = True
    constant: bool = False
    order: int = DEFAULT_ORDER
    priority: int | None = None
    position: Position = Position.AFTER_CHARACTER
    depth: int = DEFAULT_DEPTH
    scan_depth: int | None = None
    case_sensitive: bool = False
    whole_words: bool = False
    use_regex: bool = False
    probability: int = 100
    groups: tuple[str, ...] = ()
    group_override: bool = False
    group_weight: int = DEFAULT_WEIGHT
    group_scoring: bool = False
    sticky: int = 0
    cooldown: int = 0
    delay: int = 0
    exclude_recursion: bool = False
    prevent_recursion: bool = False
    delay_until_recursion: int = 0
    ignore_budget: bool = False
    names: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    names_excluded: bool = False
    decorators: Decorators = Decorators()

    @property
    def is_standing(self) -> bool:
        """Whether it is in, always and in every conversation, so that it can stand before the history."""
        is_wanted = self.enabled and (self.constant or self.decorators.activate)
        is_free = self.probability >= 100 and not (self.groups or self.delay or self.cooldown)
        is_conditional = self.delay_until_recursion or self.names or self.tags or self.decorators.has_conditions
        return is_wanted and is_free and not is_conditional


@dataclass(frozen=True, slots=True)
class Book:
    """A lorebook. `id` begins the ids of its entries; `token_budget` is for all that is in at a time, None: no limit.

    `is_own`: it stands in a card, and its standing entries are part of the persona.
    """

    id: str
    name: str = ""
    entries: tuple[Entry, ...] = field(default=(), repr=False)
    scan_depth: int = DEFAULT_SCAN_DEPTH
    token_budget: int | None = None
    recursive: bool = False
    max_recursion_steps: int = 0
    min_activations: int = 0
    max_depth: int = MAX_SCAN_DEPTH
    include_names: bool = True
    is_own: bool = False

    @property
    def standing(self) -> tuple[str, ...]:
        """The contents of entries that are always in, in the order they are to stand in."""
        always = [entry for entry in self.entries if entry.is_standing]
        return tuple(entry.content for entry in sorted(always, key=place) if entry.content)


def place(entry: Entry) -> tuple[int, int, int]:
    """Sorts entries as they are to stand: by position, deeper before, and by order."""
    return entry.position, -entry.depth if entry.position is Position.AT_DEPTH else 0, entry.order
