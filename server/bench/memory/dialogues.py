"""Dialogues with questions whose evidence is known: those of a file, and what a benchmark makes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.errors import BarkeepError

Id = Annotated[str, Field(min_length=1, max_length=200)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Turn(_Model):
    """Something said; `time` is in seconds."""

    id: Id
    speaker: Annotated[str, Field(max_length=200)]
    text: Annotated[str, Field(max_length=20_000)]
    time: float | None = None


class Asked(_Model):
    """A question, and the ids of the turns that answer it.

    Where `answer` is set, a turn counts as recalled only where what is told of it holds that.
    """

    id: Id
    text: Annotated[str, Field(max_length=4_000)]
    evidence: Annotated[tuple[Id, ...], Field(min_length=1)]
    kind: Annotated[str, Field(max_length=60)] = ""
    answer: Annotated[str, Field(max_length=200)] = ""


class Dialogue(_Model):
    """Turns in their order, and questions that are asked after the last of them.

    Turns in `unheard` are told to somebody else; those in `undone` are followed by the load of a save from before.
    """

    id: Id
    turns: Annotated[tuple[Turn, ...], Field(min_length=1)]
    questions: tuple[Asked, ...] = ()
    unheard: frozenset[Id] = frozenset()
    undone: frozenset[Id] = frozenset()

    @property
    def hidden(self) -> frozenset[str]:
        """Turns that may never be recalled."""
        return self.unheard | self.undone

    @property
    def lived(self) -> tuple[Turn, ...]:
        """The turns that may be."""
        return tuple(turn for turn in self.turns if turn.id not in self.hidden)


class Dialogues(_Model):
    """What `--input` reads."""

    dialogues: Annotated[tuple[Dialogue, ...], Field(min_length=1)]


def read(path: Path) -> tuple[Dialogue, ...]:
    """The dialogues of a file.

    Raises:
        BarkeepError: it cannot be read, or is no such file.
    """
    try:
        return Dialogues.model_validate_json(path.read_bytes()).dialogues
    except OSError as error:
        raise BarkeepError(f"{path} cannot be read: {error.strerror}", "name another file") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BarkeepError(
            f"{path} does not hold dialogues: {where}: {first['msg']}",
            'It must read {"dialogues": [{"id", "turns": [{"id", "speaker", "text", "time"}], "questions": …}]}.',
        ) from error
