from server.routing.limits import TurnLimits, Window, floor_window, generating_window

LIMITS = TurnLimits(first_text_ms=2_500, authored_after_ms=8_000, gap_ms=4_000, turn_ms=20_000, received_s=100.0)


def test_the_first_route_pays_for_the_time_since_receipt():
    assert generating_window(LIMITS, 101.0, first=True, last=False, floor=True) == Window(102.5, 120.0, 4.0)


def test_a_later_route_starts_its_own_count():
    assert generating_window(LIMITS, 103.0, first=False, last=False, floor=True).first_text_by_s == 105.5


def test_no_route_keeps_the_authored_lines_waiting():
    assert generating_window(LIMITS, 107.0, first=False, last=False, floor=True).first_text_by_s == 108.0


def test_the_last_route_may_go_on_until_authored_lines_speak():
    assert generating_window(LIMITS, 100.0, first=True, last=True, floor=True).first_text_by_s == 108.0


def test_the_last_route_without_authored_lines_may_take_the_turn():
    assert generating_window(LIMITS, 100.0, first=True, last=True, floor=False).first_text_by_s == 120.0


def test_authored_lines_speak_at_the_end_of_a_turn_shorter_than_their_wait():
    limits = TurnLimits(first_text_ms=500, authored_after_ms=8_000, gap_ms=500, turn_ms=1_000, received_s=0.0)
    assert generating_window(limits, 0.0, first=True, last=True, floor=True).first_text_by_s == 1.0


def test_authored_lines_have_time_after_the_turn_is_over():
    assert floor_window(LIMITS, 130.0) == Window(132.5, 132.5, 4.0)
