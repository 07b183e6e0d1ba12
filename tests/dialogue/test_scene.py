from server.dialogue.scene import Person, SceneView, SceneWriter
from server.protocol.messages import Present, Scene, ScenePlayer


def test_present_replaces_the_list_and_absent_fields_stay() -> None:
    view = SceneView().updated(Scene(place="the taproom", present=[Present(npc="hilda")]), {"hilda": "Hilda"})
    view = view.updated(Scene(weather="rain", present=[Present(npc="ansel", distance=2)]), {"ansel": "Ansel"})
    assert view.place == "the taproom"
    assert view.weather == "rain"
    assert view.present == (Person("ansel", "Ansel", 2.0),)
    assert view.updated(Scene(place="the yard"), {}).present == view.present


def test_a_scene_is_written_whole_once_and_then_only_where_it_changed() -> None:
    writer = SceneWriter()
    view = SceneView(place="the taproom", weather="rain", time=3_700.0, present=(Person("hilda", "Hilda"),))
    first = writer.changes(view, "hilda")
    assert len(first) == 3
    assert writer.changes(view, "hilda") == first
    writer.wrote(view, "hilda")
    assert writer.changes(view, "hilda") == ()
    later = SceneView(place="the yard", weather="rain", time=3_800.0)
    assert writer.changes(later, "hilda") == ("Place: the yard.",)
    writer.forget()
    assert len(writer.changes(later, "hilda")) == 3


def test_others_present_are_told_by_name_and_the_npc_itself_is_not() -> None:
    view = SceneView(present=(Person("hilda", "Hilda"), Person("ansel", "Ansel")))
    view = view.updated(Scene(player=ScenePlayer(name="Wren", description="a stranger")), {})
    assert SceneWriter().changes(view, "hilda") == ("Here with you: Wren (a stranger), Ansel.",)
