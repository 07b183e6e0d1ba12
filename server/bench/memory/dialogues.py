"""Dialogues with questions whose evidence is known: those of a file, and what a benchmark makes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from server.errors import BarkeepError

Id = Annotated[str, Field(min_length=1, max_length=200)]
MAX_BYTES = 512 * 1024 * 1024


def _none_is_empty(value: object) -> object:
    return "" if value is None else value


class _Model(BaseModel):
    # Others number what they name: an id 7 is "7".
    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)


class Turn(_Model):
    """Something said; `time` is in seconds, and may be left out."""

    id: Id
    speaker: Annotated[str, Field(max_length=200)]
    text: Annotated[str, Field(max_length=20_000)]
    time: Annotated[float | None, Field(allow_inf_nan=False)] = None


class Asked(_Model):
    """A question, and the ids of the turns that answer it; ids that no turn has are evidence that nothing recalls.

    Where `must_tell` is set, a turn counts as recalled only where what is told of it holds that.
    """

    id: Id
    text: Annotated[str, Field(max_length=4_000)]
    evidence: tuple[Id, ...] = ()
    kind: Annotated[str, Field(max_length=60), BeforeValidator(_none_is_empty)] = ""
    must_tell: Annotated[str, Field(max_length=200)] = ""


class Dialogue(_Model):
    """Turns in their order, and questions that are asked after the last of them.

    Turns in `unheard` are told to somebody else; those in `undone` are followed by the load of a save from before.
    """

    id: Id
    turns: tuple[Turn, ...]
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
        if path.stat().st_size > MAX_BYTES:
            raise BarkeepError(
                f"{path} is larger than {MAX_BYTES // 2**20} MiB.", "ask about fewer dialogues at a time"
            )
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


def without_evidence(dialogues: Iterable[Dialogue]) -> int:
    """How many questions name no turn of their dialogue as evidence: nothing can be recalled for these."""
    return sum(
        {turn.id for turn in dialogue.turns}.isdisjoint(question.evidence)
        for dialogue in dialogues
        for question in dialogue.questions
    )
