"""What a character card says, whichever version it is of.

Fields and rules are those of the specifications of Character Card V1, V2 (`chara_card_v2`) and V3 (`chara_card_v3`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from server.errors import CardError
from server.personas.cards.rawjson import clean

SPECS: Final = {"chara_card_v2": 2, "chara_card_v3": 3}
BOOK_SPEC: Final = "lorebook_v3"
MAX_LISTED: Final = 1_000
V3_ALONE: Final = (
    *("nickname", "creator_notes_multilingual", "source", "assets"),
    *("group_only_greetings", "creation_date", "modification_date"),
)
"""Fields of `data` that V1 and V2 do not have."""
_V1_FIELDS: Final = ("description", "personality", "scenario", "first_mes", "mes_example")


def _text(value: object) -> object:
    """Absent and null are empty; numbers, which some editors write, are their digits."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return clean(value) if isinstance(value, str) else value


def _empty(kind: type) -> BeforeValidator:
    return BeforeValidator(lambda value: kind() if value is None else value)


def _number(value: object) -> object:
    """A date that is none is not known."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


Words = Annotated[str, BeforeValidator(_text)]
ManyWords = Annotated[tuple[Words, ...], _empty(tuple), Field(max_length=MAX_LISTED)]
Seconds = Annotated[float | None, BeforeValidator(_number)]
Anything = Annotated[dict[str, Any], _empty(dict)]


class Asset(BaseModel):
    """A picture, sound or other file that belongs to a card. `uri` says where it is; it is listed, never fetched."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Words
    uri: Words
    name: Words
    ext: Words


class CardData(BaseModel):
    """The fields of all versions; what a version does not have is empty."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    name: Words
    description: Words = ""
    personality: Words = ""
    scenario: Words = ""
    first_mes: Words = ""
    mes_example: Words = ""
    creator_notes: Words = ""
    system_prompt: Words = ""
    post_history_instructions: Words = ""
    alternate_greetings: ManyWords = ()
    character_book: dict[str, Any] | None = None
    tags: ManyWords = ()
    creator: Words = ""
    character_version: Words = ""
    extensions: Anything = {}
    nickname: Words = ""
    creator_notes_multilingual: Annotated[dict[str, Words], _empty(dict)] = {}
    source: ManyWords = ()
    assets: Annotated[tuple[Asset, ...] | None, Field(max_length=MAX_LISTED)] = None
    group_only_greetings: ManyWords = ()
    creation_date: Seconds = None
    modification_date: Seconds = None


DEFAULT_ASSETS: Final = (Asset(type="icon", uri="ccdefault:", name="main", ext="png"),)


@dataclass(frozen=True, slots=True)
class Card:
    """A card: its `version`, 1 to 3, its fields, and `raw`, all of its JSON with what nobody here knows.

    `notes` say what is odd about it, for people.
    """

    version: int
    data: CardData
    raw: dict[str, Any] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def spoken_name(self) -> str:
        """What the character is called: its nickname where it has one."""
        return self.data.nickname.strip() or self.data.name.strip()

    @property
    def greetings(self) -> tuple[str, ...]:
        """`first_mes`, then the alternate ones."""
        return tuple(text for text in (self.data.first_mes, *self.data.alternate_greetings) if text.strip())

    @property
    def group_greetings(self) -> tuple[str, ...]:
        """Those for talks with several characters alone."""
        return tuple(text for text in self.data.group_only_greetings if text.strip())

    @property
    def assets(self) -> tuple[Asset, ...]:
        """Its assets; a card that lists none has its own picture as the icon."""
        return DEFAULT_ASSETS if self.data.assets is None else self.data.assets

    def notes_in(self, language: str = "en") -> str:
        """What the creator tells people, in a language (BCP 47) or failing that in English. Never part of a prompt."""
        told = {key.lower(): text for key, text in self.data.creator_notes_multilingual.items()}
        base = language.partition("-")[0].lower()
        return told.get(base) or told.get("en") or self.data.creator_notes


def read(raw: dict[str, Any]) -> Card:
    """The card that a JSON object is.

    Raises:
        CardError: it is of no version that is known, or a field has a value of a wrong kind.
    """
    version, fields, notes = _version(raw)
    if version < SPECS["chara_card_v3"]:  # what stands there under a name of V3 is somebody else's, and may be anything
        fields = {name: value for name, value in fields.items() if name not in V3_ALONE}
    try:
        data = CardData.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part)[:64] for part in first["loc"])
        raise CardError(f"The card's {place}: {first['msg']}.", "Correct it in a card editor.") from None
    if not data.name.strip():
        raise CardError("The card has no name.", "Give it one in a card editor.")
    return Card(version, data, raw, (*notes, *_oddities(version, data)))


def _version(raw: dict[str, Any]) -> tuple[int, dict[str, Any], list[str]]:
    spec = raw.get("spec")
    if spec is None and "name" in raw and any(name in raw for name in _V1_FIELDS):
        return 1, raw, []
    if spec == BOOK_SPEC or (spec is None and ("entries" in raw or "lorebookVersion" in raw)):
        raise CardError("This is a lorebook, not a card.", "Import it with `barkeep card import`.")
    if not isinstance(spec, str) or spec not in SPECS:
        told = f"`spec` is {ascii(spec)[:40]}" if spec is not None else "there is no `spec`"
        raise CardError(f"This is no character card: {told}.", f"Cards have spec {' or '.join(SPECS)}.")
    fields = raw.get("data")
    if not isinstance(fields, dict):
        raise CardError("The card has no `data`.", "Export it anew from the program that made it.")
    return SPECS[spec], fields, _odd_version(SPECS[spec], raw.get("spec_version"))


def _odd_version(version: int, said: object) -> list[str]:
    if said == f"{version}.0":
        return []
    try:
        newer = float(str(said)) > version
    except ValueError:
        newer = False
    if newer and version == SPECS["chara_card_v3"]:
        return [f"it is of the newer version {str(said)[:16]}: what is new in it is kept, but not used"]
    return [f"spec_version is {ascii(said)[:24]} instead of '{version}.0'"]


def _oddities(version: int, data: CardData) -> list[str]:
    found = []
    if not data.first_mes.strip():
        found.append("it has no first_mes: common greetings are said instead")
    assets = data.assets or ()
    icons = [asset.name for asset in assets if asset.type == "icon"]
    if len(icons) > 1 and icons.count("main") != 1:
        found.append("it has several icons, and not exactly one is called main")
    if sum(asset.type == "background" and asset.name == "main" for asset in assets) > 1:
        found.append("it has several backgrounds called main")
    bad = [asset.ext for asset in assets if asset.ext != asset.ext.lower() or asset.ext.startswith(".")]
    if bad:
        found.append(f"an asset's ext is {ascii(bad[0])[:16]}: it must be lower case and without a dot")
    if version == SPECS["chara_card_v3"] and any(len(key) != 2 for key in data.creator_notes_multilingual):
        found.append("creator_notes_multilingual has keys that are no ISO 639-1 codes")
    return found
