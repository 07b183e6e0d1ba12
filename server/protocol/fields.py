"""Types that messages of both directions are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

PROTOCOL_VERSION = 1
MAX_SAY_CHARACTERS = 2_000
MAX_SAY_TOKENS = 256

NpcId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
ClientId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
ShortText = Annotated[str, StringConstraints(max_length=256)]
LongText = Annotated[str, StringConstraints(max_length=MAX_SAY_CHARACTERS)]
Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Distance = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]
