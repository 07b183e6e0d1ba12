import io

from server.bench.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_rewrites_itself() -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress.show("one")
    progress.show("two")
    progress.say("kept")
    assert stream.getvalue().count("\r") == 2
    assert stream.getvalue().endswith("\nkept\n")


def test_a_file_is_not_filled_with_every_step() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    for step in range(100):
        progress.show(f"step {step}")
    progress.say("kept")
    assert stream.getvalue() == "step 0\nkept\n"
