import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.personas.library import Change, PersonaLibrary


def write(folder: Path, persona_id: str, core: str = "You keep goats.") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{persona_id}.yaml"
    replace(path, f"id: {persona_id}\nname: {persona_id.title()}\ncore: {core}\n")
    return path


def replace(path: Path, text: str) -> None:
    """At one stroke, so that a watcher never reads half a file."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


def loaded(*folders: Path) -> PersonaLibrary:
    library = PersonaLibrary(folders)
    library.load()
    return library


def core(library: PersonaLibrary, persona_id: str) -> str | None:
    persona = library.get(persona_id)
    return persona.core if persona else None


@asynccontextmanager
async def watched(library: PersonaLibrary) -> AsyncIterator[asyncio.Queue[Change]]:
    changes: asyncio.Queue[Change] = asyncio.Queue()
    async with asyncio.timeout(10):
        task = asyncio.create_task(library.watch(changes.put_nowait, interval_s=0.005), name="watch")
        try:
            yield changes
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def test_every_file_is_a_persona(tmp_path: Path) -> None:
    write(tmp_path, "tam")
    write(tmp_path, "bo")
    library = loaded(tmp_path)
    assert library.ids() == ("bo", "tam")
    assert library.problems() == ()
    assert library.get("nobody") is None


def test_a_broken_file_stops_no_other(tmp_path: Path) -> None:
    write(tmp_path, "tam")
    (tmp_path / "bo.yaml").write_text("id: bo\nnam: Bo\n")
    (tmp_path / "cy.yaml").write_bytes(b"\xff")
    library = loaded(tmp_path)
    assert library.ids() == ("tam",)
    assert {Path(problem.file).name for problem in library.problems()} == {"bo.yaml", "cy.yaml"}


def test_later_folders_win(tmp_path: Path) -> None:
    write(tmp_path / "a", "tam", "first")
    write(tmp_path / "b", "tam", "second")
    assert core(loaded(tmp_path / "a", tmp_path / "b"), "tam") == "second"
    assert core(loaded(tmp_path / "b", tmp_path / "a"), "tam") == "first"


def test_a_broken_file_leaves_the_earlier_folders_one(tmp_path: Path) -> None:
    write(tmp_path / "a", "tam", "first")
    write(tmp_path / "b", "tam").write_text("id: [\n")
    assert core(loaded(tmp_path / "a", tmp_path / "b"), "tam") == "first"


def test_an_added_folder_is_read_at_the_next_load(tmp_path: Path) -> None:
    write(tmp_path / "a", "tam")
    write(tmp_path / "mod", "bo")
    library = loaded(tmp_path / "a")
    library.add_folder(tmp_path / "mod")
    library.add_folder(tmp_path / "mod")
    library.load()
    assert library.ids() == ("bo", "tam")
    assert library.problems() == ()


def test_a_missing_folder_is_a_problem_not_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a", "tam")
    library = loaded(tmp_path / "absent", tmp_path / "a")
    assert library.ids() == ("tam",)
    assert library.problems()[0].file == str(tmp_path / "absent")


def test_two_files_of_one_id_are_a_problem(tmp_path: Path) -> None:
    write(tmp_path, "tam", "first")
    write(tmp_path, "tam").rename(tmp_path / "tam.yml")
    write(tmp_path, "tam", "first")
    library = loaded(tmp_path)
    assert "same id as tam.yaml" in library.problems()[0].message
    assert core(library, "tam") == "first"


def test_a_load_reads_unchanged_files_once(tmp_path: Path) -> None:
    write(tmp_path, "tam")
    library = loaded(tmp_path)
    before = library.get("tam")
    library.load()
    assert library.get("tam") is before


def test_a_folder_named_like_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "tam.yaml").mkdir()
    assert "cannot be read" in loaded(tmp_path).problems()[0].message


async def test_an_edit_is_picked_up(tmp_path: Path) -> None:
    path = write(tmp_path, "tam", "old")
    library = loaded(tmp_path)
    async with watched(library) as changes:
        replace(path, path.read_text().replace("old", "newer"))
        assert (await changes.get()).ids == {"tam"}
    assert core(library, "tam") == "newer"


async def test_new_and_removed_files_are_picked_up(tmp_path: Path) -> None:
    path = write(tmp_path, "tam")
    library = loaded(tmp_path)
    async with watched(library) as changes:
        write(tmp_path, "bo")
        assert (await changes.get()).ids == {"bo"}
        path.unlink()
        assert (await changes.get()).ids == {"tam"}
    assert library.ids() == ("bo",)


async def test_a_broken_edit_keeps_the_last_good_version_and_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path, "tam", "good")
    library = loaded(tmp_path)
    async with watched(library) as changes:
        replace(path, "id: tam\nname: Tam\ncoer: bad\n")
        change = await changes.get()
        assert change.ids == frozenset()
        assert "did you mean 'core'?" in str(change.problems[0])
        assert core(library, "tam") == "good"
        write(tmp_path, "tam", "better")
        change = await changes.get()
    assert change == Change(frozenset({"tam"}), ())
    assert core(library, "tam") == "better"


async def test_a_touched_file_with_the_same_words_is_no_change(tmp_path: Path) -> None:
    path = write(tmp_path, "tam")
    library = loaded(tmp_path)
    async with watched(library) as changes:
        os.utime(path, ns=(1, 1))
        write(tmp_path, "bo")
        assert (await changes.get()).ids == {"bo"}
        assert changes.empty()


async def test_the_listeners_failure_ends_the_watch_not_silently(tmp_path: Path) -> None:
    library = PersonaLibrary([tmp_path])
    write(tmp_path, "tam")

    def fail(change: Change) -> None:
        raise LookupError

    async with asyncio.timeout(10):
        with pytest.raises(LookupError):
            await library.watch(fail, interval_s=0.005)
