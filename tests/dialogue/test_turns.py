"""From `say` to `turn.end`: order, heard text, interruption, several NPCs, and what memory keeps."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from server.config import BackgroundSettings, BudgetSettings
from server.errors import RouteBroken
from server.protocol import messages as m
from tests.support.routes import Route
from tests.support.stage import Recording, house, say

REPLY = "Two rooms are left. Both of them are dry."
HANG = 3_600.0


async def test_a_line_is_answered_in_order_and_ends_once(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter("hilda")
        answer = await client.ask(say())
        assert isinstance(answer, m.Ok)
        assert answer.turns is not None
        end = await client.next(m.TurnEnd)
        kinds = [message.type for message in client.seen if message.seq >= answer.seq]
        assert kinds == ["ok", "turn.start", "line", "line", "turn.end"]
        assert [message.seq for message in client.seen] == list(range(1, len(client.seen) + 1))
        assert [line.text for line in client.all(m.Line)] == ["Two rooms are left.", "Both of them are dry."]
        assert (end.reason, end.text, end.heard, end.re) == ("done", REPLY, REPLY, "s1")
        assert end.route.name == "local"
        assert not end.degraded
        assert end.turn == answer.turns[0].turn


async def test_tokens_come_before_lines_where_the_client_wants_them(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Two ", "rooms ", "are left.")) as home:
        client = await home.enter("hilda", stream="tokens")
        await client.ask(say())
        end = await client.next(m.TurnEnd)
        assert "".join(token.text for token in client.all(m.Token)) == end.text


async def test_history_grows_by_what_was_written_and_heard(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await client.ask(say())
        await client.next(m.TurnEnd)
        await client.ask(say("And breakfast?", id="s2"))
        await client.next(m.TurnEnd)
        first, second = route.prompts
        assert second[: len(first) - 2] == first[:-2]
        assert REPLY in second
        assert any("And breakfast?" in text for text in second)


async def test_a_stop_cuts_the_turn_and_history_holds_what_was_heard(tmp_path: Path) -> None:
    route = Recording("local", "Two rooms are left. ", "Both of them ", HANG)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await client.ask(say())
        await client.next(m.Line)
        answer = await client.ask(m.Stop(id="x"))
        assert isinstance(answer, m.Ok)
        end = await client.next(m.TurnEnd)
        assert (end.reason, end.heard) == ("stopped", "Two rooms are left.")
        assert client.seen.index(end) < client.seen.index(answer)
        assert route.open == 0


async def test_a_new_line_supersedes_the_turns_before_it(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Wait. ", HANG)) as home:
        client = await home.enter("hilda")
        first = await client.ask(say())
        await client.next(m.TurnStart)
        second = await client.ask(say("Never mind.", id="s2"))
        end = await client.next(m.TurnEnd)
        assert end.reason == "superseded"
        assert isinstance(first, m.Ok)
        assert isinstance(second, m.Ok)
        assert first.turns != second.turns


async def test_reports_of_playback_decide_what_was_heard(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter("hilda", played=True)
        await client.ask(say())
        line = await client.next(m.Line, line=1)
        await client.session.handle(m.Played(turn=line.turn, line=0))
        await client.session.handle(m.Played(turn=line.turn, line=1, fraction=0.5))
        end = await client.next(m.TurnEnd)
        assert end.heard == "Two rooms are left. Both of"
        assert end.text == REPLY


async def test_two_npcs_speak_one_after_another_and_the_second_hears_the_first(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda", "ansel")
        answer = await client.ask(say("You two, listen.", to=["hilda", "ansel"]))
        assert isinstance(answer, m.Ok)
        assert [turn.npc for turn in answer.turns or []] == ["hilda", "ansel"]
        first = await client.next(m.TurnEnd)
        second = await client.next(m.TurnEnd)
        start = next(message for message in client.all(m.TurnStart) if message.turn == second.turn)
        assert client.seen.index(first) < client.seen.index(start)
        assert any(f"Hilda: {REPLY}" in text for text in route.prompts[1])
        assert not any(REPLY in text for text in route.prompts[0])


async def test_a_whisper_is_heard_by_its_addressee_alone(tmp_path: Path) -> None:
    route = Recording("local", "I see.")
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda", "ansel")
        await client.ask(say("The key is under the third step.", whisper=True))
        await client.next(m.TurnEnd)
        await client.ask(say("What did I say?", id="s2", to="ansel"))
        await client.next(m.TurnEnd)
        assert any("third step" in text for text in route.prompts[0])
        assert not any("third step" in text or "I see." in text for text in route.prompts[1])


async def test_a_failed_route_is_told_once_and_without_a_floor_the_npc_deflects(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", RouteBroken("it broke", "mend it"))) as home:
        client = await home.enter("hilda")
        for number in (1, 2, 3):
            await client.ask(say(id=f"s{number}"))
            end = await client.next(m.TurnEnd)
            assert (end.reason, end.degraded, end.route.name) == ("failed", True, None)
            assert end.heard in ("Ask me another, says Hilda.", "Not now, says Hilda.")
            assert end.route.attempts[0].outcome == ("broken" if number < 3 else "unavailable")
        told = [notice for notice in client.all(m.Notice) if notice.code == "route_failed"]
        assert [(notice.message, notice.hint) for notice in told] == [
            ("route local did not answer: it broke", "mend it"),
            ("route local did not answer: local is down", "it broke (mend it); it is looked at again in 10 s"),
        ]


async def test_the_authored_floor_answers_degraded(tmp_path: Path) -> None:
    broken = Route("local", RouteBroken("it broke"))
    async with house(tmp_path, broken, Route("authored", "Not now.", generating=False)) as home:
        client = await home.enter("hilda")
        await client.ask(say())
        end = await client.next(m.TurnEnd)
        assert (end.reason, end.route.name, end.degraded) == ("done", "authored", True)
        assert [attempt.outcome for attempt in end.route.attempts] == ["broken", "broken", "ok"]


async def test_a_foreign_speakers_label_ends_the_reply(tmp_path: Path) -> None:
    route = Route("local", "Two rooms.\nplayer: I take both.\nHilda: Good.", HANG)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await client.ask(say())
        end = await client.next(m.TurnEnd)
        assert (end.reason, end.text) == ("done", "Two rooms.")


@pytest.mark.parametrize("text", ["x" * 2_001, "\u6c34" * 300])
async def test_a_line_too_long_is_refused_and_supersedes_nothing(tmp_path: Path, text: str) -> None:
    async with house(tmp_path, Route("local", "Wait. ", HANG)) as home:
        client = await home.enter("hilda")
        await client.ask(say())
        answer = await client.ask(say(text, id="s2"))
        assert isinstance(answer, m.Error)
        assert answer.code == "too_long"
        assert client.all(m.TurnEnd) == []


async def test_a_stranger_in_the_scene_answers_with_a_generic_persona(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter()
        await client.ask(m.Scene(id="a", present=[m.Present(npc="old_tom", name="Old Tom")]))
        notice = await client.next(m.Notice)
        assert notice.code == "unknown_npc"
        await client.ask(say("Hello, Old Tom.", to=None))
        end = await client.next(m.TurnEnd)
        assert (end.npc, end.reason) == ("old_tom", "done")


async def test_an_unknown_addressee_is_an_error_with_the_nearest_name(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter()
        answer = await client.ask(say(to="hlida"))
        assert isinstance(answer, m.Error)
        assert answer.code == "unknown_npc"
        assert "hilda" in answer.hint


async def test_a_cue_lets_an_npc_speak_of_its_own_accord(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await client.ask(m.Cue(id="c", npc="hilda", instruction="Complain about the rain."))
        end = await client.next(m.TurnEnd)
        assert end.heard == REPLY
        assert any("Complain about the rain." in text for text in route.prompts[0])


async def test_an_events_witnesses_know_of_it_and_others_do_not(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda", "ansel")
        await client.ask(m.Event(id="e", text="A barge sinks at the weir.", witnesses=["ansel"]))
        for npc in ("ansel", "hilda"):
            await client.ask(say(id=npc, to=npc))
            await client.next(m.TurnEnd)
        assert any("barge" in text for text in route.prompts[0])
        assert not any("barge" in text for text in route.prompts[1])


async def test_warming_reads_without_speaking(tmp_path: Path) -> None:
    route = Route("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        assert isinstance(await client.ask(m.Warm(id="w", npc="hilda", text="Any ro")), m.Ok)
        assert (await client.next(m.Notice, code="warm")).re == "w"
        assert route.asked == 0
        assert client.all(m.TurnStart) == []


async def test_the_scene_is_told_once_and_again_when_it_changed(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        for number, place in enumerate(("the taproom", "the taproom", "the yard")):
            await client.ask(m.Scene(id=f"p{number}", place=place))
            await client.ask(say(id=f"s{number}"))
            await client.next(m.TurnEnd)
        assert [sum("Place:" in text for text in prompt) for prompt in route.prompts] == [1, 1, 2]


async def test_history_is_halved_in_the_background_before_the_limit_is_reached(tmp_path: Path) -> None:
    route = Recording("local", "Yes, " + "and so on, " * 12 + "and that is that.")
    budget = BudgetSettings(prompt_tokens=2_048)
    async with house(tmp_path, route, budget=budget) as home:
        # A summary that is asked of the route would stand among the prompts of turns.
        by_rule = BackgroundSettings(summaries="rules")
        home.stage.settings = home.stage.settings.model_copy(update={"background": by_rule})
        client = await home.enter("hilda")
        lengths = []
        for number in range(30):
            await client.ask(say(f"Question {number}?", id=f"s{number}"))
            end = await client.next(m.TurnEnd)
            assert end.tokens.prompt <= 2_048
            lengths.append(len(route.prompts[-1]))
        assert any("Question 29?" in text for text in route.prompts[-1])
        assert not any("player: Question 0?" in text for text in route.prompts[-1])
        shrinks = sum(later <= earlier for earlier, later in itertools.pairwise(lengths))
        assert 1 <= shrinks <= 5, "history goes in large steps, and between them the prompt only grows"


async def test_warming_that_fails_says_so(tmp_path: Path) -> None:
    route = Route("local", REPLY, warm_steps=(RouteBroken("it broke", "mend it"),))
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await client.ask(m.Warm(id="w", npc="hilda"))
        notice = await client.next(m.Notice)
        assert (notice.code, notice.message, notice.hint, notice.re) == ("not_warm", "it broke", "mend it", "w")


async def test_every_turn_ends_exactly_once_however_it_is_interrupted(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", 0.0, "One. ", 0.0, "Two. ", 0.0, "Three.")) as home:
        client = await home.enter("hilda", "ansel")
        for number in range(30):
            await client.ask(say(f"Line {number}.", id=f"n{number}", to=["hilda", "ansel"]))
            for _ in range(number % 7):
                await asyncio.sleep(0)
            if number % 3 == 0:
                await client.ask(m.Stop(id=f"x{number}"))
        await client.ask(m.Stop(id="last"))
        begun = [turn.turn for ok in client.all(m.Ok) for turn in ok.turns or []]
        ended = [end.turn for end in client.all(m.TurnEnd)]
        assert sorted(begun) == sorted(ended)
        assert len(begun) == 60


class Slow(Recording):
    """A route that can evaluate next to nothing in time."""

    def tokens_within(self, ms: float) -> int | None:
        return 40


async def test_a_slow_engine_is_given_less_that_is_new_and_the_line_all_the_same(tmp_path: Path) -> None:
    route = Slow("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await client.ask(m.Scene(id="p", place="the taproom of the Dry Boot, by the fire", weather="sleet"))
        await client.ask(say())
        end = await client.next(m.TurnEnd)
        dropped = {block.name for block in end.blocks if block.dropped}
        assert "scene" in dropped
        assert any("Any rooms left?" in text for text in route.prompts[0])
