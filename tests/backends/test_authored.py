import random
from contextlib import aclosing

import pytest

from server.backends.authored import AuthoredBackend, best_topic, pick
from server.backends.base import Finish, Request, TextDelta, Usage
from server.errors import RouteEmpty
from server.personas import deflections
from server.personas.persona import Authored, Persona, Topic
from tests.support.routes import request

ROOMS = Topic(keywords=("room", "rooms", "bed for the night"), lines=("Two left.", "One, by the stairs."))
BEER = Topic(keywords=("beer", "ale"), lines=("Dark or pale?", "The barrel is new."))
CAFE = Topic(keywords=("Café",), lines=("Never heard of it.",))
OWN = Authored(
    greetings=("In or out?", "Mind the step."),
    topics=(ROOMS, BEER, CAFE),
    farewells=("Shut the door.", "Go on, then."),
    deflections=("I pour, I do not preach.", "Ask Ansel."),
)
HILDA = Persona(id="hilda", name="Hilda", authored=OWN)
STRANGER = Persona(id="stranger", name="Stranger", language="de-AT")


async def line_for(heard: str = "", *, seed: int = 0, persona: Persona = HILDA, **fields: object) -> str:
    said: Request = request(heard, persona=persona, **fields)
    async with aclosing(AuthoredBackend("authored", rng=random.Random(seed)).generate(said)) as deltas:
        text, finish = [delta async for delta in deltas]
    assert isinstance(text, TextDelta)
    assert finish == Finish("stop", Usage(), "authored")
    return text.text


@pytest.mark.parametrize("opening", [True, False])
async def test_a_keyword_picks_its_topic_also_in_the_first_turn(opening: bool):
    assert await line_for("Any ROOMS left?", opening=opening) in ROOMS.lines


async def test_the_first_turn_greets():
    assert await line_for("Evening, Hilda.", opening=True) in OWN.greetings
    assert await line_for(opening=True) in OWN.greetings


async def test_a_card_opens_with_its_first_greeting_and_in_company_with_any():
    own = Authored(greetings=("First.", "Second."), group_greetings=("All of you.",), greets_first=True)
    card = Persona(id="tilda", name="Tilda", authored=own)
    seeds = range(20)
    assert {await line_for(persona=card, opening=True, seed=seed) for seed in seeds} == {"First."}
    in_company = {await line_for(persona=card, opening=True, in_company=True, seed=seed) for seed in seeds}
    assert in_company == {"First.", "Second.", "All of you."}
    heard = {await line_for("Hello.", persona=card, opening=True, seed=seed) for seed in seeds}
    assert heard == {"First.", "Second."}
    assert await line_for(persona=card, opening=True, recent=("First.",)) == "Second."


async def test_what_fits_no_topic_is_deflected():
    assert await line_for("What of the war?") in OWN.deflections
    assert await line_for() in OWN.deflections


@pytest.mark.parametrize("opening", [True, False])
async def test_a_goodbye_is_answered_with_a_farewell(opening: bool):
    assert await line_for("Goodbye, Hilda!", opening=opening) in OWN.farewells


async def test_a_persona_without_lines_speaks_its_languages_common_ones():
    common = deflections.common("de")
    assert await line_for("Wer seid Ihr?", persona=STRANGER) in common.deflections
    assert await line_for("Guten Tag", persona=STRANGER, opening=True) in common.greetings
    assert await line_for("Auf Wiedersehen", persona=STRANGER) in common.farewells


@pytest.mark.parametrize("heard", ["", "Any rooms left?", "A beer.", "What of the war?", "Goodbye."])
@pytest.mark.parametrize("persona", [HILDA, STRANGER, HILDA.model_copy(update={"authored": Authored(topics=(CAFE,))})])
async def test_no_line_is_said_twice_in_a_row(heard: str, persona: Persona):
    recent: tuple[str, ...] = ()
    for turn in range(50):
        line = await line_for(heard, seed=turn, persona=persona, recent=recent[-4:])
        assert recent[-1:] != (line,)
        recent = (*recent, line)


async def test_the_same_seed_picks_the_same_line():
    assert len({await line_for("What of the war?", seed=3) for _ in range(5)}) == 1
    assert len({await line_for("What of the war?", seed=seed) for seed in range(20)}) == 2


@pytest.mark.parametrize(
    ("heard", "topic"),
    [
        ("room", ROOMS),
        ("ROOM!", ROOMS),
        ("a bed, for the night", ROOMS),
        ("the night for a bed", None),
        ("mushrooms", None),
        ("ale in my room, with ale and beer", BEER),
        ("ale in my room", ROOMS),
        ("the cafe", CAFE),
        ("THE CAFÉ", CAFE),
        ("", None),
    ],
)
def test_the_topic_with_most_keywords_wins_then_the_longest(heard: str, topic: Topic | None):
    assert best_topic(OWN.topics, heard) is topic


def test_the_first_of_equal_topics_wins():
    first, second = (Topic(keywords=("tea",), lines=(line,)) for line in ("Mint.", "None."))
    assert best_topic((first, second), "tea") is first


def test_lines_said_lately_come_last_but_still_before_another_pool():
    rng = random.Random(0)
    assert pick([("a b", "c d"), ("e",)], ["c d"], rng) == "a b"
    assert pick([("a b", "c d"), ("e",)], ["a b", "c d"], rng) == "a b"
    assert pick([("a b",), ("e",)], ["a b"], rng) == "e"
    assert pick([("a b",)], ["a b"], rng) is None
    assert pick([], [], rng) is None


def test_a_line_heard_in_part_or_among_others_counts_as_said():
    rng = random.Random(0)
    lines = ("Two left. Four coppers a night.", "One, by the stairs.")
    assert pick([lines], ["Two left."], rng) == lines[1]
    assert pick([lines], ["Well. Two left! Four coppers a night. Or five."], rng) == lines[1]


async def test_nothing_but_the_last_line_is_an_empty_route(monkeypatch: pytest.MonkeyPatch):
    nothing = deflections.Common(greetings=("Yes.",), deflections=("Yes.",), farewells=("Yes.",), goodbyes=("bye",))
    monkeypatch.setattr(deflections, "common", lambda language: nothing)
    with pytest.raises(RouteEmpty):
        await line_for("Rooms?", persona=STRANGER, recent=("Yes.",))


async def test_it_is_ready_reads_nothing_ahead_and_is_no_model():
    backend = AuthoredBackend("floor", rng=random.Random(0))
    await backend.start()
    assert (backend.state().name, backend.state().state, backend.generating, backend.hosted) == (
        "floor",
        "ready",
        False,
        False,
    )
    assert [step async for step in backend.warm(request())] == []
    await backend.close()
