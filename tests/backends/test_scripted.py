import pytest

from server.backends.base import Delta, Finish, Progress, TextDelta, Usage
from server.backends.scripted import ScriptedBackend
from server.config import ScriptedDelta, ScriptedRoute
from server.errors import RouteBroken, RouteBusy, RouteError, RouteRejected, RouteUnavailable
from tests.support.routes import request
from tests.support.virtual_time import now_s, virtual_time


def backend(*script: ScriptedDelta) -> ScriptedBackend:
    return ScriptedBackend("scripted", ScriptedRoute(kind="scripted", script=script))


async def played(scripted: ScriptedBackend, heard: str = "Any rooms left?", **fields: object) -> list[Delta]:
    return [delta async for delta in scripted.generate(request(heard, **fields))]


@virtual_time
async def test_a_script_is_played_in_its_own_time_for_each_request():
    scripted = backend(ScriptedDelta(after_ms=1_500, text="Two"), ScriptedDelta(after_ms=500, text=" rooms."))
    for turn in (1, 2):
        assert await played(scripted) == [
            TextDelta("Two"),
            TextDelta(" rooms."),
            Finish("stop", Usage(5, 0, 5, 2), "scripted"),
        ]
        assert now_s() == 2 * turn


@pytest.mark.parametrize(
    ("word", "kind"),
    [("unavailable", RouteUnavailable), ("rejected", RouteRejected), ("busy", RouteBusy), ("broken", RouteBroken)],
)
@virtual_time
async def test_a_script_may_fail_after_text(word: str, kind: type[RouteError]):
    steps = ScriptedDelta(text="Two"), ScriptedDelta.model_validate({"after_ms": 100, "error": word})
    deltas = backend(*steps).generate(request())
    assert await anext(deltas) == TextDelta("Two")
    with pytest.raises(kind):
        await anext(deltas)
    assert now_s() == pytest.approx(0.1)


@virtual_time
async def test_an_empty_script_repeats_what_was_said_word_by_word():
    *words, finish = await played(backend(), "Any rooms left?")
    assert words == [TextDelta(word) for word in ("You", " said:", " Any", " rooms", " left?")]
    assert isinstance(finish, Finish)
    assert finish.usage.reply == 5


@virtual_time
async def test_an_empty_script_has_words_for_a_cue_too():
    *words, _ = await played(backend(), "")
    assert "".join(word.text for word in words if isinstance(word, TextDelta)) == "You said nothing."


@virtual_time
async def test_a_reply_keeps_to_its_tokens():
    *words, finish = await played(backend(), max_tokens=2)
    assert words == [TextDelta("You"), TextDelta(" said:")]
    assert finish == Finish("length", Usage(5, 0, 5, 2), "scripted")


@virtual_time
async def test_a_step_without_text_only_waits():
    assert len(await played(backend(ScriptedDelta(after_ms=100), ScriptedDelta(text="Yes.")))) == 2


@virtual_time
async def test_warming_reads_the_whole_prompt():
    assert [step async for step in backend().warm(request())] == [Progress(5, 5)]
