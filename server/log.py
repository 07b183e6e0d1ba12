"""The log: one line an event on stderr, for people on a terminal and as JSON elsewhere. No key in it, and no speech.

Three rules hold for every line, wherever it comes from (structlog here, `logging` in libraries):

- what a key names a secret (`token`, `api_key`, `authorization`, …) is replaced, and so is every text that was
  registered with `register_secret`, anywhere in any value;
- what a key names as speech (`text`, `heard`, `prompt`, …) is replaced by its length, unless `log.content` is on;
- an exception is told by its type and the places it came through. Its message may quote a player (pydantic's does), so
  it stays out unless `log.content` is on; the errors of `server.errors` are written for people and are told in full.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, Sequence, Set
from datetime import date
from enum import Enum
from pathlib import PurePath
from types import TracebackType
from typing import Any, Final, Protocol, TextIO
from urllib.parse import quote
from uuid import UUID

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from server.errors import BarkeepError

REDACTED: Final = "[redacted]"
MAX_DEPTH: Final = 8
"""How deep a value may be nested before the rest is left out."""

_SECRET_WORD: Final = re.compile(
    r".*(token|secret|password|apikey)|tokens|secrets|keys?|auth|authorization|passwd|cookies?|credentials?|bearer"
)
_SPEECH_WORD: Final = re.compile(
    r"args|body|content|delta|heard|instruction|lines?|messages?|note|prompt|query|recalled|reply|said|summary|texts?"
    r"|utterance|words"
)
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_IN_TEXT: Final = re.compile(
    r"""(?i)(\b(?:bearer|basic)\s+(?=\S{12})|\b(?:access_?|api_?|auth_?)?(?:token|key|password|secret)["']?(?:=|:\s?["']))"""
    r"""[^\s&"',;]+"""
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_QUIET: Final = {"aiohttp.access": logging.WARNING, "httpx2": logging.WARNING, "asyncio": logging.WARNING}
_secrets: list[str] = []


class LogOptions(Protocol):
    """What `log` in config.yaml says."""

    @property
    def level(self) -> str:
        """debug, info, warning or error."""

    @property
    def content(self) -> bool:
        """True lets speech into the log."""


def register_secret(secret: str) -> None:
    """From now on, `secret` never appears in the log; neither does its form in an address."""
    if secret.strip():
        # The longest first: a secret that begins another must not leave the other's end behind.
        _secrets[:] = sorted({*_secrets, secret, quote(secret, safe="")}, key=len, reverse=True)


def configure(options: LogOptions, *, stream: TextIO | None = None) -> None:
    """Send structlog's and `logging`'s events to `stream` (stderr), as `options` say. May be called again."""
    out = stream or sys.stderr
    is_terminal = out.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_terminal else "iso", utc=not is_terminal),
        _Exceptions(content=options.content),
        Redactor(content=options.content),
    ]
    show: Processor = structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, show],
            foreign_pre_chain=[_FirstLine(content=options.content), *shared],
            use_get_message=True,
        )
    )
    logging.raiseExceptions = False  # a closed stderr is no reason to write more to stderr
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(options.level.upper())
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a second `configure` must reach the loggers that modules hold
    )


class Redactor:
    """The processor that keeps secrets, and unless `content` is set, speech, out of an event."""

    def __init__(self, *, content: bool) -> None:
        self._content = content

    def __call__(self, logger: WrappedLogger, method: str, event_dict: EventDict) -> EventDict:
        """Return the event that may be written."""
        meta = {key: event_dict.pop(key) for key in ("_record", "_from_structlog") if key in event_dict}
        clean: EventDict = {_text(str(key)): self._value(str(key), value, 0) for key, value in event_dict.items()}
        return {**clean, **meta}

    def _value(self, key: str, value: Any, depth: int) -> Any:
        if _is_number(value):
            return value  # `prompt_tokens=812`, `line=0`: a count is neither secret nor speech
        if not isinstance(value, Mapping):
            words = [word.lower() for word in _WORD.findall(key)]
            if any(map(_SECRET_WORD.fullmatch, words)):
                return REDACTED
            if not self._content and any(map(_SPEECH_WORD.fullmatch, words)):
                return _length(value)
        return self._by_type(key, value, depth)

    def _by_type(self, key: str, value: Any, depth: int) -> Any:
        match value:
            case str():
                return _text(value)
            case _ if depth >= MAX_DEPTH:
                return "…"
            case Mapping():
                return {
                    _text(str(inner)): self._value(f"{key} {inner}", each, depth + 1) for inner, each in value.items()
                }
            case Sequence() | Set() if not isinstance(value, bytes | bytearray | memoryview):
                return [self._value(key, each, depth + 1) for each in value]
            case PurePath() | Enum() | date() | UUID():
                return _text(str(value))
            case BarkeepError():
                return _text(f"{type(value).__name__}: {value}")
            case _:  # the repr of a message or of an exception may hold anything
                return _text(repr(value)) if self._content else f"<{type(value).__name__}>"


class _Exceptions:
    """The processor that tells `exc_info` by type and places, innermost last."""

    def __init__(self, *, content: bool) -> None:
        self._content = content

    def __call__(self, logger: WrappedLogger, method: str, event_dict: EventDict) -> EventDict:
        error = _raised(event_dict.pop("exc_info", None))
        if error is not None:
            event_dict["exception"] = " <- ".join(self._told(each) for each in _causes(error))
        return event_dict

    def _told(self, error: BaseException) -> str:
        told = isinstance(error, BarkeepError) or self._content
        return f"{type(error).__name__}{f': {error}' if told else ''} at {_places(error.__traceback__)}"


class _FirstLine:
    """The processor that cuts a library's message after its first line: asyncio shows exceptions in the next ones."""

    def __init__(self, *, content: bool) -> None:
        self._content = content

    def __call__(self, logger: WrappedLogger, method: str, event_dict: EventDict) -> EventDict:
        if not self._content:
            event_dict["event"] = str(event_dict["event"]).partition("\n")[0]
        return event_dict


def _raised(exc_info: object) -> BaseException | None:
    """What `exc_info` means in its three forms: an exception, the triple of `sys.exc_info`, or "the current one"."""
    match exc_info:
        case BaseException() as error:
            return error
        case (_, BaseException() as error, _):
            return error
        case _:
            return sys.exception() if exc_info else None


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < MAX_DEPTH:
        each = waiting.pop(0)
        if each is not None and each not in found:
            found.append(each)
            waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
            waiting.append(each.__cause__ or (None if each.__suppress_context__ else each.__context__))
    return found


def _places(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)[-6:]
    return " > ".join(f"{'/'.join(PurePath(each.filename).parts[-2:])}:{each.lineno}" for each in frames) or "no place"


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _length(value: Any) -> str:
    match value:
        case str():
            return f"<{len(value)} characters>"
        case bytes() | bytearray():
            return f"<{len(value)} bytes>"
        case Sequence() | Set():
            return f"<{len(value)} items>"
        case _:
            return f"<{type(value).__name__}>"


def _text(text: str) -> str:
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, REDACTED)
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _SECRET_IN_TEXT.sub(rf"\1{REDACTED}", text))
