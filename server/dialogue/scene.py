"""What is around: the place, the hour, the weather, and who is present."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from server.protocol.messages import Scene

SECONDS_PER_HOUR = 3_600
HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True)
class Person:
    """Someone in the scene. `distance` from the player in the game's own unit; None is unknown, here and below."""

    npc: str
    name: str
    distance: float | None = None
    asleep: bool = False
    hears: bool | None = None
    sees: bool | None = None


@dataclass(frozen=True, slots=True)
class SceneView:
    """A scene at one moment. Absent words are empty; `time` is game seconds, `hearing` how far a voice carries."""

    scene: str = ""
    place: str = ""
    time: float | None = None
    weather: str = ""
    note: str = ""
    present: tuple[Person, ...] = ()
    described: bool = False
    player_name: str = ""
    player_description: str = ""
    hearing: float | None = None

    def person(self, npc: str) -> Person | None:
        """The one present under this id."""
        return next((person for person in self.present if person.npc == npc), None)

    def updated(self, message: Scene, names: dict[str, str]) -> SceneView:
        """The scene after `message`: `present` replaces the whole list, absent fields stay; `names` by NPC id."""
        changes: dict[str, object] = {}
        for field_name in ("scene", "place", "time", "weather", "note", "hearing"):
            value = getattr(message, field_name)
            if value is not None:
                changes[field_name] = value
        if message.present is not None:
            unique = {entry.npc: entry for entry in message.present}
            changes["present"] = tuple(
                Person(
                    entry.npc,
                    names.get(entry.npc) or entry.name or entry.npc,
                    *(entry.distance, entry.asleep, entry.hears, entry.sees),
                )
                for entry in unique.values()
            )
            changes["described"] = True
        if message.player is not None:
            changes["player_name"] = message.player.name
            changes["player_description"] = message.player.description
        return replace(self, **changes)  # type: ignore[arg-type]  # keys are this class's own fields, built just above


@dataclass(slots=True)
class SceneWriter:
    """Tells one NPC about the scene: whole at first, afterwards only what changed since it was last written."""

    _written: dict[str, str] = field(default_factory=dict)

    def changes(self, view: SceneView, npc: str) -> tuple[str, ...]:
        """The sentences that are new; nothing counts as written until `wrote`."""
        return tuple(text for key, text in _sentences(view, npc).items() if text and self._written.get(key) != text)

    def wrote(self, view: SceneView, npc: str) -> None:
        """The NPC has this scene in its prompt now."""
        self._written = _sentences(view, npc)

    def forget(self) -> None:
        """Whatever was written may be gone from the prompt."""
        self._written = {}


def _sentences(view: SceneView, npc: str) -> dict[str, str]:
    others = [f"{each.name} (asleep)" if each.asleep else each.name for each in view.present if each.npc != npc]
    if view.player_name:
        who = f"{view.player_name} ({view.player_description})" if view.player_description else view.player_name
        others.insert(0, who)
    return {
        "place": f"Place: {view.place}." if view.place else "",
        "time": _clock(view.time),
        "weather": f"Weather: {view.weather}." if view.weather else "",
        "present": f"Here with you: {', '.join(others)}." if others else "",
        "note": view.note,
    }


def _clock(time: float | None) -> str:
    # Whole hours only: a clock that moved with every line would add tokens to every turn.
    return "" if time is None else f"It is {clock_words(time)}."


def clock_words(time: float) -> str:
    """Game seconds in words, to the hour."""
    day, hour = divmod(int(time // SECONDS_PER_HOUR), HOURS_PER_DAY)
    return f"day {day + 1}, about {hour} o'clock"
