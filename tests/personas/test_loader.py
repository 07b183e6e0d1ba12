from pathlib import Path

import pytest

from server.personas import loader

GOOD = "id: tam\nname: Tam\ncore: You keep goats.\n"


def read(folder: Path, text: str, name: str = "tam.yaml") -> loader.PersonaFile:
    path = folder / name
    path.write_text(text)
    return loader.read(path)


def test_a_file_becomes_a_persona(tmp_path: Path) -> None:
    file = read(tmp_path, GOOD)
    assert file.problems == ()
    assert file.persona is not None
    assert file.persona.name == "Tam"


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("id: tam\nname: Tam\nknowlege: [a]\n", 3, "knowlege", "did you mean 'knowledge'?"),
        (
            "id: tam\nname: Tam\nauthored:\n  topics:\n    - keywords: [a]\n",
            5,
            "authored.topics[0].lines",
            "is missing",
        ),
        ("id: tam\n", 1, "name", "is missing"),
        ("id: tom\nname: Tam\n", 1, "id", "write 'id: tam'"),
        ("id: Tam\nname: Tam\n", 1, "id", "must match"),
        ("id: tam\nname: Tam\nrelations:\n  Big Bo: friend\n", 4, "relations.Big Bo", "must match"),
        ("id: tam\nname: Tam\nknowledge:\n  - a\n  - b: c\n", 5, "knowledge[1]", "in quotes"),
        ("id: tam\nname: 5\n", 2, "name", "in quotes"),
        ("id: tam\nname: Tam\nmood: '" + "x" * 33 + "'\n", 3, "mood", "longer than 32"),
        ("- a\n", 1, "", "begin with 'id: tam'"),
        ("", 0, "", "begin with 'id: tam'"),
        ("id: [\n", 2, "", "not valid YAML"),
    ],
)
def test_a_broken_file_is_explained_by_line_and_field(
    tmp_path: Path, text: str, line: int, field: str, words: str
) -> None:
    file = read(tmp_path, text)
    assert file.persona is None
    assert (file.problems[0].line, file.problems[0].field) == (line, field)
    assert words in str(file.problems[0])


def test_a_file_whose_name_is_no_id_is_to_be_renamed(tmp_path: Path) -> None:
    file = read(tmp_path, GOOD, "Tam Goat.yaml")
    assert "rename the file to tam.yaml" in file.problems[0].hint


def test_a_folder_lists_persona_files_alone(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", ".hidden.yaml", "notes.txt", "b.yaml~"):
        (tmp_path / name).write_text(GOOD)
    assert [path.name for path in loader.listed(tmp_path)] == ["a.yml", "b.yaml"]
