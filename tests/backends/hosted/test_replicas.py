from yarl import URL

from server.backends.hosted.replicas import COOL_S, MAX_COOL_S, MAX_STICKY, Replica, Replicas

A, B, C = (URL(f"http://127.0.0.1:{port}/v1") for port in (1, 2, 3))


def url_of(replica: Replica | None) -> URL:
    assert replica is not None
    return replica.url


def test_the_one_with_the_fewest_open_requests_is_asked():
    replicas = Replicas([A, B, C])
    replicas.all[0].outstanding, replicas.all[1].outstanding, replicas.all[2].outstanding = 2, 1, 3
    assert url_of(replicas.pick("", 0)) == B


def test_a_prompt_sticks_to_its_server_even_when_another_is_less_busy():
    replicas = Replicas([A, B])
    first = url_of(replicas.pick("hilda", 0))
    replicas.all[0].outstanding = 5
    assert url_of(replicas.pick("hilda", 1)) == first == A


def test_prompts_are_spread_over_idle_servers():
    replicas = Replicas([A, B, C])
    picked = [url_of(replicas.pick(npc, 0)) for npc in ("hilda", "mira", "bo", "ansel", "ida", "per")]
    assert {url: picked.count(url) for url in (A, B, C)} == {A: 2, B: 2, C: 2}


def test_a_prompt_moves_when_its_server_fails_and_stays_where_it_moved_to():
    replicas = Replicas([A, B])
    failed = replicas.pick("hilda", 0)
    assert failed is not None
    replicas.failed(failed, 0)
    assert url_of(replicas.pick("hilda", 1)) == B
    assert url_of(replicas.pick("hilda", COOL_S + 1)) == B
    assert (replicas.all[0].stuck, replicas.all[1].stuck) == (0, 1)


def test_a_failed_server_is_avoided_for_a_while_and_asked_where_no_other_is_left():
    replicas = Replicas([A, B])
    replicas.failed(replicas.all[0], 0)
    assert url_of(replicas.pick("", COOL_S - 1)) == B
    assert url_of(replicas.pick("", COOL_S)) == A
    replicas.failed(replicas.all[0], 20)
    replicas.failed(replicas.all[1], 10)
    assert url_of(replicas.pick("", 21)) == B
    replicas.recovered(replicas.all[0])
    assert url_of(replicas.pick("", 21)) == A


def test_a_server_says_itself_how_long_to_avoid_it_within_bounds():
    replicas = Replicas([A, B])
    replicas.failed(replicas.all[0], 0, 2.0)
    assert url_of(replicas.pick("", 2)) == A
    replicas.failed(replicas.all[0], 0, 86_400.0)
    assert url_of(replicas.pick("", MAX_COOL_S)) == A


def test_each_is_tried_once():
    replicas = Replicas([A, B])
    tried: list[Replica] = []
    while (replica := replicas.pick("hilda", 0, tried)) is not None:
        tried.append(replica)
    assert [replica.url for replica in tried] == [A, B]


def test_the_memory_of_prompts_is_bounded():
    replicas = Replicas([A, B])
    for number in range(MAX_STICKY + 100):
        replicas.pick(f"npc {number}", 0)
    assert sum(replica.stuck for replica in replicas.all) == MAX_STICKY
