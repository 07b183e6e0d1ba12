"""What the page for modders says is what the code does."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, MaxLen
from pydantic import BaseModel, StringConstraints

from server.personas import loader
from server.personas.persona import Persona

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "personas.md").read_text(encoding="utf-8")
EXAMPLES = [textwrap.dedent(text) for text in re.findall(r"^ *```yaml\n(.*?)^ *```$", PAGE, re.DOTALL | re.MULTILINE)]
ROWS = dict(re.findall(r"^\| `([\w.\[\]]+)` \| (.*?) \| .*\.(?:\*)? \|$", PAGE, re.MULTILINE))


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from models(each)


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, list[Any]]]:
    for name, field in model.model_fields.items():
        yield prefix + name, [field.annotation, *field.metadata]
        mark = "[]" if get_origin(field.annotation) is tuple else ""
        for inner in models(field.annotation):
            yield from fields(inner, f"{prefix}{name}{mark}.")


FIELDS = dict(fields(Persona))


def limits(parts: list[Any]) -> set[int]:
    """Every upper limit and every lower one above 0 in an annotation, its entries included."""
    found: set[int] = set()
    for part in parts:
        match part:
            case MaxLen(max_length=size):
                found.add(size)
            case StringConstraints(max_length=int(size)):
                found.add(size)
            case Ge(ge=int(bound)) | Gt(gt=int(bound)) | Le(le=int(bound)) if bound:
                found.add(bound)
            case _ if hasattr(part, "__metadata__"):
                found |= limits([*get_args(part)])
            case _ if get_origin(part) is not None:
                found |= limits([each for each in get_args(part) if not list(models(each))])
    return found


def test_the_page_has_every_field_once_and_no_other() -> None:
    assert sorted(ROWS) == sorted(FIELDS)
    assert PAGE.count("\n| `authored.topics[].lines` |") == 1


@pytest.mark.parametrize("field", FIELDS)
def test_the_page_names_every_limit(field: str) -> None:
    numbers = {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?![\d.])", ROWS[field])}
    assert limits(FIELDS[field]) <= numbers


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_persona(tmp_path: Path, example: str) -> None:
    path = tmp_path / "tilda.yaml"
    path.write_text(example, encoding="utf-8")
    assert loader.read(path).problems == ()


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == 3


def test_the_page_names_the_personas_that_ship() -> None:
    shipped = {path.stem for path in loader.listed(ROOT / "personas")}
    assert set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE, re.MULTILINE)) == shipped
