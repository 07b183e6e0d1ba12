from pathlib import Path

from server.personas.check import check


def write(folder: Path, name: str, *lines: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n")


def words(folder: Path, *more: Path) -> list[str]:
    return [str(problem).replace(f"{folder}/", "") for problem in check([folder, *more])]


def test_a_sound_folder_has_no_problems(tmp_path: Path) -> None:
    write(tmp_path, "tam.yaml", "id: tam", "name: Tam", "core: You keep goats.", "relations: {bo: Your cousin.}")
    write(tmp_path, "bo.yaml", "id: bo", "name: Bo", "core: You keep bees.")
    assert check([tmp_path], lambda persona: 10, 100) == []


def test_an_empty_core_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path, "tam.yaml", "id: tam", "name: Tam")
    assert words(tmp_path) == ["tam.yaml:1: core: is empty (say in a few sentences who this is)"]


def test_authored_without_lines_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path, "tam.yaml", "id: tam", "name: Tam", "core: You keep goats.", "authored: {greetings: []}")
    assert words(tmp_path)[0].startswith("tam.yaml:4: authored: has no lines")


def test_relations_to_nobody_are_problems(tmp_path: Path) -> None:
    write(tmp_path, "tam.yaml", "id: tam", "name: Tam", "core: x", "relations:", "  beo: a", "  tam: b", "  zzzzz: c")
    write(tmp_path, "bo.yaml", "id: bo", "name: Bo", "core: x")
    assert words(tmp_path) == [
        "tam.yaml:5: relations.beo: is no persona (did you mean 'bo'?)",
        "tam.yaml:6: relations.tam: is this persona itself (say it in core)",
        "tam.yaml:7: relations.zzzzz: is no persona (write its file, or take the relation out)",
    ]


def test_a_relation_may_name_a_persona_of_another_folder_or_a_broken_one(tmp_path: Path) -> None:
    write(tmp_path / "a", "tam.yaml", "id: tam", "name: Tam", "core: x", "relations: {bo: a, cy: b}")
    write(tmp_path / "b", "bo.yaml", "id: bo", "name: Bo", "core: x")
    write(tmp_path / "b", "cy.yaml", "id: cy", "nme: Cy", "core: x")
    assert [problem.field for problem in check([tmp_path / "a", tmp_path / "b"])] == ["name", "nme"]


def test_a_core_over_half_of_the_budget_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path, "tam.yaml", "id: tam", "name: Tam", "core: " + "goat " * 60)
    assert check([tmp_path], lambda persona: 50, 100) == []
    problem = check([tmp_path], lambda persona: 51, 100)[0]
    assert (problem.line, problem.field) == (3, "core")
    assert "takes 51 tokens" in problem.message


def test_two_files_of_one_id_and_a_missing_folder_are_problems(tmp_path: Path) -> None:
    write(tmp_path, "tam.yaml", "id: tam", "name: Tam", "core: x")
    write(tmp_path, "tam.yml", "id: tam", "name: Tam", "core: x")
    listed = words(tmp_path, tmp_path / "absent")
    assert "tam.yml:1: id: has the same id as tam.yaml" in listed[0]
    assert "absent: cannot be read" in listed[1]
