"""The one place where exceptions become what a client sees: an `error` message, or a close frame."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from server.dialogue.outbox import OutboxClosed
from server.errors import BarkeepError, ProtocolError
from server.protocol.codes import ERROR_CODES, Close, Code
from server.protocol.messages import Error

MAX_REASON_BYTES = 123
"""RFC 6455 §5.5: a control frame carries at most 125 bytes, two of them the code."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """How a connection ends: a close code, and a reason for people."""

    code: int
    reason: str = ""

    @property
    def reason_bytes(self) -> bytes:
        """The reason, cut at a whole character to what a close frame holds."""
        return self.reason.encode()[:MAX_REASON_BYTES].decode("utf-8", "ignore").encode()


GONE = Farewell(Close.NORMAL)
"""The client closed, or its transport is dead: there is nobody to tell."""


class Ended(Exception):
    """The connection is over, for the reason in `farewell`; not a failure of the server."""

    def __init__(self, farewell: Farewell) -> None:
        super().__init__(farewell.reason)
        self.farewell = farewell


def as_error(error: BarkeepError) -> Error:
    """The `error` message for something that a client asked for and does not get."""
    re = error.re if isinstance(error, ProtocolError) else None
    hint = error.hint or (ERROR_CODES[error.code].hint if error.code in ERROR_CODES else "")
    code = error.code if error.code in ERROR_CODES else Code.INTERNAL
    return Error(re=re, code=code, message=error.message, hint=hint, retryable=error.retryable)


def as_farewell(exc: BaseException) -> Farewell:
    """How the connection ends after this exception. A failure that nobody foresaw says nothing about itself."""
    match exc:
        case BaseExceptionGroup():
            return as_farewell(exc.exceptions[0])
        case Ended():
            return exc.farewell
        case OutboxClosed():
            return Farewell(exc.close_code, exc.reason)
        case ConnectionError():
            return GONE
        case ProtocolError():
            return Farewell(_HELLO_CLOSES.get(exc.code, Close.BAD_FIRST_MESSAGE), exc.message)
        case BarkeepError():
            return Farewell(Close.TRY_LATER, exc.message)
        case TimeoutError():
            return Farewell(Close.TRY_LATER, "the server is too busy")
        case _:
            return Farewell(Close.INTERNAL, "the server made a mistake on this connection")


def where(exc: BaseException) -> str:
    """The type of an exception and the line that raised it. Its text is left out: it may hold what people said."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    frames = traceback.extract_tb(exc.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(exc).__name__}{place}"


_HELLO_CLOSES: dict[str, int] = {
    Code.BAD_PROTOCOL: Close.BAD_PROTOCOL,
    Code.BAD_TOKEN: Close.BAD_TOKEN,
    Code.TOO_MANY: Close.TRY_LATER,
    Code.INTERNAL: Close.INTERNAL,
    Code.STORE: Close.TRY_LATER,
}
