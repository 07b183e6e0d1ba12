from server.backends.hosted.session import HttpSession


async def test_all_users_share_one_session_that_ends_with_close():
    http = HttpSession()
    session = http.get()
    assert http.get() is session
    await http.close()
    await http.close()
    assert session.closed


async def test_closing_a_session_that_was_never_used_is_fine():
    await HttpSession().close()
