import asyncio

from server.dialogue.playback import Playback
from tests.support.virtual_time import now_s, virtual_time


def test_without_reports_a_line_is_heard_when_it_was_taken() -> None:
    playback = Playback(reported=False)
    taken = [playback.add(text, 1_000) for text in ("Two rooms. ", "Both dry.")]
    assert playback.heard == ""
    assert taken[0] is not None
    taken[0]()
    assert playback.heard == "Two rooms."
    assert playback.all_text == "Two rooms. Both dry."


def test_a_report_of_a_fraction_keeps_whole_words() -> None:
    playback = Playback(reported=True)
    assert playback.add("The river room is free.", 2_000) is None
    playback.played(0, 0.5)
    assert playback.heard == "The river"
    playback.played(7, 1.0)
    assert playback.heard == "The river"


@virtual_time
async def test_draining_ends_with_the_report_of_the_last_line() -> None:
    playback = Playback(reported=True)
    playback.add("One. ", 1_000)
    playback.add("Two.", 1_000)
    draining = asyncio.create_task(playback.drained())
    await asyncio.sleep(0.1)
    playback.played(1, 1.0)
    await draining
    assert playback.heard == "Two."


@virtual_time
async def test_an_unreported_line_is_waited_for_once_and_a_half_its_length_and_three_seconds() -> None:
    playback = Playback(reported=True)
    playback.add("One. ", 2_000)
    began = now_s()
    await playback.drained()
    assert now_s() - began == 6.0
    assert playback.heard == ""
