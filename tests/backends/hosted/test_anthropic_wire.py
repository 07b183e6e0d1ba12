from typing import Any

from server.backends.base import Sampling
from server.backends.hosted.anthropic.wire import Messages
from server.backends.hosted.wire import Asked
from server.text.segments import Close, Open, Part, Prompt, Role, Segment, Text
from tests.support.routes import request

ASKED = Asked("claude")
CACHED = {"type": "ephemeral"}


def turn(role: Role, *texts: str) -> tuple[Segment, ...]:
    return (Open(role), *(Text(text) for text in texts), Close())


def prompt(history: tuple[Segment, ...], now: tuple[Segment, ...], facts: str = "It rains.") -> Prompt:
    return Prompt(
        (
            Part("rules", (Open("system"), Text("Be brief.\n"))),
            Part("persona", (Text("You are Hilda.\n"),)),
            Part("facts", (Text(facts), Close())),
            Part("history", history),
            Part("turn", (*now, Open("assistant"))),
        )
    )


def body(shown: Prompt, **fields: object) -> dict[str, Any]:
    return Messages().body(request(prompt=shown, **fields), ASKED)


PAST = (*turn("user", "Ansel: Evening."), *turn("assistant", "Evening."))


def test_the_request_is_ordered_by_how_often_it_changes_with_a_breakpoint_after_each_stable_part():
    sent = body(prompt(PAST, turn("user", "Ansel: Rooms?")))
    assert sent["system"] == [
        {"type": "text", "text": "Be brief."},
        {"type": "text", "text": "\n\nYou are Hilda.", "cache_control": CACHED},
        {"type": "text", "text": "\n\nIt rains.", "cache_control": CACHED},
    ]
    assert sent["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Ansel: Evening."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Evening.", "cache_control": CACHED}]},
        {"role": "user", "content": [{"type": "text", "text": "Ansel: Rooms?"}]},
    ]
    assert (sent["model"], sent["stream"]) == ("claude", True)


def test_a_turn_that_becomes_history_keeps_its_blocks():
    def texts(sent: dict[str, Any]) -> list[tuple[str, str]]:
        return [(message["role"], block["text"]) for message in sent["messages"] for block in message["content"]]

    heard = (*PAST, *turn("user", "It grows dark."))
    before = body(prompt(heard, turn("user", "Ansel: Rooms?")))
    after = body(
        prompt((*heard, *turn("user", "Ansel: Rooms?"), *turn("assistant", "Two.")), turn("user", "Ansel: Ah."))
    )
    assert texts(after)[: len(texts(before))] == texts(before)
    assert [block["text"] for block in before["messages"][-1]["content"]] == ["It grows dark.", "\n\nAnsel: Rooms?"]


def test_no_more_breakpoints_than_the_format_allows():
    sent = body(prompt(PAST * 20, turn("user", "Rooms?")))
    blocks = [*sent["system"], *(block for message in sent["messages"] for block in message["content"])]
    assert sum("cache_control" in block for block in blocks) == 3


def test_a_prompt_without_facts_or_history_has_the_persona_alone_to_keep():
    sent = body(prompt((), turn("user", "Rooms?"), facts=""))
    assert [block.get("cache_control") for block in sent["system"]] == [None, CACHED]
    assert "cache_control" not in sent["messages"][-1]["content"][-1]


def test_a_conversation_that_the_npc_began_opens_with_a_users_message_all_the_same():
    sent = body(prompt(turn("assistant", "Evening."), turn("user", "Ansel: Evening.")))
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "user"]
    assert [message["role"] for message in body(prompt((), ()))["messages"]] == ["user"]


def test_settings_that_the_format_takes():
    sent = body(
        prompt((), turn("user", "Hm?")),
        max_tokens=48,
        stop=("\n", "Ansel:", "a", "b", "c", "d"),
        sampling=Sampling(temperature=1.4, top_p=0.9, min_p=0.1, seed=3),
    )
    assert sent["max_tokens"] == 48
    assert sent["stop_sequences"] == ["Ansel:", "a", "b", "c"]
    assert sent["temperature"] == 1.0
    assert not {"top_p", "min_p", "seed", "stop"} & sent.keys()


def test_counting_sends_the_prompt_alone():
    asked = request(prompt=prompt(PAST, turn("user", "Rooms?")))
    counted, sent = Messages().count_body(asked, ASKED), Messages().body(asked, ASKED)
    assert counted == {name: sent[name] for name in ("model", "system", "messages")}


def test_the_key_travels_in_its_own_header():
    assert Messages().headers("sk-1") == {"anthropic-version": "2023-06-01", "x-api-key": "sk-1"}
    assert Messages().headers("") == {"anthropic-version": "2023-06-01"}
