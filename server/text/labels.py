"""Who says what, on one line that nobody else can forge."""

from __future__ import annotations

from server.text.control import clean_name, neutralise, one_line, without_hidden


def labelled(name: str, text: str) -> str:
    """`Name: text` on a single line, both parts neutralised, so that no text can begin a line under another's name."""
    # Neutralised last: a line break that becomes a space can complete a token's spelling.
    return f"{clean_name(name)}: {neutralise(one_line(without_hidden(text)))}".rstrip()
