from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.memory.feelings import Effect, Feeling, Regard

HOUR_S = 3_600.0
amounts = st.floats(-1, 1)


@given(st.lists(st.tuples(amounts, amounts, st.floats(0, 1e6)), max_size=20))
def test_no_program_of_moves_leaves_the_scale(moves: list[tuple[float, float, float]]) -> None:
    regard, feeling = Regard("player"), Feeling()
    for trust, valence, time in moves:
        regard = regard.moved(Effect(trust=trust), 1.0, time)
        feeling = feeling.moved(Effect(valence=valence), 1.0, time)
        assert -1 <= regard.trust <= 1
        assert -1 <= feeling.valence <= 1


def test_many_small_things_come_near_the_end_of_the_scale_and_one_large_thing_turns_back() -> None:
    regard = Regard("player", time=0.0)
    for _ in range(50):
        regard = regard.moved(Effect(warmth=0.1), 1.0, 0.0)
    assert 0.9 < regard.warmth < 1.0
    assert regard.moved(Effect(warmth=-0.4), 1.0, 0.0).warmth < 0.6


def test_fear_is_gone_before_trust_is() -> None:
    month_later = Regard("player", trust=0.8, fear=0.8, time=0.0).at(30 * 24 * HOUR_S)
    assert month_later.trust > 0.5
    assert month_later.fear < 0.01


def test_without_the_games_time_nothing_fades() -> None:
    assert Regard("player", trust=0.5, time=None).at(1e9).trust == 0.5
    assert Regard("player", trust=0.5, time=5.0).at(None).trust == 0.5


def test_time_that_runs_backwards_strengthens_nothing() -> None:
    assert Regard("player", trust=0.5, time=100 * HOUR_S).at(0.0).trust == 0.5


def test_a_mood_loses_its_word_once_it_is_not_felt_any_more() -> None:
    angry = Feeling(time=0.0).moved(Effect(valence=-0.4, arousal=0.4, mood="angry"), 1.0, 0.0)
    assert angry.label == "angry"
    assert angry.at(2 * HOUR_S).label == "angry"
    assert angry.at(24 * HOUR_S).label == ""


def test_what_is_hardly_felt_gives_no_word() -> None:
    assert Feeling().moved(Effect(valence=0.1, mood="pleased"), 1.0, None).label == ""
