"""The codes of error messages and of connection closes, with what a player or modder can do about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType

from server.errors import ProtocolError


class Code(StrEnum):
    """The `code` of an `error` message."""

    BAD_FRAME = "bad_frame"
    BAD_MESSAGE = "bad_message"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_FIELD = "unknown_field"
    BAD_PROTOCOL = "bad_protocol"
    BAD_TOKEN = "bad_token"
    HELLO_FIRST = "hello_first"
    HELLO_TWICE = "hello_twice"
    TOO_LONG = "too_long"
    TOO_FAST = "too_fast"
    TOO_MANY = "too_many"
    UNKNOWN_NPC = "unknown_npc"
    UNKNOWN_TURN = "unknown_turn"
    UNKNOWN_SAVE = "unknown_save"
    UNKNOWN_ACTION = "unknown_action"
    BAD_PERSONA = "bad_persona"
    STORE = "store"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """What a code means, the hint used where none better is known, and whether the same message may work later."""

    meaning: str
    hint: str
    retryable: bool = False


ERROR_CODES: Mapping[str, CodeInfo] = MappingProxyType(
    {
        Code.BAD_FRAME: CodeInfo(
            "The frame is not JSON or MessagePack, or is larger, deeper or stranger than any message.",
            "Send one map per frame: JSON in a text frame, MessagePack in a binary one; no NaN, no extension types.",
        ),
        Code.BAD_MESSAGE: CodeInfo(
            "A field is missing or has a wrong value.",
            "Compare the message with its example in docs/protocol.md; the field's name stands in this error.",
        ),
        Code.UNKNOWN_TYPE: CodeInfo(
            "No message has this `type`.",
            "Check the spelling of `type`, or update the server if the client is newer.",
        ),
        Code.UNKNOWN_FIELD: CodeInfo(
            "The message has a field that its type does not know.",
            "Check the spelling of the field, or update the server if the client is newer.",
        ),
        Code.BAD_PROTOCOL: CodeInfo(
            "Client and server speak different versions of the protocol.",
            "Update the older of the two; this server speaks version 1.",
        ),
        Code.BAD_TOKEN: CodeInfo(
            "The token is missing or wrong.",
            "Set the client's token to the one under `server.token` in the server's config.yaml.",
        ),
        Code.HELLO_FIRST: CodeInfo(
            "A message came before `hello`.",
            "Send `hello` as the first message of every connection, also after reconnecting.",
        ),
        Code.HELLO_TWICE: CodeInfo(
            "This connection has said `hello` already.",
            "Open a new connection to begin another session.",
        ),
        Code.TOO_LONG: CodeInfo(
            "A text is longer than its limit.",
            "Say it in fewer words, or in two messages; `welcome` lists the limits.",
        ),
        Code.TOO_FAST: CodeInfo(
            "Messages come faster than this server takes them.",
            "Wait a second and send it again; `welcome` says how many messages a second are taken.",
            retryable=True,
        ),
        Code.TOO_MANY: CodeInfo(
            "Too many connections, or too many turns are waiting.",
            "Close what is not needed or wait for turns to end, then send it again.",
            retryable=True,
        ),
        Code.UNKNOWN_NPC: CodeInfo(
            "No NPC has this id.",
            "List the NPC in `scene`, announce it with `npc`, or add its persona file; ids are lower case.",
        ),
        Code.UNKNOWN_TURN: CodeInfo(
            "This session has no such turn.",
            "Use the `turn` of a `turn.start`; turns of earlier sessions cannot be changed.",
        ),
        Code.UNKNOWN_SAVE: CodeInfo(
            "This save was never marked in this world, so memory stays as it is.",
            "Send `save` with the same name to adopt the present memory for it, or `load` with null for a new game.",
        ),
        Code.UNKNOWN_ACTION: CodeInfo(
            "The turn has no such action.",
            "Use the `turn` and `action` numbers of the `action` message that is answered.",
        ),
        Code.BAD_PERSONA: CodeInfo(
            "The persona cannot be used.",
            "Correct the field that this error names; the guide to writing a persona lists the fields.",
        ),
        Code.STORE: CodeInfo(
            "Memory could not be read or written.",
            "Check that the disk has room and that `data_dir` can be written, then send it again.",
            retryable=True,
        ),
        Code.INTERNAL: CodeInfo(
            "The server made a mistake.",
            "Send it again; if it happens twice, report it with the server's log.",
            retryable=True,
        ),
    }
)
"""Every code that an `error` message may carry."""


class Close(IntEnum):
    """Why the server closes a connection: RFC 6455, section 7.4.1, below 4000; Barkeep's own from 4000."""

    NORMAL = 1000
    GOING_AWAY = 1001
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL = 1011
    TRY_LATER = 1013
    BAD_FIRST_MESSAGE = 4000
    BAD_PROTOCOL = 4001
    BAD_TOKEN = 4003
    TOO_SLOW = 4008
    REPLACED = 4009
    FLOOD = 4029


@dataclass(frozen=True, slots=True)
class CloseInfo:
    """What a close means, and whether a client should connect again by itself."""

    meaning: str
    reconnect: bool


CLOSE_CODES: Mapping[int, CloseInfo] = MappingProxyType(
    {
        Close.NORMAL: CloseInfo("The client closed, or is done.", reconnect=False),
        Close.GOING_AWAY: CloseInfo("The server stops or restarts.", reconnect=True),
        Close.POLICY: CloseInfo("Not allowed here, or frame after frame made no sense.", reconnect=False),
        Close.TOO_BIG: CloseInfo("A frame is larger than `limits.message_bytes`.", reconnect=True),
        Close.INTERNAL: CloseInfo("The server made a mistake on this connection.", reconnect=True),
        Close.TRY_LATER: CloseInfo("The server has no room for another connection.", reconnect=True),
        Close.BAD_FIRST_MESSAGE: CloseInfo("The first message was no `hello`, or none came in time.", reconnect=False),
        Close.BAD_PROTOCOL: CloseInfo("This server does not speak the protocol version in `hello`.", reconnect=False),
        Close.BAD_TOKEN: CloseInfo("The token is missing or wrong.", reconnect=False),
        Close.TOO_SLOW: CloseInfo("The client does not read what it is sent.", reconnect=True),
        Close.REPLACED: CloseInfo("A newer connection took this session over.", reconnect=False),
        Close.FLOOD: CloseInfo("The client sent far more messages than it may.", reconnect=True),
    }
)
"""Every code with which the server closes a websocket."""


def problem(code: str, message: str, hint: str | None = None, *, re: str | None = None) -> ProtocolError:
    """A `ProtocolError` of a known code, with the code's own hint unless a better one is given.

    `re` is the client's id of the message that is refused.

    Raises:
        KeyError: `code` is not in `ERROR_CODES`.
    """
    info = ERROR_CODES[code]
    return ProtocolError(str(code), message, info.hint if hint is None else hint, retryable=info.retryable, re=re)
