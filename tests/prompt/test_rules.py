from server.prompt.pieces import as_line
from server.prompt.rules import OWN_ACCORD, RULES

MOST_TOKENS = 120
CHARACTERS_PER_TOKEN = 4.3  # a byte-pair vocabulary of 65,536 on plain English


def test_rules_are_short() -> None:
    assert len(RULES) <= MOST_TOKENS * CHARACTERS_PER_TOKEN


def test_rules_stand_in_the_prompt_as_they_are_written() -> None:
    assert as_line(RULES) == f"{RULES}\n"
    assert as_line(OWN_ACCORD) == f"{OWN_ACCORD}\n"
